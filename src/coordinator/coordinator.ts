/**
 * The shell around the core: it knows which swarms there are, hands each its commands, and keeps time for them.
 */
import type { Command, CommandOf } from '../core/command.ts';
import type { Limits } from '../core/limits.ts';
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import type { Event } from '../core/event.ts';
import type { Effect } from '../core/rule.ts';
import type { Head, Journal } from '../journal/journal.ts';
import type { Log } from '../observe/log.ts';
import { Alarm } from './alarm.ts';
import type { Clock } from './clock.ts';
import { Feed } from './feed.ts';
import type { Mint } from './mint.ts';
import type { Patience } from './parking.ts';
import { SwarmQueue, type QueueContext, type QueueLimits, type Summary } from './swarm-queue.ts';

/** Whoever starts and stops workers on request; the built-in host, in `serve`. */
export interface AgentStarter {
  start(order: StartOrder): void;
  stop(agentId: string): void;
}

export interface StartOrder {
  readonly swarmId: string;
  readonly agentId: string;
  readonly agentType: string;
  readonly joinToken: string;
  /** Which start of the agent this is; a report of its failure has to name it. */
  readonly restarts: number;
}

export interface CoordinatorOptions {
  readonly journal: Journal<Event>;
  readonly clock: Clock;
  readonly mint: Mint;
  readonly log: Log;
  readonly limits: Limits;
  readonly queueLimits: QueueLimits & {
    /** Swarms that have not been forgotten. */
    readonly swarmsMax: number;
  };
  readonly starter: AgentStarter;
  /** Removes what others keep of a swarm, such as its memory bank; false: that has to be tried again. */
  readonly onForget: (swarmId: string) => Promise<boolean>;
  readonly onFatal: (error: unknown) => void;
}

