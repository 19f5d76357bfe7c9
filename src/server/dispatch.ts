/**
 * From message to reply: validates, calls the tool or the method, and encodes the answer. json-rpc-2.0 does the
 * dispatching; ids pass through it as text, so that they come back unchanged.
 */
import {
  createJSONRPCErrorResponse,
  JSONRPCServer,
  type JSONRPCErrorResponse,
  type JSONRPCResponse,
} from 'json-rpc-2.0';
import { Abandoned } from '../coordinator/swarm-queue.ts';
import { isRefusal } from '../core/refusal.ts';
import type { Dialect, TurnedDown } from '../dialects/dialect.ts';
import type { Log } from '../observe/log.ts';
import { methods, nearestOf, tools, validate } from '../spec.ts';
import { toolHandlers, type Answer, type Call, type Services } from '../tools/index.ts';
import { encodeError, encodeResult, type BatchEntry, type Notification, type Request } from '../wire/jsonrpc.ts';
import type { Delivery, Session } from './session.ts';
import { subscribe, unsubscribe } from './subscribing.ts';

/** One call on its way: who asks, and what becomes of an answer that cannot be sent. */
interface Passage {
  readonly session: Session;
  undelivered: (() => void) | null;
}

type Method = (params: unknown, passage: Passage) => Promise<string | TurnedDown> | string | TurnedDown;

export interface DispatcherOptions {
  readonly dialect: Dialect;
  readonly services: Services;
  readonly log: Log;
  readonly batchMax: number;
  /** Characters of the reply to a batch, at most. */
  readonly batchReplyMax: number;
  readonly subscriptionsMax: number;
}

/** Entries of a batch that are under way at once. */
const batchWindow = 64;

export class Dispatcher {
  readonly dialect: Dialect;
  readonly #options: DispatcherOptions;
  readonly #rpc: JSONRPCServer<Passage>;

