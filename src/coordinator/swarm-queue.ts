/**
 * One swarm's queue of commands: decide, commit, then answer and act.
 *
 * While a commit is in flight, commands queue; then all of them are decided in order and go as one commit (group
 * commit). A reply leaves only after the commit that it rests on. Reading commands take the same way, so that nothing
 * is ever told that is not durable. When the journal turns out to have moved on, the state is read anew and the batch
 * is decided again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Command } from '../core/command.ts';
import { execute, type Outcome } from '../core/decide.ts';
import { UnknownEvent, type Event } from '../core/event.ts';
import { createState, evolve } from '../core/evolve.ts';
import { nextDue } from '../core/index.ts';
import type { Limits } from '../core/limits.ts';
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import type { Effect, World } from '../core/rule.ts';
import { restore, snapshot } from '../core/snapshot.ts';
import type { State } from '../core/state.ts';
import { emptyHead, type Head, type Journal } from '../journal/journal.ts';
import type { Log } from '../observe/log.ts';
import type { Clock } from './clock.ts';
import type { Mint } from './mint.ts';
import { Parking, type Patience } from './parking.ts';
import { Payloads } from './payloads.ts';

export interface QueueLimits {
  /** Commands of a swarm that may be under way at once, not counting those that are parked. */
  readonly swarmConcurrency: number;
  /** Commands of one commit. */
  readonly batchMax: number;
  /** Events between snapshots, at least; a large state waits for more of them. */
  readonly snapshotEvents: number;
  /** Events that stay readable for subscribers after a snapshot. */
  readonly historyEvents: number;
}

export interface QueueContext {
  readonly journal: Journal<Event>;
  readonly clock: Clock;
  readonly mint: Mint;
  readonly log: Log;
  readonly limits: Limits;
  readonly queueLimits: QueueLimits;
  /** Carries out what the queue cannot do itself. */
  readonly carryOut: (swarmId: string, effect: Effect) => void;
  /** When the swarm next wants its timers looked at. */
  readonly wakeAt: (swarmId: string, due: number | null) => void;
  /** The journal failed: nothing can be acknowledged any more. */
  readonly onFatal: (error: unknown) => void;
}

/** What is known of a swarm without asking it: as of its last commit. */
export interface Summary {
  readonly swarmId: string;
  readonly createdAt: number;
  readonly name: string | null;
  readonly topology: string;
  readonly destroyedAt: number | null;
  readonly liveAgents: number;
  readonly liveTasks: number;
  readonly version: number;
}

interface Item {
  readonly command: Command;
  readonly patience: Patience | null;
  readonly internal: boolean;
  resolve(answer: object | Refusal): void;
  reject(error: unknown): void;
}

/** The caller has gone before there was an answer. */
export class Abandoned extends Error {}

export class SwarmQueue {
  readonly swarmId: string;
  readonly #context: QueueContext;
  readonly #parking: Parking;
  #items: Item[] = [];
  #underWay = 0;
  #pumping = false;
  #state: State | null = null;
  #head: Head = emptyHead;
  #snapshotAt = 0;
  #summary: Summary | null = null;
  /** Why the swarm takes no commands any more. */
  #stopped: Refusal | null = null;

  constructor(swarmId: string, context: QueueContext) {
    this.swarmId = swarmId;
    this.#context = context;
    this.#parking = new Parking(context.clock);
  }

  /** null until something was committed. */
  get summary(): Summary | null {
    return this.#summary;
  }

  get quarantined(): string | null {
    return this.#stopped?.refused === 'swarm_quarantined' ? this.#stopped.message : null;
  }

