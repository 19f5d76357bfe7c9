/**
 * The journal of a single process on an LMDB store: durable to disk when `append` resolves.
 *
 * A failure of the store is final (see lmdb-store.ts): `onFailure` is called once, and every call from then on rejects.
 *
 * Databases, all values JSON text:
 *   heads      swarm                         -> {version, commitId}
 *   commits    [swarm, version after it]     -> {id, events}
 *   snapshots  [swarm, version, commit id]   -> state; at most one of a swarm
 *   blobs      [swarm, id]                   -> payload
 */
import { Buffer } from 'node:buffer';
import type { LmdbStore } from '../store/lmdb-store.ts';
import {
  emptyHead,
  eventsMaxDefault,
  type AppendResult,
  type Commit,
  type Head,
  type Journal,
  type JournalEvent,
  type Page,
  type Snapshot,
  type StoredCommit,
  type SwarmId,
} from './journal.ts';

/** Of a swarm's or a blob's id: two of them fit into one of LMDB's keys, whatever their characters. */
const idCharsMax = 256;

export function lmdbJournal<E extends JournalEvent>(
  store: LmdbStore,
  { onFailure }: { readonly onFailure: (error: Error) => void },
): Journal<E> {
  const heads = store.texts('heads');
  const commits = store.texts('commits');
  const snapshots = store.binaries('snapshots');
  const blobs = store.binaries('blobs');
  const listeners = new Set<(swarm: SwarmId, head: Head) => void>();
  let closed = false;
  void store.failed.then(onFailure);

  function assertUsable(): void {
    if (closed) throw new Error('the journal is closed');
    store.assertUsable();
  }

  function headOf(swarm: SwarmId): Head {
    const text = canBeKey(swarm) ? heads.get(swarm) : undefined;
    return text === undefined ? emptyHead : (JSON.parse(text) as Head);
  }

  function snapshotHeadOf(swarm: SwarmId): Head | undefined {
    for (const [, version, commitId] of snapshots.getKeys({ ...keysOf(swarm), limit: 1 }) as Iterable<SnapshotKey>) {
      return { version, commitId };
    }
    return undefined;
  }

  function snapshotOf(swarm: SwarmId): Snapshot | undefined {
    const head = snapshotHeadOf(swarm);
    return head && { head, state: snapshots.getBinary(snapshotKey(swarm, head))!.toString() };
  }

  function commitsAfter(swarm: SwarmId, from: number, head: Head, eventsMax: number): StoredCommit<E>[] {
    const found: StoredCommit<E>[] = [];
    let events = 0;
    for (const { key, value } of commits.getRange({ start: [swarm, from + 1], end: [swarm, head.version + 1] })) {
      const commit = JSON.parse(value) as CommitText<E>;
      const [, version] = key as CommitKey;
      found.push({ head: { version, commitId: commit.id }, events: commit.events });
      events += commit.events.length;
      if (events >= eventsMax) break;
    }
    return found;
  }

  return {
    durability: 'fsync',

    async append(swarm: SwarmId, expect: Head, { id, events, blobs: payloads, dropBlobs = [] }: Commit<E>) {
      assertUsable();
      if (events.length === 0) throw new Error(`commit ${id} of swarm ${swarm} has no events`);
      for (const key of [swarm, ...(payloads?.keys() ?? []), ...dropBlobs]) assertKey(key);
      const text = JSON.stringify({ id, events } satisfies CommitText<E>);
      const count = events.length;
      const added = payloads ? Array.from(payloads, ([blob, json]) => [blob, Buffer.from(json)] as const) : [];

      const result = await store.write<AppendResult>(swarm, () => {
        const before = headOf(swarm);
        if (before.version !== expect.version || before.commitId !== expect.commitId) {
          return { kind: 'conflict', head: before };
        }
        const head = { version: before.version + count, commitId: id };
        for (const blob of dropBlobs) void blobs.remove([swarm, blob]);
        for (const [blob, json] of added) void blobs.put([swarm, blob], json);
        void commits.put([swarm, head.version], text);
        void heads.put(swarm, JSON.stringify(head));
        return { kind: 'appended', head };
      });
      if (result.kind === 'appended') for (const listener of listeners) listener(swarm, result.head);
      return result;
    },

    async read(swarm: SwarmId, from: number, eventsMax = eventsMaxDefault): Promise<Page<E>> {
      assertUsable();
      const head = headOf(swarm);
      if (head.version === 0) return { commits: [], head };
      const page = commitsAfter(swarm, from, head, eventsMax);
      const first = page[0];
      const pageFrom = first ? first.head.version - first.events.length : head.version;
      if (pageFrom <= from) return { commits: page, head };
      const snapshot = snapshotOf(swarm);
      if (!snapshot) throw new Error(`swarm ${swarm}: no snapshot covers its events from ${from} to ${pageFrom}`);
      return { snapshot, commits: commitsAfter(swarm, snapshot.head.version, head, eventsMax), head };
    },

    async latestSnapshot(swarm: SwarmId) {
      assertUsable();
      return canBeKey(swarm) ? snapshotOf(swarm) : undefined;
    },

    async blob(swarm: SwarmId, id: string) {
      assertUsable();
      return canBeKey(swarm) && canBeKey(id) ? blobs.getBinary([swarm, id])?.toString() : undefined;
    },

    async snapshot(swarm: SwarmId, head: Head, state: string, keepAfter: number) {
      assertUsable();
      assertKey(swarm);
      const bytes = Buffer.from(state);
      const at = await store.write(swarm, () => {
        const newest = headOf(swarm);
        const previous = snapshotHeadOf(swarm);
        if (newest.version < head.version || (previous && previous.version >= head.version)) return newest;
        if (previous) void snapshots.remove(snapshotKey(swarm, previous));
        void snapshots.put(snapshotKey(swarm, head), bytes);
        const trimmed = Math.min(keepAfter, head.version);
        for (const key of commits.getKeys({ start: [swarm, 0], end: [swarm, trimmed + 1] })) void commits.remove(key);
        return newest;
      });
      if (at.version < head.version) {
        throw new Error(`snapshot of swarm ${swarm} at version ${head.version}: its journal ends at ${at.version}`);
      }
    },

    subscribe(onCommit) {
      listeners.add(onCommit);
      return () => listeners.delete(onCommit);
    },

    async *swarms() {
      assertUsable();
      // All at once: a range that stays open while the caller works would keep LMDB from reusing any page.
      yield* Array.from(heads.getKeys()) as SwarmId[];
    },

    async forget(swarm: SwarmId) {
      assertUsable();
      if (!canBeKey(swarm)) return;
      await store.write(swarm, () => {
        for (const database of [commits, snapshots, blobs]) {
          for (const key of database.getKeys(keysOf(swarm))) void database.remove(key);
        }
        void heads.remove(swarm);
      });
    },

    async close() {
      closed = true;
      await store.idle();
    },
  };
}

type CommitKey = [swarm: SwarmId, version: number];
type SnapshotKey = [swarm: SwarmId, version: number, commitId: string];

interface CommitText<E> {
  readonly id: string;
  readonly events: readonly E[];
}

function snapshotKey(swarm: SwarmId, head: Head): SnapshotKey {
  return [swarm, head.version, head.commitId];
}

/** Everything of a swarm in a database with array keys. */
function keysOf(swarm: SwarmId) {
  return { start: [swarm], end: [swarm, keyAfterAll] };
}

/** Bytes sort after every number and string. */
const keyAfterAll = Buffer.from([0xff]);

function canBeKey(id: string): boolean {
  return id.length > 0 && id.length <= idCharsMax && !id.includes('\0');
}

function assertKey(id: string): void {
  if (!canBeKey(id)) {
    throw new Error(
      `the id ${JSON.stringify(id.slice(0, idCharsMax))} is not 1 to ${idCharsMax} characters without NUL`,
    );
  }
}
