/**
 * The transport between a connection and one instance of the MCP library: messages that have been read and checked go
 * in, lines come out.
 *
 * - Each request is answered once, or, when its client cancels it, not at all.
 * - Ids come back as they were written, though the library knows strings and integers only.
 * - What the answer to a cancelled request, or to one of a closed connection, had to deliver is given back.
 */
import {
  isJSONRPCRequest,
  ProtocolErrorCode,
  SERVER_INFO_META_KEY,
  SUBSCRIPTION_ID_META_KEY,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId,
  type Transport,
} from '@modelcontextprotocol/server';
import {
  encodeError,
  encodeResult,
  type ErrorObject,
  type Notification,
  type RawId,
  type Request,
} from '../../wire/jsonrpc.ts';
import type { Delivery } from '../dialect.ts';
import { listen } from './listen.ts';
import { serverInfo, type Answers } from './server.ts';
import type { Watching } from './watching.ts';

/** A request that the library has not answered yet. */
interface Pending {
  readonly rawId: RawId;
  /** Its id, as its client's `notifications/cancelled` has it. */
  readonly clientId: unknown;
  readonly resolve: (delivery: Delivery) => void;
  undelivered: (() => void) | null;
}

const notOfMcp: ErrorObject = {
  code: ProtocolErrorCode.InvalidParams,
  message: 'params must be an object, and in its _meta a progressToken must be a string or an integer',
};

const idOfListen: ErrorObject = {
  code: ProtocolErrorCode.InvalidParams,
  message: 'the id of subscriptions/listen must be a string or an integer, and not that of another request under way',
  data: { reason: 'invalid_arguments' },
};

const silence: Delivery = { line: undefined, undelivered: null };

export class Channel implements Transport, Answers {
  onmessage?: NonNullable<Transport['onmessage']>;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #write: (line: string) => void;
  readonly #watching: Watching;
  readonly #pending = new Map<RequestId, Pending>();
  #renamed = 0;
  #revision: string | null = null;

  /** `write`: for what is no answer to a request. */
  constructor(write: (line: string) => void, watching: Watching) {
    this.#write = write;
    this.#watching = watching;
  }

  get revision(): string | null {
    return this.#revision;
  }

  // ---- from the client

  request({ id: rawId, method, params }: Request): Promise<Delivery> {
    const clientId: unknown = JSON.parse(rawId);
    const id = this.#idFor(rawId, clientId);
    const message = toMessage({ jsonrpc: '2.0', id, method, params });
    // The library would drop it without an answer.
    if (!isJSONRPCRequest(message)) return Promise.resolve({ line: encodeError(rawId, notOfMcp), undelivered: null });
    if (method === 'subscriptions/listen') return Promise.resolve(this.#listen(message, rawId, id === clientId));
    return new Promise((resolve) => {
      this.#pending.set(id, { rawId, clientId, resolve, undelivered: null });
      this.onmessage?.(message);
    });
  }

  /** What it is told carries its id, and its answer is what ends it. */
  #listen(message: JSONRPCRequest, rawId: RawId, hasOwnId: boolean): Delivery {
    const error = hasOwnId ? listen(message, this.#watching) : idOfListen;
    if (error !== null) return { line: encodeError(rawId, error), undelivered: null };
    this.onmessage?.(message);
    return silence;
  }

  notification({ method, params }: Notification): void {
    if (method === 'notifications/cancelled') this.#cancel((params as { requestId?: unknown } | undefined) ?? {});
    else this.onmessage?.(toMessage({ jsonrpc: '2.0', method, params }));
  }

  #cancel(params: { readonly requestId?: unknown }): void {
    const [id = params.requestId, pending] =
      [...this.#pending].find(([, { clientId }]) => clientId === params.requestId) ?? [];
    this.onmessage?.(
      toMessage({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { ...params, requestId: id } }),
    );
    this.#watching.close(id as RequestId);
    if (pending !== undefined) this.#drop(id as RequestId, pending);
  }

  /** Ends what was opened with subscriptions/listen by answering it. */
  endListening(): void {
    for (const id of this.#watching.subscriptions as readonly RequestId[]) {
      this.#watching.close(id);
      const meta = { [SUBSCRIPTION_ID_META_KEY]: id, [SERVER_INFO_META_KEY]: serverInfo };
      this.#write(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', _meta: meta } }));
      this.onmessage?.(toMessage({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } }));
    }
  }

  /** The connection is gone. */
  closed(): void {
    this.onclose?.();
    this.#watching.closeAll();
    for (const [id, pending] of [...this.#pending]) this.#drop(id, pending);
  }

  #drop(id: RequestId, pending: Pending): void {
    this.#pending.delete(id);
    pending.undelivered?.();
    pending.resolve(silence);
  }

  /** What the library takes for an id: a string or an integer, and not that of another request under way. */
  #idFor(rawId: RawId, clientId: unknown): RequestId {
    const isOrdinary = typeof clientId === 'string' || Number.isSafeInteger(clientId);
    if (isOrdinary && JSON.stringify(clientId) === rawId && !this.#pending.has(clientId as RequestId)) {
      return clientId as RequestId;
    }
    this.#renamed += 1;
    return `renamed ${this.#renamed} ${rawId}`;
  }

  // ---- from the library

  owes(id: RequestId, undelivered: (() => void) | null): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) undelivered?.();
    else pending.undelivered = undelivered;
  }

  async start(): Promise<void> {}

  async send(message: JSONRPCMessage): Promise<void> {
    const pending = 'method' in message || message.id === undefined ? undefined : this.#pending.get(message.id);
    if (pending === undefined) {
      if ('error' in message && message.id !== undefined) this.#watching.close(message.id);
      return this.#write(JSON.stringify(message));
    }
    const { rawId, resolve, undelivered } = pending;
    this.#pending.delete((message as { id: RequestId }).id);
    const line =
      'error' in message
        ? encodeError(rawId, message.error)
        : encodeResult(rawId, JSON.stringify(resultIn(message as { result: object })));
    resolve({ line, undelivered });
  }

  async close(): Promise<void> {
    this.closed();
  }

  setProtocolVersion(revision: string): void {
    this.#revision = revision;
  }
}

/** The library wants `content` in whatever a tool is answered with, and a handle has none. */
function resultIn({
  result,
}: {
  readonly result: { readonly resultType?: unknown; readonly content?: unknown };
}): object {
  if (result.resultType !== 'task') return result;
  const { content: _, ...handle } = result;
  return handle;
}

/** The wire has checked that it is a message; whether MCP knows it is the library's to say. */
function toMessage(message: object): JSONRPCMessage {
  return message as JSONRPCMessage;
}
