/**
 * A session of a legacy revision over HTTP: an instance of the library behind the library's own transport.
 *
 * - A request whose client is gone is cancelled, since its answer has no way to it any more: nothing is kept for
 *   fetching it later.
 * - A session is over when its client says so (DELETE), or has no request open for `sessionIdleMs`.
 */
import { randomUUID } from 'node:crypto';
import {
  isJSONRPCNotification,
  isJSONRPCRequest,
  ProtocolErrorCode,
  WebStandardStreamableHTTPServerTransport,
  type JSONRPCMessage,
  type RequestId,
  type Server,
} from '@modelcontextprotocol/server';
import type { ProfileName } from '../../spec.ts';
import type { Exchange } from './exchange.ts';
import type { McpHttpOptions, Peer } from './http.ts';
import type { Answers } from './server.ts';
import { listed, Watching } from './watching.ts';

/** A request that the library has not answered yet. */
interface Pending {
  readonly exchange: Exchange;
  undelivered: (() => void) | null;
}

const cancelled = { code: ProtocolErrorCode.InternalError, message: 'cancelled' };

export class HttpSession implements Answers {
  readonly id = randomUUID();
  readonly #server: Server;
  readonly #transport: SessionTransport;
  readonly #watching: Watching;
  readonly #peer: Peer;
  readonly #pending = new Map<RequestId, Pending>();
  readonly #idleMs: number;
  readonly #onEnd: () => void;
  #exchanges = 0;
  /** The request with which the client listens for notifications. */
  #listening: Exchange | null = null;
  #idle: NodeJS.Timeout | null = null;
  #ended = false;
  readonly #connected: Promise<void>;

  constructor(
    options: Omit<McpHttpOptions, 'newRequest' | 'sessionsMax'> & {
      readonly profile: ProfileName;
      readonly onEnd: () => void;
    },
  ) {
    const { serve, newSession, profile, waitSecondsMax, subscriptionsMax, onError } = options;
    this.#idleMs = options.sessionIdleMs;
    this.#onEnd = options.onEnd;
    this.#peer = newSession(() => this.#listening?.writable() ?? Promise.resolve());
    const { watch, watchList } = this.#peer;
    this.#watching = new Watching(watch, watchList, subscriptionsMax, (what) => {
      const told =
        what === listed ? this.#server.sendResourceListChanged() : this.#server.sendResourceUpdated({ uri: what });
      told.catch(onError);
    });
    this.#server = serve(this, this.#watching, { era: 'legacy', profile, waitSecondsMax, ...this.#peer });
    this.#server.onclose = () => this.end();
    this.#server.onerror = onError;
    this.#transport = new SessionTransport(this.id, (id) => this.#pending.delete(id));
    this.#connected = this.#server.connect(this.#transport);
  }

  get revision(): string | null {
    return this.#server.getNegotiatedProtocolVersion() ?? null;
  }

  owes(id: RequestId, undelivered: (() => void) | null): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undelivered?.();
    pending.undelivered = undelivered;
    if (undelivered !== null) pending.exchange.owes(undelivered);
  }

  async handle(request: Request, body: unknown, exchange: Exchange): Promise<Response> {
    this.#begun(exchange);
    await this.#connected;
    const messages = (Array.isArray(body) ? body : [body]) as JSONRPCMessage[];
    const ids = messages.flatMap((message) => (isJSONRPCRequest(message) ? [message.id] : []));
    if (new Set(ids).size < ids.length || ids.some((id) => this.#pending.has(id))) {
      return refusal(400, 'the id of a request must not be that of another one under way in this session');
    }
    for (const id of ids) this.#pending.set(id, { exchange, undelivered: null });
    exchange.onEnd(() => {
      for (const id of ids) this.#cancel(id, exchange, true);
    });
    const response = await this.#transport.handleRequest(request, { parsedBody: body });
    if (response.status !== 200) for (const id of ids) this.#pending.delete(id);
    if (request.method === 'GET' && response.status === 200) this.#listening = exchange;
    for (const message of messages) {
      if (isJSONRPCNotification(message) && message.method === 'notifications/cancelled') {
        const { requestId } = (message.params ?? {}) as { readonly requestId?: RequestId };
        const pending = requestId === undefined ? undefined : this.#pending.get(requestId);
        if (pending !== undefined) this.#cancel(requestId!, pending.exchange, false);
      }
    }
    return response;
  }

  #begun(exchange: Exchange): void {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = null;
    this.#exchanges += 1;
    exchange.onEnd(() => {
      this.#exchanges -= 1;
      if (this.#listening === exchange) this.#listening = null;
      if (this.#exchanges === 0 && !this.#ended) this.#idle = setTimeout(() => this.end(), this.#idleMs);
    });
  }

  /** `tell`: the library does not know yet. */
  #cancel(id: RequestId, exchange: Exchange, tell: boolean): void {
    const pending = this.#pending.get(id);
    if (pending?.exchange !== exchange) return;
    this.#pending.delete(id);
    if (pending.undelivered !== null) exchange.takeBack(pending.undelivered);
    if (tell) {
      const params = { requestId: id, reason: 'the client is gone' };
      this.#transport.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    }
    const isLast = [...this.#pending.values()].every((other) => other.exchange !== exchange);
    this.#transport.forget(id, isLast);
  }

  /** Nothing of it is left, and its agents are lost. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#idle !== null) clearTimeout(this.#idle);
    for (const { exchange, undelivered } of this.#pending.values()) {
      if (undelivered !== null) exchange.takeBack(undelivered);
    }
    this.#pending.clear();
    this.#watching.closeAll();
    void this.#transport.close();
    this.#peer.end();
    this.#onEnd();
  }
}

/** The library's transport of a session, which says what it has answered. */
class SessionTransport extends WebStandardStreamableHTTPServerTransport {
  readonly #onAnswer: (id: RequestId) => void;

  constructor(id: string, onAnswer: (id: RequestId) => void) {
    super({ sessionIdGenerator: () => id });
    this.#onAnswer = onAnswer;
  }

  override async send(
    message: JSONRPCMessage,
    options?: Parameters<WebStandardStreamableHTTPServerTransport['send']>[1],
  ): Promise<void> {
    if (!('method' in message) && message.id !== undefined) this.#onAnswer(message.id);
    return super.send(message, options);
  }

  /**
   * A request will not be answered. Its response ends without it; where others are still to be answered by the same
   * response, which only revision 2025-03-26 knows, an error stands for it.
   */
  forget(id: RequestId, isLast: boolean): void {
    if (isLast) this.closeSSEStream(id);
    void super.send({ jsonrpc: '2.0', id, error: cancelled });
  }
}

/** A response to what is no message of a session. */
export function refusal(status: number, message: string, data?: object): Response {
  const error = { code: ProtocolErrorCode.InvalidRequest, message, ...(data !== undefined && { data }) };
  return Response.json({ jsonrpc: '2.0', id: null, error }, { status });
}
