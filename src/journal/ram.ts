/**
 * The journal in memory, for tests and simulation: all that a journal guarantees, except that nothing outlives it.
 * Events are kept as JSON text, so that no caller shares objects with it or with another caller.
 */
import {
  emptyHead,
  eventsMaxDefault,
  type Commit,
  type Head,
  type Journal,
  type JournalEvent,
  type Snapshot,
  type StoredCommit,
  type SwarmId,
} from './journal.ts';

interface Kept {
  readonly head: Head;
  readonly count: number;
  readonly events: string;
}

interface Swarm {
  head: Head;
  commits: Kept[];
  snapshot: Snapshot | undefined;
  readonly blobs: Map<string, string>;
}

export function ramJournal<E extends JournalEvent>(): Journal<E> {
  const swarms = new Map<SwarmId, Swarm>();
  const listeners = new Set<(swarm: SwarmId, head: Head) => void>();
  let closed = false;

  function assertUsable(): void {
    if (closed) throw new Error('the journal is closed');
  }

  function commitsAfter({ commits }: Swarm, from: number, eventsMax: number): StoredCommit<E>[] {
    const found: StoredCommit<E>[] = [];
    // From the end: what is read most often is what came last.
    const start = commits.findLastIndex(({ head }) => head.version <= from) + 1;
    let events = 0;
    for (let i = start; i < commits.length && events < eventsMax; i++) {
      const kept = commits[i]!;
      found.push({ head: kept.head, events: JSON.parse(kept.events) as E[] });
      events += kept.count;
    }
    return found;
  }

  return {
    durability: 'volatile',

    async append(swarm: SwarmId, expect: Head, { id, events, blobs, dropBlobs = [] }: Commit<E>) {
      assertUsable();
      if (events.length === 0) throw new Error(`commit ${id} of swarm ${swarm} has no events`);
      const before = swarms.get(swarm)?.head ?? emptyHead;
      if (before.version !== expect.version || before.commitId !== expect.commitId) {
        return { kind: 'conflict', head: before };
      }
      const head = { version: before.version + events.length, commitId: id };
      const state: Swarm = swarms.get(swarm) ?? { head, commits: [], snapshot: undefined, blobs: new Map() };
      swarms.set(swarm, state);
      state.head = head;
      state.commits.push({ head, count: events.length, events: JSON.stringify(events) });
      for (const blob of dropBlobs) state.blobs.delete(blob);
      for (const [blob, json] of blobs ?? []) state.blobs.set(blob, json);
      for (const listener of listeners) listener(swarm, head);
      return { kind: 'appended', head };
    },

    async read(swarm: SwarmId, from: number, eventsMax = eventsMaxDefault) {
      assertUsable();
      const state = swarms.get(swarm);
      if (!state) return { commits: [], head: emptyHead };
      const { commits, head, snapshot } = state;
      const oldest = commits[0];
      const trimmedUpTo = oldest ? oldest.head.version - oldest.count : head.version;
      if (!snapshot || trimmedUpTo <= from) return { commits: commitsAfter(state, from, eventsMax), head };
      return { snapshot, commits: commitsAfter(state, snapshot.head.version, eventsMax), head };
    },

    async latestSnapshot(swarm: SwarmId) {
      assertUsable();
      return swarms.get(swarm)?.snapshot;
    },

    async blob(swarm: SwarmId, id: string) {
      assertUsable();
      return swarms.get(swarm)?.blobs.get(id);
    },

    async snapshot(swarm: SwarmId, { version, commitId }: Head, text: string, keepAfter: number) {
      assertUsable();
      const state = swarms.get(swarm);
      const end = state?.head.version ?? 0;
      if (!state || end < version) {
        throw new Error(`snapshot of swarm ${swarm} at version ${version}: its journal ends at ${end}`);
      }
      if (state.snapshot && state.snapshot.head.version >= version) return;
      state.snapshot = { head: { version, commitId }, state: text };
      const trimmedUpTo = Math.min(keepAfter, version);
      state.commits = state.commits.filter(({ head }) => head.version > trimmedUpTo);
    },

    subscribe(onCommit) {
      listeners.add(onCommit);
      return () => listeners.delete(onCommit);
    },

    async *swarms() {
      assertUsable();
      yield* [...swarms.keys()];
    },

    async forget(swarm: SwarmId) {
      assertUsable();
      swarms.delete(swarm);
    },

    async close() {
      closed = true;
    },
  };
}
