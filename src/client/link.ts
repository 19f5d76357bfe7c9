/**
 * One TCP connection from its beginning to its end: lines, and requests multiplexed by id. It is not made again; that
 * is what `Connection` is for.
 *
 * - Every request gets one outcome: its answer, its deadline, or the end of the link, whichever comes first.
 * - A request that was not written when the link ended is definite. One that was written is not.
 * - A link on which not a byte arrives within a request's whole time is given up: its other end may be gone without
 *   having been able to say so.
 */
import { Buffer } from 'node:buffer';
import { createConnection, type Socket } from 'node:net';
import {
  createJSONRPCErrorResponse,
  JSONRPCClient,
  type JSONRPCErrorResponse,
  type JSONRPCID,
  type JSONRPCResponse,
} from 'json-rpc-2.0';
import { encodeRequest, parse, type ErrorObject, type Params } from '../wire/jsonrpc.ts';
import { LineDecoder, type Line } from '../wire/lines.ts';
import { now } from './deadline.ts';
import {
  closed,
  connectFailed,
  connectionLost,
  deadlineExceeded,
  fromServer,
  nameOf,
  protocolError,
  SkeinError,
  turnedDown,
  type Failure,
} from './errors.ts';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** Of a request. */
  readonly lineBytesMax: number;
  /** Ends the link, or the attempt to make it. */
  readonly signal: AbortSignal;
  readonly onNotification: (method: string, params: Params | undefined) => void;
  readonly onEnd: () => void;
}

const keepAliveMs = 30_000;
/** Of a reply: the largest limit of a server's line. */
const replyBytesMax = 268_435_456;
/** Values are nested deeper in replies than they were in requests. */
const limits = { depthMax: 128, batchMax: 1 };
/** The code of answers that json-rpc-2.0 and we make up, so that every request has one. No server sends it. */
const ours = 0;

/** @throws SkeinError connect_failed or closed: nothing was sent. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { host, port, connectTimeoutMs, signal } = options;
  const place = `${host}:${port}`;
  const socket = createConnection({
    host,
    port,
    signal,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
  });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy(new Error(`no answer within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
    socket.once('connect', resolve);
    socket.once('error', (error) => {
      reject(signal.aborted ? new SkeinError(closed('connection', { definite: true })) : connectFailed(place, error));
    });
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => clearTimeout(timer));
  });
  return new Link(socket, place, options);
}

export class Link {
  readonly #socket: Socket;
  readonly #place: string;
  readonly #options: LinkOptions;
  readonly #decoder = new LineDecoder({ lineBytesMax: replyBytesMax });
  readonly #rpc: JSONRPCClient<string>;
  #lastId = 0;
  #heardAt = 0;
  #corked = false;
  /** An error that answers no request: the server says why it is about to close. */
  #lastWords: ErrorObject | null = null;
  #ending: Failure | null = null;

  constructor(socket: Socket, place: string, options: LinkOptions) {
    this.#socket = socket;
    this.#place = place;
    this.#options = options;
    this.#rpc = new JSONRPCClient((_request, line) => this.#write(line));
    let problem = 'closed by the other side';
    socket.on('error', (error: NodeJS.ErrnoException) => (problem = error.code ?? error.message));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('close', () => this.#end(this.#whyClosed(problem)));
  }

  /** @throws SkeinError */
  async request(method: string, params: Params | undefined, until: number): Promise<unknown> {
    if (!this.#socket.writable) {
      throw new SkeinError({ ...(this.#ending ?? connectionLost(this.#place, 'ending')), definite: true });
    }
    this.#lastId += 1;
    const line = encodeRequest(String(this.#lastId), method, params);
    const { lineBytesMax } = this.#options;
    // Sent, it would end the link and take the requests of others with it.
    if (Buffer.byteLength(line) > lineBytesMax) {
      const message = `${nameOf(method, params)}: the request has more than ${lineBytesMax} bytes: send large values in parts, or raise MCP_MAX_MESSAGE_BYTES here and at the server`;
      throw turnedDown('too_large', message);
    }
    const sentAt = now();
    const late = (id: JSONRPCID): JSONRPCErrorResponse => {
      if (this.#heardAt < sentAt) this.#giveUp(connectionLost(this.#place, 'silent for too long'));
      return createJSONRPCErrorResponse(id, ours, '', deadlineExceeded(nameOf(method, params), { definite: false }));
    };
    const response = await this.#rpc
      .timeout(Math.max(0, until - sentAt), late)
      .requestAdvanced({ jsonrpc: '2.0', id: this.#lastId, method }, line);
    if (response.error === undefined) return response.result;
    if (response.error.code !== ours) throw new SkeinError(fromServer(response.error));
    throw new SkeinError((response.error.data as Failure | undefined) ?? this.#ending!);
  }

  /** Takes in nothing more, for now. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #write(line: string): void {
    if (!this.#corked) {
      // What is written in this turn goes out together.
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(`${line}\n`);
  }

  #read(chunk: Buffer): void {
    this.#heardAt = now();
    this.#decoder.push(chunk);
    while (this.#ending === null) {
      const line = this.#decoder.next();
      if (line === undefined) break;
      this.#take(line);
    }
  }

  #take(line: Line): void {
    if (line.kind !== 'text') {
      this.#giveUp(protocolError(this.#place, line.kind === 'too_long' ? 'an endless line' : 'not UTF-8'));
      return;
    }
    const message = parse(line.text, limits);
    switch (message.kind) {
      case 'response':
        if (message.id === 'null' && message.error !== undefined) this.#lastWords = message.error;
        else this.#rpc.receive(asResponse(Number(message.id), message));
        break;
      case 'notification':
        this.#options.onNotification(message.method, message.params);
        break;
      default:
        this.#giveUp(protocolError(this.#place, message.kind === 'invalid' ? message.message : `a ${message.kind}`));
    }
  }

  #whyClosed(problem: string): Failure {
    if (this.#options.signal.aborted) return closed('connection', { definite: false });
    if (this.#lastWords === null) return connectionLost(this.#place, problem);
    const failure = fromServer(this.#lastWords);
    // A server that takes no more connections has not read a word. After any other last words some may have been heard.
    return { ...failure, definite: failure.reason === 'connection_limit' };
  }

  #giveUp(ending: Failure): void {
    this.#end(ending);
    this.#socket.destroy();
  }

  #end(ending: Failure): void {
    if (this.#ending !== null) return;
    this.#ending = ending;
    this.#rpc.rejectAllPendingRequests(ending.message);
    this.#options.onEnd();
  }
}

function asResponse(
  id: number,
  { result, error }: { readonly result: unknown; readonly error: ErrorObject | undefined },
): JSONRPCResponse {
  return error === undefined ? { jsonrpc: '2.0', id, result } : { jsonrpc: '2.0', id, error };
}
