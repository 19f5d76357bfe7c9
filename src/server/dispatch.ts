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
import { isRefusal } from '../core/refusal.ts';
import type { Delivery, Dialect, TurnedDown } from '../dialects/dialect.ts';
import { excerpt } from '../dialects/excerpt.ts';
import { McpConnection } from '../dialects/mcp/connection.ts';
import { eraOf, type Era } from '../dialects/mcp/era.ts';
import type { WaitSecondsMax } from '../dialects/mcp/patience.ts';
import type { Log } from '../observe/log.ts';
import { methods, nearestOf, tools, validate, type ProfileName, type Schema } from '../spec.ts';
import type { Services } from '../tools/index.ts';
import {
  encodeError,
  encodeResult,
  type Batch,
  type BatchEntry,
  type Notification,
  type Request,
} from '../wire/jsonrpc.ts';
import { allUndelivered, answerInWindow, joined, nestedBatch } from './batch.ts';
import { McpSources } from './mcp-sources.ts';
import type { Session } from './session.ts';
import { subscribe, unsubscribe } from './subscribing.ts';
import { callTool, internalError, settled, type Passage } from './tool-calls.ts';

/** One that came on a connection as a line. */
interface LinePassage extends Passage {
  readonly session: Session;
}

type Method = (params: unknown, passage: LinePassage) => Promise<string | TurnedDown> | string | TurnedDown;

/** What a listener speaks: one dialect, or what each message is. */
export type Speaks = 'auto' | 'plain' | 'mcp';

export interface DispatcherOptions {
  readonly dialect: Dialect;
  readonly speaks: Speaks;
  /** What MCP clients are shown. */
  readonly profile: ProfileName;
  readonly services: Services;
  readonly log: Log;
  readonly batchMax: number;
  /** Characters of the reply to a batch, at most. */
  readonly batchReplyMax: number;
  readonly subscriptionsMax: number;
  /** Of MCP clients, which give a request up after a time of their own. */
  readonly waitSecondsMax: WaitSecondsMax;
}

export class Dispatcher {
  readonly dialect: Dialect;
  readonly mcp: McpSources;
  readonly #options: DispatcherOptions;
  readonly #rpc: JSONRPCServer<LinePassage>;

