/**
 * MCP over standard input and output, carried to a coordinator's TCP port: what a client's configuration names as its
 * command (`skein bridge`).
 *
 * - Lines pass as they are, both ways; what comes while there is no connection waits for one.
 * - A connection that is lost is made again for as long as it takes, and the client's handshake is repeated on it, unseen
 *   by the client, and so is joining by the claim that it accompanies. Requests that were under way are answered: whether
 *   they took effect is not known. But what a person is asked is asked again, since the answer may take long.
 * - When its input ends, what is under way is answered if that does not take long; then it ends.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { eraOf, type Era } from './dialects/mcp/era.ts';
import {
  encodeError,
  encodeRequest,
  encodeResult,
  parse,
  type BatchEntry,
  type Message,
  type Request,
} from './wire/jsonrpc.ts';
import { LineDecoder } from './wire/lines.ts';

export interface BridgeOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly host: string;
  readonly port: number;
  /** Which tools the client is shown; null: what the coordinator's listener is set to. */
  readonly profile: string | null;
  /** The claim that its client accompanies: the client is the program that a worker runs; null: it is none. */
  readonly claim: { readonly assignmentId: string; readonly leaseToken: string } | null;
  readonly lineBytesMax: number;
  /** For the person who looks why nothing happens. */
  readonly say: (text: string) => void;
}

interface Reply {
  readonly id?: unknown;
  readonly error?: { readonly message: string };
}

/** Between two attempts to connect; doubled with each that fails. */
const retryMs = { first: 100, most: 5_000 };
/** For what is under way when the input ends. */
const endMs = 5_000;
/** Of input that waits for a connection; the rest waits in its pipe. */
const waitingBytesMax = 1024 * 1024;
/** Replies nest what clients have sent, and answers of batches are lines as well. */
const replyBytesMax = 1024 * 1024 * 1024;
const wireLimits = { depthMax: 64, batchMax: 1_000 };
const keepAliveMs = 30_000;

/** Requests of the bridge itself, whose replies are not the client's. */
const own = {
  profile: '"skein bridge: profile"',
  claim: '"skein bridge: claim"',
  handshake: '"skein bridge: handshake"',
};
const ownIds: ReadonlySet<string> = new Set(Object.values(own));
const nothingSpoken = new Set<never>();
const legacySpoken: ReadonlySet<Era> = new Set(['legacy']);

/** Resolves when it has ended. */
export async function bridge(options: BridgeOptions): Promise<void> {
  await new Bridge(options).run();
  options.input.destroy();
}

class Bridge {
  readonly #options: BridgeOptions;
  readonly #decoder: LineDecoder;
  /** Nobody reads what it writes. */
  readonly #over = new AbortController();
  readonly #inputEnd = new AbortController();
  /** The client's, of MCP's legacy era. */
  #handshake: Request | null = null;
  #isInitialized = false;
  /** Requests that have been passed on and not been answered, by the JSON text of their id, and the line that they came in. */
  readonly #underWay = new Map<string, { readonly request: Request; readonly line: Message }>();
  #socket: Socket | null = null;
  /** Bytes that were read while there was no connection. */
  #waitingBytes = 0;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#decoder = new LineDecoder({ lineBytesMax: options.lineBytesMax });
    const { input, output } = options;
    input.on('data', (chunk: Buffer) => {
      this.#decoder.push(chunk);
      this.#waitingBytes += chunk.length;
      this.#passOn();
    });
    input.on('end', () => {
      this.#decoder.end();
      this.#inputEnd.abort();
      this.#passOn();
    });
    output.on('drain', () => this.#socket?.resume());
    output.on('error', () => this.#over.abort());
  }

  get #inputEnded(): boolean {
    return this.#inputEnd.signal.aborted;
  }

