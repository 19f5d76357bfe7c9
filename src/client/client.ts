/**
 * The client of a coordinator, and the package's main export: `import { connect } from 'skein'`.
 *
 * Calls share a pool of connections; sessions as agents and streams of events have connections of their own. A call
 * that fails rejects with a `SkeinError`, after it was tried again where that is safe.
 */
import { setMaxListeners } from 'node:events';
import type { Params } from '../wire/jsonrpc.ts';
import { AgentSession, type JoinOptions } from './agent.ts';
import { now } from './deadline.ts';
import { closed, SkeinError } from './errors.ts';
import { EventStream, type SubscribeOptions } from './events.ts';
import { InFlight } from './in-flight.ts';
import { settingsOf, type ClientOptions, type Settings } from './options.ts';
import { Pool } from './pool.ts';
import { retry } from './retry.ts';
import { toolCall, toolResult, type CallParameters, type CallableTool, type Result } from './tools.ts';

export type { AgentSession, Held, JoinOptions } from './agent.ts';
export { SkeinError, type ErrorData } from './errors.ts';
export type { EventStream, SubscribeOptions, SwarmEvent } from './events.ts';
export type { ClientOptions } from './options.ts';
export type { Arguments, CallableTool, CallOptions, Result, ToolName } from './tools.ts';
export type * from '../spec.types.ts';

const idleMs = 30_000;

/**
 * A client of the coordinator at `host` and `port`. It connects when there is something to ask: whether anybody is there
 * is what `ping` tells.
 * @throws SkeinError invalid_options
 */
export function connect(options: ClientOptions = {}): Client {
  return new Client(settingsOf(options));
}

export class Client {
  readonly #settings: Settings;
  readonly #pool: Pool;
  readonly #inFlight = new InFlight();
  readonly #closing = new AbortController();
  /** Sessions and streams, which have connections of their own. */
  readonly #owned = new Set<{ close(): void }>();
  #closed: Promise<void> | null = null;

  /** Use `connect`. */
  constructor(settings: Settings) {
    this.#settings = settings;
    this.#pool = new Pool(settings, { idleMs });
    setMaxListeners(0, this.#closing.signal);
  }

  /** Whether the coordinator answers; `timestamp` is its clock, in milliseconds since the epoch. */
  async ping(): Promise<{ readonly status: 'ok'; readonly timestamp: number }> {
    const until = now() + this.#settings.callTimeoutMs;
    const pong = await this.#request('ping', () => ({}), { until, repeatable: true, waits: false });
    return pong as { readonly status: 'ok'; readonly timestamp: number };
  }

  /**
   * Calls a tool. Name the swarm where a tool takes one: without it the coordinator's newest live swarm is meant,
   * whoever made it, as no connection is yours alone. To act as an agent, `join`.
   */
  async call<T extends CallableTool>(tool: T, ...[args, options]: CallParameters<T>): Promise<Result<T>> {
    const { repeatable, waitMs, params } = toolCall(tool, args ?? {});
    const until = now() + waitMs + (options?.timeoutMs ?? this.#settings.callTimeoutMs);
    const how = { until, repeatable, waits: waitMs > 0, signal: options?.signal };
    return toolResult<T>(await this.#request('tools/call', params, how));
  }

  /** The swarm's events: from now on, or after version `from`. See `EventStream` for how it ends. */
  subscribe(swarmId: string, { from }: SubscribeOptions = {}): EventStream {
    const stream: EventStream = new EventStream(this.#settings, swarmId, from, () => this.#owned.delete(stream));
    this.#owned.add(stream);
    if (this.#closed !== null) stream.close();
    return stream;
  }

  /** Becomes an agent of a swarm: a new one, or with a token the one that it belongs to. */
  async join(options: JoinOptions = {}): Promise<AgentSession> {
    const inFlight = this.#inFlight;
    const session: AgentSession = new AgentSession(this.#settings, options, inFlight, () =>
      this.#owned.delete(session),
    );
    this.#owned.add(session);
    await inFlight.run('swarm_join', () => session.open(), { waits: false });
    return session;
  }

  /**
   * Lets the calls that are under way finish, for closeTimeoutMs at most, and ends everything else: calls that wait,
   * sessions, streams, connections. Afterwards nothing of the client keeps the process alive.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #request(
    method: string,
    params: () => Params,
    how: {
      readonly until: number;
      readonly repeatable: boolean;
      readonly waits: boolean;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<unknown> {
    const { until, repeatable } = how;
    const attempt = (): Promise<unknown> => this.#pool.use((connection) => connection.request(method, params(), until));
    const retries = { ...this.#settings, repeatable, until, signal: this.#closing.signal };
    return this.#inFlight.run(method, () => retry(attempt, retries), how);
  }

  async #close(): Promise<void> {
    await this.#inFlight.close(this.#settings.closeTimeoutMs);
    this.#closing.abort(new SkeinError(closed('client', { definite: true })));
    for (const each of [...this.#owned]) each.close();
    await this.#pool.close();
  }
}
