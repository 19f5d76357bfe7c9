/**
 * One swarm's queue of commands: decide, commit, then answer and act.
 *
 * While a commit is in flight, what arrives is decided on the state that it will leave, and goes as one commit as soon
 * as it has been made (group commit). A reply leaves only after the commit that it rests on. Reading commands take the
 * same way, so that nothing is ever told that is not durable. When the journal turns out to have moved on, the state is
 * read anew and all that is not durable is decided again.
 *
 * What other coordinators commit is followed as soon as it is announced. A reading command may be answered with what was
 * true before an announcement arrived; whatever changes the swarm is decided on the newest state, or not committed.
 */
import type { Command } from '../core/command.ts';
import { execute, type Outcome } from '../core/decide.ts';
import { UnknownEvent, type Event } from '../core/event.ts';
import { nextDue } from '../core/index/timers.ts';
import type { Limits } from '../core/limits.ts';
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import type { Effect, World } from '../core/rule.ts';
import { snapshot } from '../core/snapshot.ts';
import type { State } from '../core/state.ts';
import { emptyHead, type Head, type Journal } from '../journal/journal.ts';
import type { Log } from '../observe/log.ts';
import type { Clock } from './clock.ts';
import type { Mint } from './mint.ts';
import { Parking, type Patience } from './parking.ts';
import { Payloads } from './payloads.ts';
import { replay } from './replay.ts';

export interface QueueLimits {
  /** Commands of a swarm that may be under way at once, not counting those that are parked. */
  readonly swarmConcurrency: number;
  /** Commands of one commit. */
  readonly batchMax: number;
  /** Events between snapshots, at least. */
  readonly snapshotEvents: number;
  /** And for each record of the state: writing a large one then costs a small share of what the events cost. */
  readonly snapshotEventsPerRecord: number;
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
  /** The swarm has been created or destroyed, or cannot be used any more. */
  readonly onListChange: () => void;
  /** Another coordinator has forgotten the swarm. */
  readonly onGone: (swarmId: string) => void;
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

/** What goes into the journal as one commit, and what it is answered with. */
interface Batch {
  readonly events: Event[];
  readonly outcomes: Map<Item, Outcome>;
  readonly payloads: Payloads;
}

/** The caller has gone before there was an answer. */
export class Abandoned extends Error {}

export class SwarmQueue {
  readonly swarmId: string;
  readonly #context: QueueContext;
  readonly #parking: Parking;
  /** What has not been decided yet. */
  #items: Item[] = [];
  /** What has been decided and not been handed to the journal yet. */
  #open: Batch | null = null;
  #committing = false;
  #underWay = 0;
  /** With the events of all that was decided, durable or not; null: to be read from the journal. */
  #state: State | null = null;
  /** The journal's, as far as we know. */
  #head: Head = emptyHead;
  /** The newest version that we have heard of. */
  #announced = 0;
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

