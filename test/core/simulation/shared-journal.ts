/**
 * The one journal of a simulated world, and what a coordinator sees of it: the journal in memory behind a slow network
 * and a disk that flushes now and then.
 *
 * An append is durable once it has been flushed, and only then acknowledged. A crash loses what was not flushed. A
 * failover, in worlds whose journal is only as durable as one Redis with a replica, also loses the newest commits.
 */
import { AssertionError } from 'node:assert/strict';
import type { Event } from '../../../src/core/event.ts';
import { type AppendResult, type Commit, type Head, type Journal } from '../../../src/journal/journal.ts';
import type { Chance } from './chance.ts';
import type { Faults } from './faults.ts';
import type { Process } from './process.ts';
import type { Timeline } from './timeline.ts';

/** A commit as it lies on the disk. */
export interface Written {
  readonly head: Head;
  readonly at: number;
  /** Events as JSON text, so that nobody shares objects. */
  readonly events: string;
  readonly blobs: Commit<Event>['blobs'];
  readonly dropBlobs: Commit<Event>['dropBlobs'];
}

/** Who is told what lies on the disk, at the moment when it does. */
export interface Witness {
  committed(swarmId: string, written: Written, by: string): void;
  snapshotTaken(swarmId: string, head: Head, text: string): void;
  failedOver(swarmId: string, kept: readonly Written[], lost: readonly Written[]): void;
  forgotten(swarmId: string): void;
}

interface Waiting {
  readonly by: Process;
  readonly swarmId: string;
  readonly expect: Head;
  readonly commit: Commit<Event>;
  readonly answered: (result: AppendResult) => void;
  readonly failed: (error: Error) => void;
}

/** The newest commits that a failover may lose. */
const failoverLossMax = 4;

export class SharedJournal {
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #faults: Faults;
  readonly #witness: Witness;
  readonly #newStore: () => Journal<Event>;
  readonly #history = new Map<string, Written[]>();
  readonly #listeners = new Set<{ readonly by: Process; readonly heard: (swarmId: string, head: Head) => void }>();
  #stored: Journal<Event>;
  #waiting: Waiting[] = [];
  #flushing = false;
  #upAgainAt = 0;

  constructor(timeline: Timeline, chance: Chance, faults: Faults, witness: Witness, newStore: () => Journal<Event>) {
    this.#timeline = timeline;
    this.#chance = chance;
    this.#faults = faults;
    this.#witness = witness;
    this.#newStore = newStore;
    this.#stored = newStore();
  }

  /** What lies on the disk, for whoever checks it. */
  get disk(): Journal<Event> {
    return this.#stored;
  }

  /** Everything of a swarm that was ever durable and has not been lost by a failover. */
  history(swarmId: string): readonly Written[] {
    return this.#history.get(swarmId) ?? [];
  }

