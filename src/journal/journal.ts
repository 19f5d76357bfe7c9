/**
 * The journal: each swarm's append-only sequence of commits, its single source of truth.
 *
 * What every adapter guarantees (`test/journal/conformance.ts` runs against each):
 * - `append` is all or nothing, and durable when its promise resolves;
 * - it happens only if the swarm's head is exactly the expected one. The version alone would not do: after a failover
 *   the same version can belong to a different history, so the last commit's id is compared too;
 * - a snapshot and the trimming that it allows are one step, and an older snapshot never replaces a newer one.
 */

export type SwarmId = string;

/** An event as the journal sees it: a JSON object with a type. What it means is the core's business. */
export interface JournalEvent {
  readonly type: string;
}

/** `version` counts the events of a swarm so far; `commitId` is the commit that brought it there. */
export interface Head {
  readonly version: number;
  readonly commitId: string;
}

/** The head of a swarm that the journal does not know. */
export const emptyHead: Head = { version: 0, commitId: '' };

export interface Commit<E extends JournalEvent = JournalEvent> {
  readonly id: string;
  /** At least one. */
  readonly events: readonly E[];
  /** Large payloads by id, as JSON text, stored in the same atomic step. */
  readonly blobs?: ReadonlyMap<string, string>;
  /** Blobs that nothing refers to once this commit is durable. */
  readonly dropBlobs?: readonly string[];
}

/** `head.version` is the version of the commit's last event; `head.version - events.length + 1` that of its first. */
export interface StoredCommit<E extends JournalEvent = JournalEvent> {
  readonly head: Head;
  readonly events: readonly E[];
}

export interface Snapshot {
  readonly head: Head;
  /** JSON text; only the core reads it. */
  readonly state: string;
}

export type AppendResult =
  | { readonly kind: 'appended'; readonly head: Head }
  /** Somebody else was first: `head` is the journal's. Nothing was written. */
  | { readonly kind: 'conflict'; readonly head: Head };

export interface Page<E extends JournalEvent = JournalEvent> {
  /** Present only when events after `from` have been trimmed: the state to start from instead. */
  readonly snapshot?: Snapshot;
  /** In order, without a gap, beginning right after `from` (or after `snapshot.head.version`). */
  readonly commits: readonly StoredCommit<E>[];
  /** The head when the page was read. When the last commit is not at it, read on from the last commit's version. */
  readonly head: Head;
}

export const eventsMaxDefault = 10_000;

/** What an acknowledgement is worth; `server_info` reports it. */
export type Durability = 'volatile' | 'fsync' | 'single' | 'replicated';

export interface Journal<E extends JournalEvent = JournalEvent> {
  readonly durability: Durability;

  /** Rejects when the outcome is a failure of the store itself (disk full, closed): see the adapter for what follows. */
  append(swarm: SwarmId, expect: Head, commit: Commit<E>): Promise<AppendResult>;

  /**
   * The events after version `from`, a page at a time. `from` inside a commit is allowed: the commit is returned whole.
   * A page ends after the commit that brings it to `eventsMax` events (`eventsMaxDefault`) or more.
   * An unknown swarm has `emptyHead`.
   */
  read(swarm: SwarmId, from: number, eventsMax?: number): Promise<Page<E>>;

  /** The newest snapshot, whether or not it is needed to fill a gap. */
  latestSnapshot(swarm: SwarmId): Promise<Snapshot | undefined>;

  /** A blob's JSON text, or undefined when there is none of that id. */
  blob(swarm: SwarmId, id: string): Promise<string | undefined>;

  /**
   * Stores `state` as the state at `head` and removes the commits that end at or before version `keepAfter`
   * (never more than the snapshot covers). Ignored when a snapshot of the same or a higher version exists.
   */
  snapshot(swarm: SwarmId, head: Head, state: string, keepAfter: number): Promise<void>;

  /** Calls `onCommit` after each commit of any swarm by anyone. A wake-up only: what was missed is found by `read`. */
  subscribe(onCommit: (swarm: SwarmId, head: Head) => void): () => void;

  swarms(): AsyncIterable<SwarmId>;

  /** Removes everything of a swarm. */
  forget(swarm: SwarmId): Promise<void>;

  /** Waits for what is in flight, then lets go of files and connections. */
  close(): Promise<void>;
}
