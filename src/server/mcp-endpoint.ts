/**
 * `/mcp` on the HTTP port: looks at who asks, reads what is posted within limits, hands it to MCP, and sends the response
 * at the pace at which its client reads. Protocol: section "HTTP" of protocol/README.md.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TurnedDown } from '../dialects/dialect.ts';
import { Exchange } from '../dialects/mcp/exchange.ts';
import { McpHttp, type Peer, type Serve } from '../dialects/mcp/http.ts';
import type { WaitSecondsMax } from '../dialects/mcp/patience.ts';
import type { Log } from '../observe/log.ts';
import { profiles, type ProfileName } from '../spec.ts';
import type { LostWorker } from '../tools/index.ts';
import { encodeError, parse, type BatchEntry, type Message } from '../wire/jsonrpc.ts';
import { ToolCaller } from './caller.ts';
import type { Dispatcher } from './dispatch.ts';
import { drain } from './drain.ts';
import { refuseForeign } from './hosts.ts';
import { KeptCallers } from './kept-callers.ts';
import type { ConnectionLimits } from './limits.ts';
import { rateLimited, RateLimit } from './rate.ts';

export interface McpEndpointOptions {
  readonly dispatcher: Dispatcher;
  readonly serve: Serve;
  readonly profile: ProfileName;
  readonly waitSecondsMax: WaitSecondsMax;
  readonly limits: ConnectionLimits;
  readonly allowedHosts: ReadonlySet<string>;
  /** Where workers connect: what tools tell of. */
  readonly endpoint: string;
  readonly log: Log;
  readonly now: () => number;
  readonly onLost: (lost: LostWorker) => void;
}

/** Why a request goes no further, with the status of HTTP that says so. */
interface Refused extends TurnedDown {
  readonly status: number;
}

const methods = ['GET', 'POST', 'DELETE'];