  /** As one coordinator sees it. */
  seenBy(by: Process): Journal<Event> {
    const call = <T>(work: () => Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        this.#reach(() => {
          work().then(
            (result) => this.#in(() => by.run(() => resolve(result))),
            // What the witness objects to is not the journal's failure.
            (error) => (error instanceof AssertionError ? this.#timeline.fail(error) : reject(error)),
          );
        });
      });
    return {
      durability: 'single',
      append: (swarmId, expect, commit) =>
        new Promise((answered, failed) => {
          this.#reach(() => this.#arrived({ by, swarmId, expect, commit, answered, failed }));
        }),
      read: (swarmId, from, eventsMax) => call(() => this.#read(swarmId, from, eventsMax)),
      latestSnapshot: (swarmId) => call(() => this.#stored.latestSnapshot(swarmId)),
      blob: (swarmId, id) => call(() => this.#stored.blob(swarmId, id)),
      snapshot: (swarmId, head, text, keepAfter) => call(() => this.#snapshot(swarmId, head, text, keepAfter)),
      subscribe: (heard) => {
        const listener = { by, heard };
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      swarms: () => this.#stored.swarms(),
      forget: (swarmId) =>
        call(async () => {
          if (!this.#history.delete(swarmId)) return;
          this.#witness.forgotten(swarmId);
          await this.#stored.forget(swarmId);
        }),
      close: async () => {},
    };
  }

  /** Power is cut. What was not flushed is gone, and nobody knows which of what was sent has been. */
  async crash(): Promise<void> {
    const waiting = this.#waiting.splice(0);
    // The flush was under way: some of it may have got to the disk.
    const flushed = this.#chance.below(waiting.length + 1);
    for (const append of waiting.slice(0, flushed)) await this.#write(append);
    this.#upAgainAt = this.#timeline.now + this.#chance.between(50, 2000);
    for (const append of waiting) this.#in(() => append.by.run(() => append.failed(new Error('the journal crashed'))));
  }

  /** A replica takes over that has not got everything. */
  async failover(): Promise<void> {
    const kept = new Map<string, Written[]>();
    for (const [swarmId, written] of this.#history) {
      const snapshot = await this.#stored.latestSnapshot(swarmId);
      const least = written.filter(({ head }) => head.version <= (snapshot?.head.version ?? 0)).length;
      const count = Math.max(least, 1, written.length - this.#chance.between(1, failoverLossMax));
      kept.set(swarmId, written.slice(0, count));
      this.#witness.failedOver(swarmId, written.slice(0, count), written.slice(count));
    }
    const replica = this.#newStore();
    for (const [swarmId, written] of kept) {
      this.#history.set(swarmId, written);
      for (const [at, { head, events, blobs, dropBlobs }] of written.entries()) {
        const before = written[at - 1]?.head ?? { version: 0, commitId: '' };
        await replica.append(swarmId, before, {
          id: head.commitId,
          events: JSON.parse(events) as Event[],
          ...(blobs !== undefined && { blobs }),
          ...(dropBlobs !== undefined && { dropBlobs }),
        });
      }
      const snapshot = await this.#stored.latestSnapshot(swarmId);
      if (snapshot !== undefined) await replica.snapshot(swarmId, snapshot.head, snapshot.state, 0);
    }
    this.#stored = replica;
    for (const { by, failed } of this.#waiting.splice(0)) this.#in(() => by.run(() => failed(new Error('failover'))));
  }

  #in(step: () => void): void {
    this.#timeline.in(this.#chance.between(0, 3), step);
  }

  /** What is sent gets there, also when its sender is dead by then; while the journal is down it waits. */
  #reach(arrive: () => void): void {
    this.#timeline.in(Math.max(this.#chance.between(0, 3), this.#upAgainAt - this.#timeline.now), arrive);
  }

  #arrived(append: Waiting): void {
    if (!append.by.alive) {
      if (!this.#faults.happens('append_outlives_its_coordinator', this.#chance.happens(0.5))) return;
    }
    this.#waiting.push(append);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#timeline.in(
      this.#chance.between(1, 6),
      () => void this.#flush().catch((error) => this.#timeline.fail(error)),
    );
  }

  async #flush(): Promise<void> {
    this.#flushing = false;
    for (const append of this.#waiting.splice(0)) {
      const result = await this.#write(append);
      const unknown = this.#faults.happens('append_outcome_unknown', this.#chance.happens(0.002));
      this.#in(() =>
        append.by.run(() => {
          if (unknown) append.failed(new Error('the connection to the journal was lost'));
          else append.answered(result);
        }),
      );
    }
  }

  async #write({ by, swarmId, expect, commit }: Waiting): Promise<AppendResult> {
    const written = this.#history.get(swarmId) ?? [];
    const result = await this.#stored.append(swarmId, expect, commit);
    if (result.kind === 'conflict') {
      this.#faults.count('append_conflict');
      return result;
    }
    const { events, blobs, dropBlobs } = commit;
    const added = { head: result.head, at: this.#timeline.now, events: JSON.stringify(events), blobs, dropBlobs };
    written.push(added);
    this.#history.set(swarmId, written);
    this.#witness.committed(swarmId, added, by.name);
    this.#announce(swarmId, result.head);
    return result;
  }

  #announce(swarmId: string, head: Head): void {
    for (const listener of this.#listeners) {
      if (!listener.by.alive) this.#listeners.delete(listener);
      else if (!this.#faults.happens('announcement_lost', this.#chance.happens(0.05))) {
        this.#in(() => listener.by.run(() => listener.heard(swarmId, head)));
      }
    }
  }

  /** As a replica that lags behind would answer, now and then. */
  async #read(swarmId: string, from: number, eventsMax?: number): ReturnType<Journal<Event>['read']> {
    const page = await this.#stored.read(swarmId, from, eventsMax);
    if (page.commits.length === 0) return page;
    if (!this.#faults.happens('stale_read', this.#chance.happens(0.05))) return page;
    const seen = this.#timeline.now - this.#chance.below(500);
    const written = this.history(swarmId);
    const known = new Set(written.filter(({ at }) => at <= seen).map(({ head }) => head.commitId));
    const commits = page.commits.filter(({ head }) => known.has(head.commitId));
    const before = { version: from, commitId: '' };
    return { ...page, commits, head: commits.at(-1)?.head ?? page.snapshot?.head ?? before };
  }

  async #snapshot(swarmId: string, head: Head, text: string, keepAfter: number): Promise<void> {
    const isOurs = this.history(swarmId).some((written) => written.head.commitId === head.commitId);
    // It speaks of what a failover has lost, or of a swarm that has been forgotten.
    if (!isOurs) return;
    this.#witness.snapshotTaken(swarmId, head, text);
    await this.#stored.snapshot(swarmId, head, text, keepAfter);
  }
}
