/**
 * A session as an agent: a connection of its own that acts as the agent, for as long as the agent lives.
 *
 * - When the connection is lost, it comes back and joins again with the agent's resume token before it sends anything
 *   else. Calls wait meanwhile, and those whose answer was lost are sent again with their idempotency key.
 * - It gives up when the agent's grace is over, or the join is refused. `signal` is aborted then, with the reason.
 * - Heartbeats are the worker's: call `update` at least every `joined.heartbeatSeconds` while holding work.
 */
import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { nanoid } from 'nanoid';
import type { SwarmJoinArguments, SwarmJoinResult } from '../spec.types.ts';
import { Connection, type Request } from './connection.ts';
import { now, unlessAborted } from './deadline.ts';
import { aborted, closed, graceOver, SkeinError } from './errors.ts';
import type { InFlight } from './in-flight.ts';
import type { Settings } from './options.ts';
import { mayRetry, reopen, retry } from './retry.ts';
import {
  toolCall,
  toolResult,
  type Arguments,
  type CallableTool,
  type CallOptions,
  type CallParameters,
  type Result,
  type ToolCall,
  type ToolName,
} from './tools.ts';

/** Without `swarmId` the coordinator's newest live swarm is meant, also where a token belongs to another. */
export type JoinOptions = Omit<SwarmJoinArguments, 'type' | 'requestId' | 'assignmentId' | 'leaseToken'>;

/** Only who accompanies a claim gets no resume token, and a session never does. */
type Joined = SwarmJoinResult & { readonly resumeToken: string };

/** A claim as a new join reports it. */
export type Held = SwarmJoinResult['held'][number];

/** A session acts as one agent and makes its own idempotency keys. */
type Own<T extends ToolName> = Omit<Arguments<T>, 'agentId' | 'requestId'>;

/** The agent is over, or belongs to another connection: nothing that this session asks will be granted again. */
const overReasons: ReadonlySet<string> = new Set(['agent_closed', 'not_joined', 'swarm_destroyed']);

export class AgentSession {
  readonly #settings: Settings;
  readonly #inFlight: InFlight;
  readonly #connection: Connection;
  readonly #first: SwarmJoinArguments;
  readonly #rejoined: ((held: readonly Held[]) => void)[] = [];
  readonly #onEnd: () => void;
  readonly #ending = new AbortController();
  #joined: Joined | null = null;
  /** Resolves when the connection stands, rejects when it never will again. */
  #up: Promise<void> = Promise.resolve();