  constructor(options: DispatcherOptions) {
    this.dialect = options.dialect;
    this.mcp = new McpSources(options.services);
    this.#options = options;
    this.#rpc = new JSONRPCServer<LinePassage>({
      errorListener: (message, error) => options.log.error({ err: error }, message),
    });
    this.#rpc.mapErrorToJSONRPCErrorResponse = (id) => this.#errorResponse(id, internalError);
    this.#rpc.handleMethodNotFound = async ({ id, method }) =>
      id === undefined ? null : this.#errorResponse(id, unknownMethod(method));
    this.#addMethods();
  }

  /** Never rejects for what a client did; without a line there is nothing to answer. */
  answer(message: Request | Notification | Batch, session: Session): Promise<Delivery> {
    return message.kind === 'batch' ? this.#answerBatch(message.entries, session) : this.#answerOne(message, session);
  }

  /** What a message is answered with that is not dispatched; undefined: nothing. */
  turnDown(message: Request | Notification | Batch, why: TurnedDown): string | undefined {
    return message.kind === 'batch'
      ? joined(message.entries.map((entry) => this.#refuseEntry(entry, why)))
      : this.#refuseEntry(message, why).line;
  }

  async #answerOne(message: Request | Notification, session: Session): Promise<Delivery> {
    const era = this.#eraOf(message, session);
    if (era !== null) {
      const mcp = (session.mcp ??= this.#mcpConnection(session));
      if (message.kind === 'request') return mcp.request(message, era);
      mcp.notification(message, era);
      return silence;
    }
    const { caller, log, signal } = session;
    const passage: LinePassage = {
      session,
      caller,
      log,
      signal,
      onWait: null,
      waitSecondsMax: Infinity,
      undelivered: null,
    };
    const { method, params } = message;
    if (message.kind === 'notification') {
      // Whoever sent it asked for silence, not for nothing to happen: its answer is made and dropped.
      await this.#rpc.receive({ jsonrpc: '2.0', method, params }, passage);
      passage.undelivered?.();
      return silence;
    }
    const response = await this.#rpc.receive({ jsonrpc: '2.0', id: message.id, method, params }, passage);
    return { line: encode(response!), undelivered: passage.undelivered };
  }

  /** An array of messages: answered by an array of replies, without one for notifications. */
  async #answerBatch(entries: readonly BatchEntry[], session: Session): Promise<Delivery> {
    const deliveries = await answerInWindow(
      entries,
      this.#options.batchReplyMax,
      (entry) => this.#answerEntry(entry, session),
      (entry, why) => this.#refuseEntry(entry, why),
    );
    return { line: joined(deliveries), undelivered: allUndelivered(deliveries) };
  }

  async #answerEntry(entry: BatchEntry, session: Session): Promise<Delivery> {
    const dispatched = entry.kind === 'request' || entry.kind === 'notification';
    return dispatched && entry.method !== 'batch'
      ? this.#answerOne(entry, session)
      : this.#refuseEntry(entry, nestedBatch);
  }

  #refuseEntry(entry: BatchEntry, why: TurnedDown): Delivery {
    switch (entry.kind) {
      case 'request':
        return { line: encodeError(entry.id, this.dialect.error(why)), undelivered: null };
      case 'invalid':
        return {
          line: encodeError(entry.id, this.dialect.error({ refused: entry.reason, message: entry.message })),
          undelivered: null,
        };
      case 'notification':
      case 'response':
        return silence;
    }
  }

  // ---- MCP

  /** null: it is plain. */
  #eraOf(message: Request | Notification, session: Session): Era | null {
    const { speaks } = this.#options;
    if (speaks === 'plain') return null;
    return eraOf(message, session.mcp?.spoken ?? nothingSpoken) ?? (speaks === 'mcp' ? 'legacy' : null);
  }

  #mcpConnection(session: Session): McpConnection {
    const { mcp } = this;
    const { profile, subscriptionsMax, waitSecondsMax } = this.#options;
    return new McpConnection(
      {
        ...mcp.sourcesFor(mcp.toolsFor(session.caller, session.log), () => session.writable(), session.log),
        send: (line) => session.send(line),
        onError: (error) => session.log.debug({ detail: error.message }, 'MCP'),
      },
      { profile: session.profile ?? profile, subscriptionsMax, waitSecondsMax },
    );
  }

  // ---- methods

  #addMethods(): void {
    const { dialect, services } = this.#options;
    this.#add('initialize', (params, { session }) => {
      const { clientInfo, profile } = params as {
        readonly clientInfo?: { readonly name?: string };
        readonly profile?: ProfileName;
      };
      if (profile !== undefined && session.mcp !== null) return profileTooLate;
      session.profile = profile ?? session.profile;
      session.log.debug({ client: excerpt(clientInfo?.name ?? 'unnamed') }, 'initialized');
      return dialect.initialize();
    });
    this.#add('ping', () => dialect.ping(services.now()));
    this.#add('tools/list', () => dialect.toolsList());
    this.#add('tools/call', async (params, passage) => {
      const { name, arguments: args = {} } = params as { readonly name: string; readonly arguments?: object };
      const answer = await callTool(services, name, args, passage);
      if (isRefusal(answer)) return answer;
      try {
        return dialect.toolResult(answer);
      } catch (error) {
        // What cannot be written down is not delivered either.
        passage.undelivered?.();
        throw error;
      }
    });
    this.#add('batch', (params, passage) => this.#callBatch(params, passage), null);
    this.#add('subscribe', async (params, { session }) => {
      await settled(session.caller);
      return subscribe(params, session, services, this.#options.log, this.#options.subscriptionsMax);
    });
    this.#add('unsubscribe', (params, { session }) => unsubscribe(params, session));
  }

  /** `input` null: the method looks at its params itself. */
  #add(name: string, method: Method, input: Schema | null = methods.get(name)!.input): void {
    this.#rpc.addMethodAdvanced(name, async ({ id = null, params = {} }, passage): Promise<JSONRPCResponse> => {
      const problem = input === null ? null : validate(input, params);
      const answer =
        problem === null
          ? await method(params, passage)
          : { refused: 'invalid_arguments', message: `${name}: ${problem.message}`, data: { path: problem.path } };
      return typeof answer === 'string' ? { jsonrpc: '2.0', id, result: answer } : this.#errorResponse(id, answer);
    });
  }

  /** The method `batch`: entries without ids, answered in order by `{result}` or `{error}`; they fail alone. */
  async #callBatch(entries: unknown, passage: LinePassage): Promise<string | TurnedDown> {
    if (!Array.isArray(entries)) {
      return { refused: 'invalid_arguments', message: 'batch: params must be an array of requests without ids' };
    }
    if (entries.length === 0) {
      return { refused: 'batch_empty', message: 'batch: params must hold at least one request; found none' };
    }
    const { batchMax, batchReplyMax } = this.#options;
    if (entries.length > batchMax) {
      const message = `batch: params may hold at most ${batchMax} requests; found ${entries.length}`;
      return { refused: 'batch_too_large', message };
    }
    const refused = (why: TurnedDown): Delivery => ({
      line: encodeEntry(this.#errorResponse(null, why)),
      undelivered: null,
    });
    const run = async (entry: unknown): Promise<Delivery> => {
      const problem = validate(batchEntry, entry);
      if (problem !== null) {
        const message = `an entry of a batch must be a request, {"method": ..., "params": ...}: ${problem.message}`;
        return refused({ refused: 'invalid_request', message });
      }
      const { method, params } = entry as { readonly method: string; readonly params?: unknown };
      if (method === 'batch') return refused(nestedBatch);
      const own: LinePassage = Object.assign({}, passage, { undelivered: null });
      const response = await this.#rpc.receive({ jsonrpc: '2.0', id: null, method, params }, own);
      return { line: encodeEntry(response!), undelivered: own.undelivered };
    };
    const deliveries = await answerInWindow(entries, batchReplyMax, run, (_, why) => refused(why));
    passage.undelivered = allUndelivered(deliveries);
    return `[${deliveries.map(({ line }) => line).join(',')}]`;
  }

  #errorResponse(id: string | number | null, turnedDown: TurnedDown): JSONRPCErrorResponse {
    const { code, message, data } = this.dialect.error(turnedDown);
    return createJSONRPCErrorResponse(id, code, message, data);
  }
}

const profileTooLate: TurnedDown = {
  refused: 'invalid_arguments',
  message: 'initialize: profile has to be chosen before the connection speaks MCP',
  data: { path: 'profile' },
};

const nothingSpoken: ReadonlySet<Era> = new Set();

const silence: Delivery = { line: undefined, undelivered: null };

const batchEntry = methods.get('batch')!.input['items'] as Schema;

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