  constructor(options: DispatcherOptions) {
    this.dialect = options.dialect;
    this.#options = options;
    this.#rpc = new JSONRPCServer<Passage>({
      errorListener: (message, error) => options.log.error({ err: error }, message),
    });
    this.#rpc.mapErrorToJSONRPCErrorResponse = (id) => this.#errorResponse(id, internalError);
    this.#rpc.handleMethodNotFound = async ({ id, method }) =>
      id === undefined ? null : this.#errorResponse(id, unknownMethod(method));
    this.#addMethods();
  }

  /** Never rejects for what a client did; a notification resolves without a line. */
  async answer(message: Request | Notification, session: Session): Promise<Delivery> {
    const passage: Passage = { session, undelivered: null };
    const { method, params } = message;
    const id = message.kind === 'request' ? { id: message.id } : {};
    const response = await this.#rpc.receive({ jsonrpc: '2.0', method, params, ...id }, passage);
    return { line: response === null ? undefined : encode(response), undelivered: passage.undelivered };
  }

  /** An array of messages: answered by an array of replies, without one for notifications. */
  async batch(entries: readonly BatchEntry[], session: Session): Promise<Delivery> {
    const deliveries = await this.#inWindow(
      entries,
      (entry) => this.#answerEntry(entry, session),
      refuseEntry(this.dialect),
    );
    const lines = deliveries.flatMap(({ line }) => line ?? []);
    return { line: lines.length === 0 ? undefined : `[${lines.join(',')}]`, undelivered: all(deliveries) };
  }

  async #answerEntry(entry: BatchEntry, session: Session): Promise<Delivery> {
    switch (entry.kind) {
      case 'request':
      case 'notification':
        return this.answer(entry, session);
      case 'invalid': {
        const { id, reason, message } = entry;
        return { line: encodeError(id, this.dialect.error({ refused: reason, message })), undelivered: null };
      }
      case 'response':
        return { line: undefined, undelivered: null };
    }
  }

  /**
   * Starts the entries in order, some at a time. Once their replies fill the longest line, the entries that have not
   * been started are refused, which is better than an effect that nobody hears of.
   */
  async #inWindow<T>(
    entries: readonly T[],
    run: (entry: T) => Promise<Delivery>,
    refuse: (entry: T) => Delivery,
  ): Promise<Delivery[]> {
    const deliveries: Delivery[] = new Array<Delivery>(entries.length);
    let next = 0;
    let size = 0;
    const work = async (): Promise<void> => {
      while (next < entries.length) {
        const index = next++;
        const entry = entries[index]!;
        deliveries[index] = size > this.#options.batchReplyMax ? refuse(entry) : await run(entry);
        size += deliveries[index].line?.length ?? 0;
      }
    };
    await Promise.all(Array.from({ length: Math.min(batchWindow, entries.length) }, work));
    return deliveries;
  }

  // ---- methods

  #addMethods(): void {
    const { dialect, services } = this.#options;
    this.#add('initialize', () => dialect.initialize());
    this.#add('ping', () => dialect.ping(services.now()));
    this.#add('tools/list', () => dialect.toolsList());
    this.#add('tools/call', (params, passage) => this.#callTool(params, passage));
    this.#add('batch', (params, passage) => this.#callBatch(params, passage));
    this.#add('subscribe', (params, { session }) =>
      subscribe(params, session, services, this.#options.log, this.#options.subscriptionsMax),
    );
    this.#add('unsubscribe', (params, { session }) => unsubscribe(params, session));
  }

  #add(name: string, method: Method): void {
    const { input } = methods.get(name)!;
    this.#rpc.addMethodAdvanced(name, async ({ id, params }, passage): Promise<JSONRPCResponse> => {
      const problem = params === undefined && name !== 'batch' ? null : validate(input, params);
      const answer =
        problem === null
          ? await method(params ?? {}, passage)
          : { refused: 'invalid_arguments', message: `${name}: ${problem.message}`, data: { path: problem.path } };
      // A notification's answer is made and dropped: whoever sent it asked for silence, not for nothing to happen.
      return typeof answer === 'string'
        ? { jsonrpc: '2.0', id: id ?? null, result: answer }
        : this.#errorResponse(id ?? null, answer);
    });
  }

  async #callTool(params: unknown, passage: Passage): Promise<string | TurnedDown> {
    const { name, arguments: args = {} } = params as { readonly name?: string; readonly arguments?: object };
    if (name === undefined) return { refused: 'invalid_arguments', message: 'tools/call: name is missing' };
    const tool = tools.get(name);
    const handler = toolHandlers.get(name);
    if (tool === undefined || handler === undefined) return unknownTool(name);
    const problem = validate(tool.input, args);
    if (problem !== null) {
      return {
        refused: 'invalid_arguments',
        message: `${name}: ${problem.message}`,
        data: { tool: name, path: problem.path },
      };
    }
    const call: Call<never> = {
      args: args as never,
      caller: passage.session,
      services: this.#options.services,
      undelivered: null,
    };
    let answer: Answer;
    try {
      answer = await handler(call);
    } catch (error) {
      // Nobody is there to hear the answer, so it does not matter what it is.
      if (error instanceof Abandoned) return internalError;
      throw error;
    }
    passage.undelivered = call.undelivered;
    if (!isRefusal(answer)) return this.dialect.toolResult(answer);
    this.#options.log.debug({ tool: name, reason: answer.refused, detail: answer.message }, 'refused');
    return answer;
  }

  /** The method `batch`: entries without ids, answered in order by `{result}` or `{error}`. */
  async #callBatch(params: unknown, passage: Passage): Promise<string | TurnedDown> {
    const entries = params as readonly { readonly method: string; readonly params?: unknown }[];
    const run = async ({ method, params: entryParams }: (typeof entries)[number]): Promise<Delivery> => {
      if (method === 'batch') return { line: encodeEntry(this.#errorResponse('0', nestedBatch)), undelivered: null };
      const own: Passage = { session: passage.session, undelivered: null };
      const response = await this.#rpc.receive({ jsonrpc: '2.0', id: '0', method, params: entryParams }, own);
      return { line: encodeEntry(response!), undelivered: own.undelivered };
    };
    const refuse = (): Delivery => ({ line: encodeEntry(this.#errorResponse('0', replyTooLarge)), undelivered: null });
    const deliveries = await this.#inWindow(entries, run, refuse);
    passage.undelivered = all(deliveries);
    return `[${deliveries.map(({ line }) => line).join(',')}]`;
  }

  #errorResponse(id: string | number | null, turnedDown: TurnedDown): JSONRPCErrorResponse {
    const { code, message, data } = this.dialect.error(turnedDown);
    return createJSONRPCErrorResponse(id, code, message, data);
  }
}

const internalError: TurnedDown = {
  refused: 'internal_error',
  message: 'the server has a bug here, and its log has the details: whether the request took effect is not known',
};

const nestedBatch: TurnedDown = {
  refused: 'invalid_arguments',
  message: 'batch: a batch cannot be an entry of a batch',
};

const replyTooLarge: TurnedDown = {
  refused: 'batch_reply_too_large',
  message: 'the replies before this entry fill the longest line, so it was not executed: send it in another batch',
};

function refuseEntry(dialect: Dialect): (entry: BatchEntry) => Delivery {
  return (entry) => ({
    line: entry.kind === 'request' ? encodeError(entry.id, dialect.error(replyTooLarge)) : undefined,
    undelivered: null,
  });
}

function all(deliveries: readonly Delivery[]): (() => void) | null {
  const undelivered = deliveries.flatMap((delivery) => delivery.undelivered ?? []);
  return undelivered.length === 0 ? null : () => undelivered.forEach((each) => each());
}

/** Ids and results are JSON text on their way through. */
function encode(response: JSONRPCResponse): string {
  const id = response.id === null ? 'null' : String(response.id);
  return response.error === undefined ? encodeResult(id, response.result as string) : encodeError(id, response.error);
}

function encodeEntry(response: JSONRPCResponse): string {
  return response.error === undefined ? `{"result":${response.result}}` : `{"error":${JSON.stringify(response.error)}}`;
}

function unknownMethod(method: string): TurnedDown {
  const tool = tools.has(method)
    ? `${method} is a tool: call it with method tools/call and params {"name": "${method}", "arguments": {...}}`
    : undefined;
  const nearest = nearestOf(method, [...methods.keys()]);
  const hint =
    tool ?? (nearest === undefined ? `there are ${[...methods.keys()].join(', ')}` : `did you mean ${nearest}?`);
  return {
    refused: 'method_not_found',
    message: `there is no method ${excerpt(method)}: ${hint}`,
    data: { method: excerpt(method) },
  };
}

function unknownTool(name: string): TurnedDown {
  const nearest = nearestOf(name, [...tools.keys()]);
  const hint = nearest === undefined ? 'tools/list shows those that there are' : `did you mean ${nearest}?`;
  return {
    refused: 'unknown_tool',
    message: `there is no tool ${excerpt(name)}: ${hint}`,
    data: { tool: excerpt(name) },
  };
}

/** A client's own words, short enough to be repeated to it. */
function excerpt(text: string): string {
  return text.length <= 64 ? text : `${text.slice(0, 64)}...`;
}