/** When a swarm that could not be forgotten is tried again. */
const forgetAgainMs = 60_000;

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #context: QueueContext;
  /** In the order of their creation. */
  readonly #swarms = new Map<string, SwarmQueue>();
  readonly #forgetting = new Set<string>();
  /** null until those that were there at the start have been read; then the ones that are being read. */
  #adopting: Set<string> | null = null;
  /** The newest that was announced of swarms that have not been read yet. */
  readonly #unread = new Map<string, Head>();
  /** Which swarm a request of `swarm_init` made. */
  readonly #inits = new Map<string, string>();
  readonly #alarm: Alarm;
  readonly #unsubscribe: () => void;
  readonly #feeds = new Map<string, Set<Feed>>();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    const { clock, limits } = options;
    this.#alarm = new Alarm(clock, (swarmId) => {
      this.#tell(swarmId, { type: 'timers_due', most: limits.timersMax });
    });
    this.#context = {
      ...options,
      carryOut: (swarmId, effect) => this.#carryOut(swarmId, effect),
      wakeAt: (swarmId, due) => {
        if (!this.#forgetting.has(swarmId)) this.#alarm.set(swarmId, due);
      },
      onGone: (swarmId) => this.#drop(swarmId),
    };
    this.#unsubscribe = options.journal.subscribe((swarmId, head) => {
      const queue = this.#swarms.get(swarmId);
      if (queue !== undefined) queue.heard(head);
      else {
        this.#unread.set(swarmId, head);
        this.#adopt(swarmId).catch(options.onFatal);
      }
      for (const feed of this.#feeds.get(swarmId) ?? []) feed.wake();
    });
  }

  /** Reads every swarm from the journal; to be awaited before anything else is asked. */
  async open(): Promise<void> {
    const loaded: SwarmQueue[] = [];
    for await (const swarmId of this.#options.journal.swarms()) {
      const queue = new SwarmQueue(swarmId, this.#context);
      await queue.load();
      loaded.push(queue);
    }
    loaded.sort((a, b) => (a.summary?.createdAt ?? 0) - (b.summary?.createdAt ?? 0));
    for (const queue of loaded) {
      this.#know(queue);
      if (queue.quarantined === null) this.#tell(queue.swarmId, { type: 'recover' });
    }
    this.#adopting = new Set();
    // Created while we were reading the others.
    for (const swarmId of this.#unread.keys()) this.#adopt(swarmId).catch(this.#options.onFatal);
  }

  /** Another coordinator has created it. */
  async #adopt(swarmId: string): Promise<void> {
    if (this.#adopting === null || this.#adopting.has(swarmId)) return;
    this.#adopting.add(swarmId);
    const queue = new SwarmQueue(swarmId, this.#context);
    await queue.load();
    this.#adopting.delete(swarmId);
    if (queue.summary !== null || queue.quarantined !== null) this.#know(queue);
    else this.#unread.delete(swarmId);
  }

  #know(queue: SwarmQueue): void {
    this.#swarms.set(queue.swarmId, queue);
    for (const requestId of queue.answeredRequests('swarm_init')) this.#inits.set(requestId, queue.swarmId);
    const announced = this.#unread.get(queue.swarmId);
    if (announced !== undefined) queue.heard(announced);
    this.#unread.delete(queue.swarmId);
  }

  /** Finishes nothing and loses nothing: whoever waits is refused, and what was acknowledged is in the journal. */
  async close(): Promise<void> {
    this.#alarm.close();
    this.#unsubscribe();
    const stopping = refuse('shutting_down', 'the coordinator is shutting down: connect again when it is back', {
      retryAfterMs: 1000,
    });
    for (const swarmId of [...this.#feeds.keys()]) this.#closeFeeds(swarmId);
    await Promise.all([...this.#swarms.values()].map((queue) => queue.stop(stopping)));
  }

  /** Resolves with the reply or a refusal; rejects with `Abandoned` when the caller's patience was aborted. */
  submit(swarmId: string, command: Command, patience: Patience | null = null): Promise<object | Refusal> {
    const queue = this.#swarms.get(swarmId);
    if (queue === undefined) return Promise.resolve(this.refuseUnknown(swarmId));
    return queue.submit(command, patience);
  }

  async createSwarm(
    command: Omit<CommandOf<'swarm_init'>, 'swarmId'> & { readonly requestId?: string },
  ): Promise<object | Refusal> {
    const { clock, mint, queueLimits } = this.#options;
    const { requestId } = command;
    const earlier = requestId === undefined ? undefined : this.#inits.get(requestId);
    if (earlier !== undefined) return this.submit(earlier, { ...command, swarmId: earlier });
    if (this.#swarms.size >= queueLimits.swarmsMax) {
      return refuse(
        'swarm_limit',
        `there are ${this.#swarms.size} swarms, which is the most: destroy some with swarm_destroy; a destroyed one is forgotten after its retention`,
        { swarmsMax: queueLimits.swarmsMax },
      );
    }
    const swarmId = mint.id('swarm', clock.now());
    const queue = new SwarmQueue(swarmId, this.#context);
    this.#swarms.set(swarmId, queue);
    if (requestId !== undefined) this.#inits.set(requestId, swarmId);
    const answer = await queue.submit({ ...command, swarmId });
    if (isRefusal(answer)) this.#drop(swarmId);
    return answer;
  }

  /** Newest last; a swarm whose creation has not been committed yet is not among them. */
  summaries(): Summary[] {
    return [...this.#swarms.values()].flatMap((queue) => queue.summary ?? []);
  }

  quarantined(): { readonly swarmId: string; readonly reason: string }[] {
    return [...this.#swarms.values()].flatMap(({ swarmId, quarantined }) =>
      quarantined === null ? [] : [{ swarmId, reason: quarantined }],
    );
  }

  /** The swarm that was created last and has not been destroyed. */
  newestLive(): string | undefined {
    return this.summaries().findLast((summary) => summary.destroyedAt === null)?.swarmId;
  }

  summary(swarmId: string): Summary | undefined {
    return this.#swarms.get(swarmId)?.summary ?? undefined;
  }

  /** The swarm that has the agent, the task, the approval or the token to join with; the newest ones are asked first. */
  swarmOf(kind: 'agents' | 'tasks' | 'approvals' | 'tokens', id: string): string | undefined {
    return [...this.#swarms.values()].findLast((queue) => queue.knows(kind, id))?.swarmId;
  }

  /** Why nothing can be asked of a swarm that has no summary. */
  refuseUnknown(swarmId: string): Refusal {
    const queue = this.#swarms.get(swarmId);
    if (queue?.quarantined != null) return refuse('swarm_quarantined', queue.quarantined, { swarmId });
    return refuse(
      'swarm_not_found',
      `there is no swarm ${swarmId}: swarm_list shows those that there are, swarm_init creates one`,
      { swarmId },
    );
  }

  /** The swarm's events after a version, for one reader, who closes it. */
  feed(swarmId: string, from: number): Feed {
    const feeds = this.#feeds.get(swarmId) ?? new Set();
    this.#feeds.set(swarmId, feeds);
    const feed = new Feed(this.#options.journal, swarmId, from, () => {
      feeds.delete(feed);
      if (feeds.size === 0) this.#feeds.delete(swarmId);
    });
    feeds.add(feed);
    return feed;
  }

  /** A worker's connection is gone, a claim did not arrive, or a host has something to say about a worker. */
  report(swarmId: string, command: CommandOf<'worker_lost' | 'worker_failed' | 'claim_undelivered'>): void {
    this.#tell(swarmId, command);
  }

  #carryOut(swarmId: string, effect: Effect): void {
    switch (effect.kind) {
      case 'start_worker':
        this.#options.starter.start({ swarmId, ...effect });
        break;
      case 'stop_worker':
        this.#options.starter.stop(effect.agentId);
        break;
      case 'forget_swarm':
        this.#forget(swarmId).catch(this.#options.onFatal);
        break;
    }
  }

  /** The journal goes last: as long as it is there, what else is left of the swarm can be found. */
  async #forget(swarmId: string): Promise<void> {
    const { journal, clock, onForget } = this.#options;
    if (this.#forgetting.has(swarmId)) return;
    this.#forgetting.add(swarmId);
    const removed = await onForget(swarmId);
    this.#forgetting.delete(swarmId);
    if (!removed) return this.#alarm.set(swarmId, clock.now() + forgetAgainMs);
    this.#drop(swarmId);
    await journal.forget(swarmId);
  }

  #closeFeeds(swarmId: string): void {
    for (const feed of [...(this.#feeds.get(swarmId) ?? [])]) feed.close();
  }

  #drop(swarmId: string): void {
    this.#closeFeeds(swarmId);
    void this.#swarms.get(swarmId)?.stop(this.refuseUnknown(swarmId));
    this.#swarms.delete(swarmId);
    this.#alarm.set(swarmId, null);
    for (const [requestId, of] of this.#inits) if (of === swarmId) this.#inits.delete(requestId);
  }

  /** A command of the coordinator's own: nobody waits for its answer, and a bug in it is logged. */
  #tell(swarmId: string, command: Command): void {
    const queue = this.#swarms.get(swarmId);
    queue?.submit(command, null, true).catch((error: unknown) => {
      this.#options.log.error({ swarmId, command: command.type, err: error }, 'internal command failed');
    });
  }
}