  knows(kind: 'agents' | 'tasks' | 'tokens', id: string): boolean {
    if (this.#state === null) return false;
    return kind === 'tokens' ? this.#state.indexes.tokens.has(id) : this.#state[kind].has(id);
  }

  /** Ids of the answered requests of a command; for the coordinator's own index of `swarm_init`. */
  answeredRequests(command: string): string[] {
    return [...(this.#state?.requests ?? [])].filter(([, answered]) => answered.command === command).map(([id]) => id);
  }

  /** Reads the swarm from the journal. A journal that cannot be understood stops this swarm and no other. */
  async load(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      if (!(error instanceof UnknownEvent)) throw error;
      this.#context.log.error({ swarmId: this.swarmId, err: error }, 'swarm quarantined');
      this.#stopped = refuse(
        'swarm_quarantined',
        `swarm ${this.swarmId} is not served: ${error.message}. Run a release that knows it`,
        { swarmId: this.swarmId },
      );
    }
  }

  /**
   * Resolves with the reply once what it rests on is durable, or with a refusal. Rejects with `Abandoned` when the
   * caller went away first, and with any other error for a bug.
   */
  submit(command: Command, patience: Patience | null = null, internal = false): Promise<object | Refusal> {
    const { swarmConcurrency } = this.#context.queueLimits;
    if (!internal && swarmConcurrency > 0 && this.#underWay >= swarmConcurrency) {
      return Promise.resolve(
        refuse(
          'swarm_busy',
          `swarm ${this.swarmId} has ${this.#underWay} operations under way, which is the most: try again`,
          {
            swarmConcurrency,
            retryAfterMs: 50,
          },
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#enqueue({ command, patience, internal, resolve, reject });
    });
  }

  /** No more commands; resolves when those that wait and those that are under way have been answered. */
  async stop(reason: Refusal): Promise<void> {
    this.#stopped ??= reason;
    this.#parking.wakeAll();
    while (this.#pumping) await nextTurn();
  }

  #enqueue(item: Item): void {
    this.#items.push(item);
    this.#underWay += 1;
    if (this.#pumping) return;
    this.#pumping = true;
    // Everything that arrives in this turn of the event loop goes into the same commit.
    setImmediate(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    while (this.#items.length > 0) {
      const batch = this.#items.splice(0, this.#context.queueLimits.batchMax);
      try {
        await this.#run(batch);
      } catch (error) {
        // Only the journal's own failures come here: fail-stop. What was in flight may or may not have been written.
        this.#stopped ??= refuse(
          'journal_failed',
          'the journal has failed and the coordinator stops: restart it when its cause is gone',
        );
        this.#context.log.fatal({ swarmId: this.swarmId, err: error }, 'journal failed');
        for (const item of batch) this.#finish(item, { ...this.#stopped, data: { definite: false } });
        this.#context.onFatal(error);
      }
    }
    this.#pumping = false;
  }

  /** Decides a batch and commits it; again from the start when the state turns out to be stale or a command has a bug. */
  async #run(batch: readonly Item[]): Promise<void> {
    let items: Item[] = [];
    for (const item of batch) {
      if (item.patience?.signal.aborted === true) this.#abandoned(item);
      else items.push(item);
    }
    for (;;) {
      if (this.#stopped !== null) {
        for (const item of items) this.#finish(item, this.#stopped);
        return;
      }
      const state = this.#state ?? (await this.#read());
      const decided = this.#decide(state, items);
      if ('bug' in decided) {
        this.#state = null;
        decided.item.reject(decided.bug);
        this.#underWay -= 1;
        items = items.filter((item) => item !== decided.item);
        continue;
      }
      if (decided.events.length > 0) {
        const { journal, mint } = this.#context;
        const commit = {
          id: mint.secret(),
          events: decided.events,
          ...(decided.payloads.added.size > 0 && { blobs: decided.payloads.added }),
          ...withDropped(decided.events),
        };
        const result = await journal.append(this.swarmId, this.#head, commit);
        if (result.kind === 'conflict') {
          this.#state = null;
          continue;
        }
        this.#head = result.head;
        this.#summary = summarise(state);
      }
      await this.#loadShown(decided.payloads);
      this.#act(decided.outcomes);
      this.#context.wakeAt(this.swarmId, nextDue(state));
      this.#snapshotIfDue(state);
      return;
    }
  }

  #decide(
    state: State,
    items: readonly Item[],
  ): { events: Event[]; outcomes: Map<Item, Outcome>; payloads: Payloads } | { bug: unknown; item: Item } {
    const { clock, mint } = this.#context;
    const payloads = new Payloads(() => mint.secret());
    const events: Event[] = [];
    const outcomes = new Map<Item, Outcome>();
    for (const item of items) {
      const now = clock.now();
      const world: World = {
        now,
        id: (kind) => mint.id(kind, now),
        secret: mint.secret,
        draw: mint.draw,
        isWaiting: (agentId) => this.#parking.has(`work:${agentId}`),
        keep: payloads.keep,
      };
      try {
        const outcome = execute(state, item.command, world, payloads.show);
        if (!isRefusal(outcome)) for (const event of outcome.events) events.push(event);
        outcomes.set(item, outcome);
      } catch (bug) {
        return { bug, item };
      }
    }
    return { events, outcomes, payloads };
  }

  /** Its caller went away while it was queued. */
  #abandoned(item: Item): void {
    this.#underWay -= 1;
    item.reject(new Abandoned());
    this.#passOn(item);
  }

  /** It may have been woken for work, which is there for the next one of its agent. */
  #passOn({ command }: Item): void {
    if (command.type === 'task_next') this.#parking.wake(`work:${command.actor.agentId}`);
  }

