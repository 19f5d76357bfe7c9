/** A swarm's state from its journal: the newest snapshot, and the events since. */
import { type Event } from '../core/event.ts';
import { createState, evolve } from '../core/evolve.ts';
import type { Limits } from '../core/limits.ts';
import { restore } from '../core/snapshot.ts';
import type { State } from '../core/state.ts';
import { emptyHead, type Head, type Journal } from '../journal/journal.ts';

export interface Replayed {
  readonly state: State;
  readonly head: Head;
  /** The version of the snapshot that it began with; 0 without one. */
  readonly snapshotAt: number;
}

/** @throws UnknownEvent when a newer release has written to the journal. */
export async function replay(journal: Journal<Event>, swarmId: string, limits: Limits): Promise<Replayed> {
  const latest = await journal.latestSnapshot(swarmId);
  let state = latest === undefined ? createState(limits) : restore(latest.state, limits);
  let snapshotAt = latest?.head.version ?? 0;
  let head = latest?.head ?? emptyHead;
  for (;;) {
    const page = await journal.read(swarmId, head.version);
    if (page.snapshot !== undefined) {
      // Another coordinator has trimmed what we were about to read.
      state = restore(page.snapshot.state, limits);
      head = page.snapshot.head;
      snapshotAt = head.version;
    }
    for (const commit of page.commits) {
      for (const event of commit.events) evolve(state, event);
      head = commit.head;
    }
    if (head.version >= page.head.version) return { state, head, snapshotAt };
  }
}