  async run(): Promise<void> {
    const { host, port, say } = this.#options;
    const { signal } = this.#over;
    const ended = AbortSignal.any([signal, this.#inputEnd.signal]);
    let delay = retryMs.first;
    while (!signal.aborted) {
      const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs });
      try {
        await once(socket, 'connect', { signal });
      } catch (error) {
        socket.destroy();
        if (signal.aborted) return;
        if (delay === retryMs.first) {
          say(`no coordinator at ${host}:${port} (${(error as Error).message}): trying until there is one`);
        }
        // Without a connection there is nobody to answer what the input held.
        if (this.#inputEnded) return;
        await sleep(delay, undefined, { signal: ended }).catch(() => {});
        delay = Math.min(delay * 2, retryMs.most);
        continue;
      }
      delay = retryMs.first;
      await this.#carry(socket);
      if (this.#inputEnded) return;
      say('the connection was lost: connecting again');
    }
  }

  /** Until the connection is over. */
  async #carry(socket: Socket): Promise<void> {
    const replies = new LineDecoder({ lineBytesMax: replyBytesMax });
    const end = (): void => void socket.destroy();
    this.#over.signal.addEventListener('abort', end);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      replies.push(chunk);
      for (let line = replies.next(); line !== undefined; line = replies.next()) {
        if (line.kind === 'text') this.#reply(line.text);
      }
    });
    socket.on('drain', () => this.#passOn());
    this.#begin(socket);
    this.#socket = socket;
    this.#passOn();
    await closed;
    this.#socket = null;
    this.#over.signal.removeEventListener('abort', end);
    const arrays = new Map<Message, string[]>();
    for (const [key, { request, line }] of this.#underWay) {
      // The next connection begins with it.
      if (request === this.#handshake || this.#isAskedAgain(request)) continue;
      this.#underWay.delete(key);
      const era = eraOf(request, this.#handshake === null ? nothingSpoken : legacySpoken);
      const reply = lost(request, era, this.#options.claim === null);
      if (line.kind !== 'batch') this.#write(reply);
      else if (arrays.get(line)?.push(reply) === undefined) arrays.set(line, [reply]);
    }
    // An array is answered by an array.
    for (const replies of arrays.values()) this.#write(`[${replies.join(',')}]`);
  }

  /** Says again what the connection before this one knew. */
  #begin(socket: Socket): void {
    const { profile, claim } = this.#options;
    if (claim !== null) {
      socket.write(`${encodeRequest(own.claim, 'tools/call', { name: 'swarm_join', arguments: claim })}\n`);
    }
    if (profile !== null) socket.write(`${encodeRequest(own.profile, 'initialize', { profile })}\n`);
    this.#shakeHands(socket);
    for (const { request } of this.#underWay.values()) {
      if (request !== this.#handshake) socket.write(`${encodeRequest(request.id, request.method, request.params)}\n`);
    }
  }

  /** With the same `tool_use_id` it is the same approval. */
  #isAskedAgain({ method, params }: Request): boolean {
    if (this.#options.claim === null || method !== 'tools/call') return false;
    const { name, arguments: args } = (params ?? {}) as {
      readonly name?: unknown;
      readonly arguments?: { tool_use_id?: unknown };
    };
    return name === 'approve' && typeof args?.tool_use_id === 'string';
  }

  #shakeHands(socket: Socket): void {
    if (this.#handshake === null) return;
    const { id, method, params } = this.#handshake;
    const isAnswered = !this.#underWay.has(keyOf(id));
    socket.write(`${encodeRequest(isAnswered ? own.handshake : id, method, params)}\n`);
    if (this.#isInitialized) socket.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  }

  // ---- from the client

  #passOn(): void {
    const { input } = this.#options;
    const socket = this.#socket;
    if (socket === null) {
      // That the input ends is only seen by whoever reads it.
      if (this.#waitingBytes > waitingBytesMax) input.pause();
      return;
    }
    this.#waitingBytes = 0;
    while (!socket.writableNeedDrain) {
      const line = this.#decoder.next();
      if (line === undefined) {
        if (this.#inputEnded) this.#endSoon(socket);
        else input.resume();
        return;
      }
      if (line.kind === 'text') {
        this.#remember(line.text);
        socket.write(`${line.text}\n`);
      } else {
        const message = line.kind === 'too_long' ? 'the line is too long, and so are all after it' : 'no valid UTF-8';
        this.#write(encodeError('null', { code: -32700, message }));
      }
    }
    input.pause();
  }

  #endSoon(socket: Socket): void {
    if (socket.writableEnded) return;
    socket.end();
    setTimeout(() => socket.destroy(), endMs).unref();
  }

  #remember(text: string): void {
    const message = parse(text, wireLimits);
    for (const entry of message.kind === 'batch' ? message.entries : [message]) this.#rememberOne(entry, message);
  }

  #rememberOne(entry: BatchEntry, line: Message): void {
    if (entry.kind === 'request') {
      this.#underWay.set(keyOf(entry.id), { request: entry, line });
      if (entry.method === 'initialize' && eraOf(entry, nothingSpoken) === 'legacy') {
        this.#handshake = entry;
        this.#isInitialized = false;
      }
    } else if (entry.kind === 'notification') {
      if (entry.method === 'notifications/initialized') this.#isInitialized = true;
      if (entry.method === 'notifications/cancelled') {
        this.#underWay.delete(JSON.stringify((entry.params as { requestId?: unknown } | undefined)?.requestId));
      }
    }
  }

  // ---- from the coordinator

  #reply(text: string): void {
    const message = JSON.parse(text) as Reply | readonly Reply[];
    for (const { id, error } of Array.isArray(message) ? message : [message]) {
      const key = JSON.stringify(id);
      if (ownIds.has(key)) {
        if (error !== undefined) this.#options.say(`the coordinator has refused ${key}: ${error.message}`);
        return;
      }
      this.#underWay.delete(key);
    }
    this.#write(text);
  }

  #write(line: string): void {
    if (!this.#options.output.write(`${line}\n`)) this.#socket?.pause();
  }
}

/** An id may be written in several ways. */
function keyOf(rawId: string): string {
  return JSON.stringify(JSON.parse(rawId));
}

/** What a request is answered whose connection was lost: for a tool of MCP a result, since that is what models see. */
function lost({ id, method, params }: Request, era: Era | null, joinsItself: boolean): string {
  const data = { reason: 'connection_lost', definite: false };
  if (method !== 'tools/call' || era === null) {
    const message = `the connection to the coordinator was lost: whether ${method} took effect is not known`;
    return encodeError(id, { code: -32000, message, data });
  }
  const { name = method } = (params ?? {}) as { readonly name?: unknown };
  const lines = [
    `the connection to the coordinator was lost: whether ${name} took effect is not known`,
    `${joinsItself ? 'Who acts as an agent calls swarm_join with its resumeToken. ' : ''}Look whether it took effect before you try again.`,
    JSON.stringify(data),
  ];
  const result = { isError: true, content: [{ type: 'text', text: lines.join('\n') }] };
  return encodeResult(id, JSON.stringify(era === 'modern' ? { resultType: 'complete', ...result } : result));
}
