/** A swarm's state from its journal: the newest snapshot, or what is known already, and the events since. */
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

/**
 * Goes on from what is known already, if the journal still holds it, else from the newest snapshot. The known state is
 * evolved in place.
 *
 * @throws UnknownEvent when a newer release has written to the journal.
 */
export async function replay(
  journal: Journal<Event>,
  swarmId: string,
  limits: Limits,
  known: Replayed | null = null,
): Promise<Replayed> {
  const start = known !== null && (await holds(journal, swarmId, known.head)) ? known : null;
  let { state, head, snapshotAt } = start ?? (await newestSnapshot(journal, swarmId, limits));
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

async function newestSnapshot(journal: Journal<Event>, swarmId: string, limits: Limits): Promise<Replayed> {
  const latest = await journal.latestSnapshot(swarmId);
  if (latest === undefined) return { state: createState(limits), head: emptyHead, snapshotAt: 0 };
  return { state: restore(latest.state, limits), head: latest.head, snapshotAt: latest.head.version };
}

/** After a failover the same version may belong to another history. */
async function holds(journal: Journal<Event>, swarmId: string, head: Head): Promise<boolean> {
  if (head.version === 0) return false;
  const page = await journal.read(swarmId, head.version - 1, 1);
  return page.commits[0]?.head.commitId === head.commitId;
}
