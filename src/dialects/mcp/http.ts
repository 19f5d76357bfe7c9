/**
 * MCP over HTTP, as its revisions have it (Streamable HTTP): the messages and headers of a request in, a response out.
 *
 * - Legacy revisions have sessions. In 2026-07-28 each request stands for itself, and has an instance of the library of its
 *   own: 0.4 ms, for which nothing of one request can be seen in another.
 * - Who asks in a browser, how large a request may be and how often one may come has been looked at before.
 */
import {
  createMcpHandler,
  InMemoryServerEventBus,
  isInitializeRequest,
  isLegacyRequest,
  type JSONRPCRequest,
  type Server,
} from '@modelcontextprotocol/server';
import { tools, type ProfileName } from '../../spec.ts';
import type { Exchange } from './exchange.ts';
import { listen } from './listen.ts';
import type { WaitSecondsMax } from './patience.ts';
import type { Answers, ServerOptions, Sources } from './server.ts';
import { HttpSession, refusal } from './session.ts';
import { listed, Watching } from './watching.ts';

/** Makes the instances of the library. */
export type Serve = (answers: Answers, watching: Watching, options: ServerOptions) => Server;

/** Who calls tools: a session, or one request. */
export interface Peer extends Sources {
  /** It calls no more. */
  end(): void;
}

export interface McpHttpOptions {
  readonly serve: Serve;
  /** `writable` resolves when there is room for telling it of more. */
  readonly newSession: (writable: () => Promise<void>) => Peer;
  readonly newRequest: (writable: () => Promise<void>) => Peer;
  readonly waitSecondsMax: WaitSecondsMax;
  readonly subscriptionsMax: number;
  readonly sessionsMax: number;
  readonly sessionIdleMs: number;
  /** What the library has to say about its client or itself, and no client is told. */
  readonly onError: (error: Error) => void;
}

/** What a request asks for besides its messages. */
export interface Asked {
  readonly profile: ProfileName;
  /** What was posted, parsed; undefined for what has no body. */
  readonly body: unknown;
}

export class McpHttp {
  readonly #options: McpHttpOptions;
  readonly #sessions = new Map<string, HttpSession>();
  readonly #open = new Set<() => void>();

  constructor(options: McpHttpOptions) {
    this.#options = options;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Never rejects for what a client did. */
  async handle(request: Request, asked: Asked, exchange: Exchange): Promise<Response> {
    const isLegacy = await isLegacyRequest(request, asked.body);
    return isLegacy ? this.#handleLegacy(request, asked, exchange) : this.#handleModern(request, asked, exchange);
  }

  close(): void {
    for (const session of [...this.#sessions.values()]) session.end();
    for (const close of [...this.#open]) close();
  }

  // ---- legacy

  async #handleLegacy(request: Request, asked: Asked, exchange: Exchange): Promise<Response> {
    const id = request.headers.get('mcp-session-id');
    if (id !== null) {
      const session = this.#sessions.get(id);
      if (session !== undefined) return session.handle(request, asked.body, exchange);
      return refusal(404, 'there is no such session: it was silent for too long, or the server was started again', {
        next: 'send initialize without Mcp-Session-Id for a new one',
      });
    }
    if (!isInitializeRequest(asked.body)) {
      return refusal(400, 'Mcp-Session-Id is missing: a session begins with initialize, whose response names it');
    }
    const { sessionsMax } = this.#options;
    if (this.#sessions.size >= sessionsMax) {
      return refusal(503, `there are ${sessionsMax} sessions, which is the most: end some with DELETE`);
    }
    return this.#begin(request, asked, exchange);
  }

  async #begin(request: Request, { profile, body }: Asked, exchange: Exchange): Promise<Response> {
    const session = new HttpSession({
      profile,
      ...this.#options,
      onEnd: () => this.#sessions.delete(session.id),
    });
    this.#sessions.set(session.id, session);
    const response = await session.handle(request, body, exchange);
    if (response.status !== 200) session.end();
    return response;
  }

  // ---- modern

  async #handleModern(request: Request, { profile, body }: Asked, exchange: Exchange): Promise<Response> {
    const { serve, newRequest, waitSecondsMax, subscriptionsMax, onError } = this.#options;
    const peer = newRequest(exchange.writable);
    const bus = new InMemoryServerEventBus(onError);
    const watching = new Watching(peer.watch, peer.watchList, subscriptionsMax, (what) =>
      bus.publish(what === listed ? { kind: 'resources_list_changed' } : { kind: 'resource_updated', uri: what }),
    );
    const answers: Answers = {
      revision: null,
      owes: (_, undelivered) => undelivered !== null && exchange.owes(undelivered),
    };
    const instance = (): Server => {
      const server = serve(answers, watching, { era: 'modern', profile, waitSecondsMax, ...peer });
      // A method that there is not is 404, which the library only says of what nobody handles.
      delete server.fallbackRequestHandler;
      return server;
    };
    const handler = createMcpHandler(instance, {
      legacy: 'reject',
      bus,
      onerror: onError,
      responseMode: mayWait(body) ? 'sse' : 'auto',
    });
    const close = (): void => void handler.close();
    this.#open.add(close);
    exchange.onEnd(() => {
      this.#open.delete(close);
      watching.closeAll();
      peer.end();
    });
    const message = body as JSONRPCRequest;
    if (message.method === 'subscriptions/listen') {
      const error = listen(message, watching);
      if (error !== null) return Response.json({ jsonrpc: '2.0', id: message.id, error });
    }
    return handler.fetch(request, { parsedBody: body });
  }
}

/**
 * Whether the answer may take long. Then it comes as a stream, whose comments tell those between us and the client that
 * it is alive; anything else is cheaper as one piece.
 */
function mayWait(body: unknown): boolean {
  const { method, params } = body as { readonly method?: unknown; readonly params?: { readonly name?: unknown } };
  const tool = method === 'tools/call' ? tools.get(String(params?.name)) : undefined;
  return tool !== undefined && 'waitSeconds' in (tool.input['properties'] as object);
}