  knows(kind: 'agents' | 'tasks' | 'approvals' | 'tokens', id: string): boolean {
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
      this.#context.onListChange();
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

  /** There is a commit, by whomever. */
  heard({ version }: Head): void {
    this.#announced = Math.max(this.#announced, version);
    if (this.#isBehind && !this.#committing) void this.#commitAll();
  }

  get #isBehind(): boolean {
    return this.#announced > this.#head.version && this.#stopped === null;
  }

  /** No more commands; resolves when those that wait and those that are under way have been answered. */
  async stop(reason: Refusal): Promise<void> {
    this.#stopped ??= reason;
    this.#parking.wakeAll();
    while (this.#committing || this.#items.length > 0) {
      await new Promise<void>((resolve) => this.#context.clock.nextTurn(resolve));
    }
  }

  #enqueue(item: Item): void {
    this.#items.push(item);
    this.#underWay += 1;
    // Everything that arrives in this turn of the event loop is decided together.
    if (this.#items.length === 1) this.#context.clock.nextTurn(() => this.#decideQueued());
  }

  /** Also while a commit is in flight: what is decided meanwhile is ready to be the next one. */
  #decideQueued(): void {
    if (this.#items.length === 0) return;
    if (this.#stopped === null && this.#state !== null) {
      const open = (this.#open ??= newBatch(this.#context.mint));
      const items = this.#items.splice(0, this.#context.queueLimits.batchMax - open.outcomes.size);
      for (const [index, item] of items.entries()) {
        if (item.patience?.signal.aborted === true) this.#abandoned(item);
        else if (!this.#decide(this.#state, open, item)) {
          this.#startOver([...open.outcomes.keys(), ...items.slice(index + 1)]);
          break;
        }
      }
    }
    if (!this.#committing) void this.#commitAll();
  }

  /** The state is no longer to be trusted: it is read anew before these, and what has come since, are decided. */
  #startOver(items: readonly Item[]): void {
    this.#state = null;
    this.#open = null;
    this.#items.unshift(...items);
  }

  async #commitAll(): Promise<void> {
    this.#committing = true;
    while (this.#open !== null || this.#items.length > 0 || this.#isBehind) {
      const batch = this.#open;
      this.#open = null;
      try {
        if (this.#stopped !== null) this.#refuseAll([...(batch?.outcomes.keys() ?? []), ...this.#items.splice(0)]);
        else if (batch !== null) await this.#commit(batch);
        else {
          if (this.#state === null || this.#isBehind) await this.load();
          this.#decideQueued();
        }
      } catch (error) {
        // Only the journal's own failures come here: fail-stop. What was in flight may or may not have been written.
        const failed = refuse(
          'journal_failed',
          'the journal has failed and the coordinator stops: restart it when its cause is gone',
        );
        // It may be stopping for that already.
        this.#stopped ??= failed;
        this.#context.log.fatal({ swarmId: this.swarmId, err: error }, 'journal failed');
        for (const item of batch?.outcomes.keys() ?? []) {
          this.#finish(item, { ...failed, data: { definite: false } });
        }
        this.#context.onFatal(error);
      }
    }
    this.#committing = false;
  }

  /** Writes what was decided, then answers and acts; when somebody else was first, all of it is decided again. */
  async #commit({ events, outcomes, payloads }: Batch): Promise<void> {
    const { journal, mint } = this.#context;
    // Until something is awaited, the state is what these events have made of it.
    const state = this.#state!;
    if (events.length > 0) {
      const commit = {
        id: mint.secret(),
        events,
        ...(payloads.added.size > 0 && { blobs: payloads.added }),
        ...withDropped(events),
      };
      const appending = journal.append(this.swarmId, this.#head, commit);
      const summary = summarise(state);
      const snapshotText = this.#isSnapshotDue(state) ? snapshot(state) : null;
      const result = await appending;
      if (result.kind === 'conflict') {
        this.#startOver([...outcomes.keys(), ...(this.#open?.outcomes.keys() ?? [])]);
        return;
      }
      this.#head = result.head;
      this.#know(summary);
      if (snapshotText !== null) this.#snapshot(snapshotText);
    }
    for (const late of payloads.shown) late.text ??= await journal.blob(this.swarmId, late.id);
    this.#act(outcomes);
    this.#context.wakeAt(this.swarmId, nextDue(this.#state ?? state));
  }

  #know(summary: Summary): void {
    const before = this.#summary;
    this.#summary = summary;
    if (before === null || before.destroyedAt !== summary.destroyedAt) this.#context.onListChange();
  }

  #refuseAll(items: readonly Item[]): void {
    for (const item of items) this.#finish(item, this.#stopped!);
  }

  /** False when the command has a bug: it fails alone, but has left the state half changed. */
  #decide(state: State, { events, outcomes, payloads }: Batch, item: Item): boolean {
    const { clock, mint } = this.#context;
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
      const outcome = execute(state, item.command, world, payloads.showing());
      if (!isRefusal(outcome)) for (const event of outcome.events) events.push(event);
      outcomes.set(item, outcome);
      return true;
    } catch (bug) {
      this.#underWay -= 1;
      item.reject(bug);
      return false;
    }
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

  /** Parks before it wakes: what is woken by this very batch must not be missed by it. */
  #act(outcomes: ReadonlyMap<Item, Outcome>): void {
    const now = this.#context.clock.now();
    for (const [item, outcome] of outcomes) {
      const { patience } = item;
      if (isRefusal(outcome)) {
        this.#finish(item, outcome);
        this.#passOn(item);
      } else if (outcome.idle === null || patience === null || now >= patience.until) this.#finish(item, outcome.reply);
      else if (patience.signal.aborted) this.#abandoned(item);
      else this.#park(item, outcome.idle, patience);
    }
    for (const outcome of outcomes.values()) {
      if (isRefusal(outcome)) continue;
      for (const effect of outcome.effects) {
        if (effect.kind === 'wake') this.#parking.wake(effect.key, effect.all);
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

  /** From what is known, when all of it is durable. */
  async #read(): Promise<void> {
    const { journal, limits, wakeAt, onGone } = this.#context;
    const known = this.#state === null ? null : { state: this.#state, head: this.#head, snapshotAt: this.#snapshotAt };
    // Nothing is decided meanwhile.
    this.#state = null;
    // What a failover has lost is not waited for; what is announced while we read is.
    this.#announced = 0;
    const { state, head, snapshotAt } = await replay(journal, this.swarmId, limits, known);
    this.#state = state;
    this.#head = head;
    this.#snapshotAt = snapshotAt;
    if (state.swarm !== null) {
      this.#know(summarise(state));
      // What they wait for may have happened elsewhere.
      this.#parking.wakeAll();
      wakeAt(this.swarmId, nextDue(state));
    } else if (this.#summary !== null) onGone(this.swarmId);
  }

  #isSnapshotDue(state: State): boolean {
    const size = state.tasks.size + state.agents.size + state.requests.size;
    const { snapshotEvents, snapshotEventsPerRecord } = this.#context.queueLimits;
    return state.version - this.#snapshotAt >= Math.max(snapshotEvents, snapshotEventsPerRecord * size);
  }

  /** Of the state at the head. */
  #snapshot(text: string): void {
    const { journal, queueLimits, log } = this.#context;
    this.#snapshotAt = this.#head.version;
    const keepAfter = Math.max(0, this.#head.version - queueLimits.historyEvents);
    journal
      .snapshot(this.swarmId, this.#head, text, keepAfter)
      .catch((error: unknown) => log.error({ swarmId: this.swarmId, err: error }, 'snapshot failed'));
  }
}

function newBatch(mint: Mint): Batch {
  return { events: [], outcomes: new Map(), payloads: new Payloads(() => mint.secret()) };
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