  async #loadShown(payloads: Payloads): Promise<void> {
    for (const late of payloads.shown) {
      late.text ??= await this.#context.journal.blob(this.swarmId, late.id);
    }
  }

  /** Parks before it wakes: what is woken by this very batch must not be missed by it. */
  #act(outcomes: ReadonlyMap<Item, Outcome>): void {
    const now = this.#context.clock.now();
    for (const [item, outcome] of outcomes) {
      const { patience } = item;
      if (isRefusal(outcome)) {
        this.#finish(item, outcome);
        this.#passOn(item);
      } else if (outcome.idle !== null && patience !== null && now < patience.until)
        this.#park(item, outcome.idle, patience);
      else this.#finish(item, outcome.reply);
    }
    for (const outcome of outcomes.values()) {
      if (isRefusal(outcome)) continue;
      for (const effect of outcome.effects) {
        if (effect.kind === 'wake') this.#parking.wake(effect.key);
        else this.#context.carryOut(this.swarmId, effect);
      }
    }
  }

  #park(item: Item, key: Parameters<Parking['park']>[0], patience: Patience): void {
    this.#underWay -= 1;
    this.#parking.park(key, patience, {
      retry: (last) => this.#enqueue(last ? { ...item, patience: null } : item),
      gone: () => item.reject(new Abandoned()),
    });
  }

  #finish(item: Item, answer: object | Refusal): void {
    this.#underWay -= 1;
    item.resolve(answer);
  }

  async #read(): Promise<State> {
    const { journal, limits } = this.#context;
    let state = createState(limits);
    let head = emptyHead;
    const latest = await journal.latestSnapshot(this.swarmId);
    if (latest !== undefined) {
      state = restore(latest.state, limits);
      head = latest.head;
    }
    this.#snapshotAt = head.version;
    for (;;) {
      const page = await journal.read(this.swarmId, head.version);
      for (const commit of page.commits) {
        for (const event of commit.events) evolve(state, event);
        head = commit.head;
      }
      if (head.version >= page.head.version) break;
    }
    this.#state = state;
    this.#head = head;
    if (state.swarm !== null) this.#summary = summarise(state);
    return state;
  }

  /** The larger the state, the rarer: writing it then costs a bounded share of what the events cost. */
  #snapshotIfDue(state: State): void {
    const { journal, queueLimits, log } = this.#context;
    const size = state.tasks.size + state.agents.size + state.requests.size;
    if (this.#head.version - this.#snapshotAt < Math.max(queueLimits.snapshotEvents, 4 * size)) return;
    this.#snapshotAt = this.#head.version;
    const keepAfter = Math.max(0, this.#head.version - queueLimits.historyEvents);
    journal
      .snapshot(this.swarmId, this.#head, snapshot(state), keepAfter)
      .catch((error: unknown) => log.error({ swarmId: this.swarmId, err: error }, 'snapshot failed'));
  }
}

function summarise(state: State): Summary {
  const swarm = state.swarm!;
  return {
    swarmId: swarm.id,
    createdAt: swarm.createdAt,
    name: swarm.name,
    topology: swarm.topology,
    destroyedAt: swarm.destroyedAt,
    liveAgents: state.indexes.liveAgents,
    liveTasks: state.indexes.liveTasks,
    version: state.version,
  };
}

function withDropped(events: readonly Event[]): { dropBlobs?: string[] } {
  const dropBlobs = events.flatMap((event) => ('blobs' in event ? event.blobs : []));
  return dropBlobs.length === 0 ? {} : { dropBlobs };
}