  /** Use `Client.join`. */
  constructor(settings: Settings, options: JoinOptions, inFlight: InFlight, onEnd: () => void) {
    this.#settings = settings;
    this.#inFlight = inFlight;
    // The same in every attempt, so that a join whose answer was lost does not make a second agent.
    this.#first = { ...options, requestId: nanoid() };
    this.#onEnd = onEnd;
    setMaxListeners(0, this.signal);
    this.#connection = new Connection(settings, {
      prepare: (request) => this.#join(request),
      onLost: () => this.#comeBack(),
    });
  }

  /** The first join, which may be refused. */
  async open(): Promise<void> {
    const until = now() + this.#settings.callTimeoutMs;
    const { signal } = this;
    try {
      await retry(() => this.#connection.open(), { ...this.#settings, repeatable: true, until, signal });
    } catch (error) {
      this.#finish(error);
      throw error;
    }
  }

  /** What the newest join said. Keep `resumeToken` to come back as this agent from another process. */
  get joined(): Joined {
    return this.#joined!;
  }

  get agentId(): string {
    return this.joined.agentId;
  }

  get swarmId(): string {
    return this.joined.swarmId;
  }

  /** Aborted when the session is over; its reason is a SkeinError. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /**
   * Called each time the agent has come back, with what it still holds. What the worker executes and `held` does not
   * name is no longer its own, and it should stop. What `held` names and the worker does not know was claimed by a
   * `next` whose answer was lost, and which still brings it; when no `next` is under way, `release` it.
   */
  onRejoin(listener: (held: readonly Held[]) => void): void {
    this.#rejoined.push(listener);
  }

  /** Calls any tool as the agent. The call's time begins when it is sent: before that it waits for the connection. */
  async call<T extends CallableTool>(tool: T, ...[args, options = {}]: CallParameters<T>): Promise<Result<T>> {
    const call = toolCall(tool, args ?? {});
    const { timeoutMs = this.#settings.callTimeoutMs, signal } = options;
    const retries = { ...this.#settings, repeatable: call.repeatable, until: Infinity, signal: this.signal };
    const attempt = (): Promise<Result<T>> => this.#attempt(call, timeoutMs);
    return this.#inFlight.run(tool, () => retry(attempt, retries), { waits: call.waitMs > 0, signal });
  }

  /**
   * Claims the next piece of work; `assignment: null` when none came within `waitSeconds` (30 when absent). When it is
   * aborted, work that comes all the same is given back.
   */
  async next({ signal, timeoutMs, ...args }: Own<'task_next'> & CallOptions = {}): Promise<Result<'task_next'>> {
    if (signal?.aborted === true) throw aborted('task_next', { definite: true });
    const claim = this.#claim(args, timeoutMs === undefined ? {} : { timeoutMs }, signal);
    if (signal === undefined) return claim;
    try {
      return await unlessAborted(signal, claim, () => aborted('task_next', { definite: false }));
    } catch (error) {
      if (signal.aborted) claim.then((late) => this.#giveBack(late)).catch(() => {});
      throw error;
    }
  }

  /** A heartbeat, with progress where there is some. With `waitSeconds` it answers at once when the claim ends. */
  async update(report: Own<'task_update'>, options: CallOptions = {}): Promise<Result<'task_update'>> {
    return this.call('task_update', report, options);
  }

  async complete(work: Own<'task_complete'>, options: CallOptions = {}): Promise<Result<'task_complete'>> {
    return this.call('task_complete', work, options);
  }

  async fail(work: Own<'task_fail'>, options: CallOptions = {}): Promise<Result<'task_fail'>> {
    return this.call('task_fail', work, options);
  }

  /** Gives work back; it does not count as a failure. */
  async release(work: Own<'task_release'>, options: CallOptions = {}): Promise<Result<'task_release'>> {
    return this.call('task_release', work, options);
  }

  /** Messages after `cursor`, waiting for one up to `waitSeconds` (30 when absent). */
  async messages(which: Own<'message_next'> = {}, options: CallOptions = {}): Promise<Result<'message_next'>> {
    return this.call('message_next', which, options);
  }

  /** The messages up to `cursor` have been dealt with, and do not come again. */
  async acknowledge(cursor: number, options: CallOptions = {}): Promise<Result<'message_ack'>> {
    return this.call('message_ack', { cursor }, options);
  }

  /** Ends the agent, and the session with it. What it holds goes to others. */
  async leave(why: Own<'swarm_leave'> = {}, options: CallOptions = {}): Promise<Result<'swarm_leave'>> {
    const left = await this.call('swarm_leave', why, options);
    this.close();
    return left;
  }

  /** Ends the session and not the agent, which may come back from elsewhere within its grace. */
  close(): void {
    this.#finish(new SkeinError(closed('session', { definite: true })));
  }

  async #claim(args: Own<'task_next'>, options: CallOptions, signal?: AbortSignal): Promise<Result<'task_next'>> {
    for (;;) {
      try {
        return await this.call('task_next', args, options);
      } catch (error) {
        // The answer of an attempt was lost, and its claim was given back for that: ask anew.
        const again = error instanceof SkeinError && error.reason === 'lease_lost' && signal?.aborted !== true;
        if (!again) throw error;
      }
    }
  }

  async #giveBack({ assignment }: Result<'task_next'>): Promise<void> {
    if (assignment === null) return;
    const { assignmentId, leaseToken } = assignment;
    await this.release({ assignmentId, leaseToken, reason: 'nobody waits for it any more' });
  }

  async #attempt<T extends ToolName>(call: ToolCall, timeoutMs: number): Promise<Result<T>> {
    await this.#up;
    try {
      const until = now() + call.waitMs + timeoutMs;
      return toolResult<T>(await this.#connection.request('tools/call', call.params(), until));
    } catch (error) {
      if (error instanceof SkeinError && this.#isOver(error)) this.#finish(error);
      throw error;
    }
  }

  async #join(request: Request): Promise<void> {
    const earlier = this.#joined;
    const args: SwarmJoinArguments =
      earlier === null ? this.#first : { swarmId: earlier.swarmId, token: earlier.resumeToken, requestId: nanoid() };
    const joined = toolResult<'swarm_join'>(await request('tools/call', { name: 'swarm_join', arguments: args }));
    this.#joined = joined as Joined;
  }

  #comeBack(): void {
    const { agentId, graceSeconds } = this.joined;
    const { retryDelayMs: delayMs } = this.#settings;
    const back = { delayMs, forMs: graceSeconds * 1000, signal: this.signal };
    this.#up = reopen(() => this.#connection.open(), back).then(
      () => this.#returned(),
      (error: SkeinError) => {
        const reason = mayRetry(error, true) ? graceOver(agentId, graceSeconds, error) : error;
        this.#finish(reason);
        throw reason;
      },
    );
    // Whoever calls is told, and `signal` tells the others.
    this.#up.catch(() => {});
  }

  /** What listeners send goes before what waits: a claim that they give back must not become the answer of a `next`. */
  async #returned(): Promise<void> {
    this.#up = Promise.resolve();
    const { held } = this.joined;
    // Not from within: what a listener throws is its own, and says nothing of the connection.
    for (const tell of this.#rejoined) queueMicrotask(() => tell(held));
    await nextTurn();
  }

  #isOver({ reason, data }: SkeinError): boolean {
    const { agentId = this.agentId } = data;
    return overReasons.has(reason) && agentId === this.agentId;
  }

  #finish(reason: unknown): void {
    if (this.signal.aborted) return;
    this.#ending.abort(reason);
    this.#connection.close();
    this.#onEnd();
  }
}
