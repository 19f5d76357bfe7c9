/**
 * The memory bank: JSON values by swarm, namespace and key, with an optional time to live.
 *
 * What every adapter guarantees (`test/memory/conformance.ts` runs against each):
 * - a value past its expiry is never returned, whatever the store still holds;
 * - compare-and-set, quota check, write and request id are one atomic step;
 * - a version is never reused for a key of a swarm while any earlier value of that key can still be remembered by a
 *   client: it strictly increases over stores, also across deletion and expiry;
 * - an answer that has been given is durable to the extent that `durability` says.
 * Protocol: section "Memory bank" of protocol/README.md.
 */
import type { Refusal } from '../core/refusal.ts';

/** Where a value lives. `namespace` '' is the default one. Lengths and characters: `addressFault` in rules.ts. */
export interface Address {
  readonly swarmId: string;
  readonly namespace: string;
  readonly key: string;
}

export interface StoreOptions {
  /** Milliseconds until the value expires, a positive integer; absent: never. */
  readonly ttlMs?: number;
  /** Store only if the key's current version is this one; 0: only if the key holds no live value. */
  readonly ifVersion?: number;
  /**
   * The same id for the same operation and address within `requestIdMs` gets the first answer again and changes
   * nothing; for another one it is refused. A refusal is no answer: asked again, it is decided again.
   */
  readonly requestId?: string;
}

export type DeleteOptions = Pick<StoreOptions, 'ifVersion' | 'requestId'>;

export interface Deleted {
  /** false: there was no live value. */
  readonly deleted: boolean;
}

/** Times are milliseconds since the epoch; `expiresAt` null: never. */
export interface Stored {
  readonly version: number;
  readonly storedAt: number;
  readonly expiresAt: number | null;
}

export interface Entry extends Stored {
  /** The value as JSON text, exactly as it was stored. */
  readonly value: string;
}

export interface Listed extends Stored {
  readonly key: string;
  /** Bytes of UTF-8 of the value's JSON text. */
  readonly bytes: number;
}

export interface ListQuery {
  readonly prefix: string;
  /** 1 to 1,000. */
  readonly limit: number;
  /** Of the page before, with the same prefix. */
  readonly cursor?: string;
}

export interface ListPage {
  /** In ascending order of key (by UTF-8 bytes). */
  readonly entries: readonly Listed[];
  /** Pass it back to get what follows; null: this was the last page. */
  readonly cursor: string | null;
}

/** Live values only, of all namespaces; `bytes` counts keys and values. */
export interface Usage {
  readonly keys: number;
  readonly bytes: number;
}

export interface BankLimits {
  readonly memoryKeysMax: number;
  readonly memoryBytesMax: number;
  readonly requestIdMs: number;
}

/**
 * `memory_version_conflict` | `memory_quota` | `request_id_reused` | `memory_unavailable` (with `data.retryAfterMs` where
 * waiting helps). Nothing was changed, with one exception: `memory_unavailable` with `data.definite` false means that the
 * store went away before it answered, and the change may have happened.
 */
export type BankRefusal = Refusal;

export interface Bank {
  readonly store: 'ram' | 'lmdb' | 'redis';

  put(at: Address, value: string, options: StoreOptions): Promise<Stored | BankRefusal>;

  /** null: there is no live value. */
  get(at: Address): Promise<Entry | null | BankRefusal>;

  /** `prefix` '' lists all keys of the namespace. */
  list(swarmId: string, namespace: string, query: ListQuery): Promise<ListPage | BankRefusal>;

  /** `ifVersion` as in `put`, except that 0 makes no sense here. */
  delete(at: Address, options: DeleteOptions): Promise<Deleted | BankRefusal>;

  usage(swarmId: string): Promise<Usage | BankRefusal>;

  /** Removes everything of a swarm that nobody writes to any more, its count of versions included. */
  clear(swarmId: string): Promise<void | BankRefusal>;

  /** Whether calls can succeed right now; health reports it. */
  available(): boolean;

  close(): Promise<void>;
}