export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  readonly #mcp: McpHttp;
  readonly #agents: KeptCallers;
  readonly #rates = new WeakMap<Socket, RateLimit>();
  /** Until the newest response of a connection is over. */
  readonly #answering = new WeakMap<Socket, Promise<unknown>>();

  constructor(options: McpEndpointOptions) {
    const { dispatcher, serve, limits, log } = options;
    const newCaller = (): ToolCaller =>
      new ToolCaller({ endpoint: options.endpoint, waitsMax: limits.waitsMax, onLost: options.onLost });
    this.#options = options;
    this.#agents = new KeptCallers({
      newCaller,
      toolsFor: (caller) => dispatcher.mcp.toolsFor(caller, log),
      idleMs: limits.sessionIdleMs,
    });
    this.#mcp = new McpHttp({
      serve,
      newSession: (writable): Peer => {
        const caller = newCaller();
        const sources = dispatcher.mcp.sourcesFor(dispatcher.mcp.toolsFor(caller, log), writable, log);
        return { ...sources, end: () => caller.end() };
      },
      newRequest: (writable): Peer => ({
        ...dispatcher.mcp.sourcesFor(this.#agents.callTool, writable, log),
        end: () => {},
      }),
      waitSecondsMax: options.waitSecondsMax,
      subscriptionsMax: limits.subscriptionsMax,
      sessionsMax: limits.sessionsMax,
      sessionIdleMs: limits.sessionIdleMs,
      onError: (error) => log.debug({ detail: error.message }, 'MCP'),
    });
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // One after the other, as their responses have to be sent: made at once they would be held until a client has read those
    // before them, and nobody would say when it is gone.
    const { socket } = request;
    const before = this.#answering.get(socket);
    this.#answering.set(socket, new Promise((resolve) => void response.once('close', resolve)));
    await before;
    if (socket.destroyed) return;
    const exchange = new Exchange(() => roomIn(response));
    response.once('close', () => exchange.ended(response.writableFinished));
    const { headers, method = '' } = request;
    const url = new URL(request.url ?? '/', 'http://skein');
    const refused = this.#refuse(request, url);
    if (refused !== null) return this.#turnDown(request, response, refused);
    const body = method === 'POST' ? await this.#read(request) : undefined;
    if (isRefused(body)) return this.#turnDown(request, response, body);
    const asked = { profile: this.#profileOf(url) ?? this.#options.profile, body };
    const flat = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]);
    const web = new Request(url, { method, headers: flat, signal: exchange.signal });
    await send(response, await this.#mcp.handle(web, asked, exchange)).catch((error: Error) =>
      this.#options.log.debug({ detail: error.message }, 'a response was not sent in full'),
    );
  }

  /** Ends what is open: who listens is told so. */
  close(): void {
    this.#mcp.close();
    this.#agents.close();
  }

  #refuse({ headers, method = '' }: IncomingMessage, url: URL): Refused | null {
    const foreign = refuseForeign(headers, this.#options.allowedHosts);
    if (foreign !== null) return { status: 403, refused: 'invalid_request', message: foreign };
    if (!methods.includes(method)) {
      return { status: 405, refused: 'invalid_request', message: `use ${methods.join(', ')}` };
    }
    if (this.#profileOf(url) !== undefined) return null;
    const known = Object.keys(profiles).join(', ');
    return { status: 400, refused: 'invalid_request', message: `profile must be one of ${known}` };
  }

  /** null: it names none; undefined: there is none of this name. */
  #profileOf({ searchParams }: URL): ProfileName | null | undefined {
    const name = searchParams.get('profile');
    return name === null || Object.hasOwn(profiles, name) ? (name as ProfileName | null) : undefined;
  }

  /** The messages, as they were posted and checked as lines are. */
  async #read(request: IncomingMessage): Promise<object | Refused> {
    const { lineBytesMax } = this.#options.limits;
    const tooLarge: Refused = {
      status: 413,
      refused: 'too_large',
      message: `a message is longer than ${lineBytesMax} bytes: send large values in parts, or raise MCP_MAX_MESSAGE_BYTES`,
    };
    if (Number(request.headers['content-length']) > lineBytesMax) return tooLarge;
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > lineBytesMax) return tooLarge;
      chunks.push(chunk);
    }
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
    } catch {
      return { status: 400, refused: 'parse_error', message: 'the body is not valid UTF-8' };
    }
    return this.#accept(parse(text, this.#options.limits), request.socket);
  }

  #accept(message: Message, socket: Socket): object | Refused {
    const entries = message.kind === 'batch' ? message.entries : [message];
    for (const entry of entries) {
      if (entry.kind === 'invalid') return { status: 400, refused: entry.reason, message: entry.message };
    }
    const retryAfterMs = this.#rateOf(socket).take(entries.length, this.#options.now());
    if (retryAfterMs > 0) {
      return Object.assign({ status: 429 }, rateLimited(this.#options.limits.rateLimit, retryAfterMs));
    }
    return message.kind === 'batch' ? entries.map(toJson) : toJson(message);
  }

  #rateOf(socket: Socket): RateLimit {
    let rate = this.#rates.get(socket);
    if (rate === undefined) {
      rate = new RateLimit(this.#options.limits.rateLimit, this.#options.now());
      this.#rates.set(socket, rate);
    }
    return rate;
  }

  #turnDown(request: IncomingMessage, response: ServerResponse, why: Refused): void {
    const { status, refused, message } = why;
    const { dispatcher, limits, log } = this.#options;
    log.debug({ reason: refused, detail: message }, 'refused');
    response.writeHead(status, {
      'content-type': 'application/json',
      ...(status === 405 && { allow: methods.join(', ') }),
      ...(!request.complete && { connection: 'close' }),
    });
    response.end(encodeError('null', dispatcher.dialect.error(why)));
    if (request.complete) return;
    request.resume();
    drain(request.socket, limits.lingerMs);
  }
}

function isRefused(body: object | Refused | undefined): body is Refused {
  return body !== undefined && 'status' in body && 'refused' in body;
}

/** As MCP's library takes it, without what no message has. */
function toJson(message: BatchEntry): object {
  switch (message.kind) {
    case 'request':
      return { jsonrpc: '2.0', id: JSON.parse(message.id), method: message.method, params: message.params };
    case 'notification':
      return { jsonrpc: '2.0', method: message.method, params: message.params };
    case 'response': {
      const { result, error } = message;
      return { jsonrpc: '2.0', id: JSON.parse(message.id), ...(error === undefined ? { result } : { error }) };
    }
    case 'invalid':
      throw new Error('an invalid message is no JSON of ours');
  }
}

async function send(response: ServerResponse, web: Response): Promise<void> {
  const { status, body } = web;
  // Whether it stays open is between Node and the client, which may have asked for its end.
  web.headers.delete('connection');
  const headers = Object.fromEntries(web.headers);
  if (body === null || headers['content-type'] !== 'text/event-stream') {
    const text = await web.text();
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text);
    return;
  }
  // Nothing may be said on a stream for a long time, and its client waits for its beginning.
  response.writeHead(status, headers).flushHeaders();
  await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), response);
}

async function roomIn(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || response.destroyed) return;
  await Promise.race([once(response, 'drain'), once(response, 'close')]);
}
