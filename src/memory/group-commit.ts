/**
 * A database of texts by bytes that is read and written at once, and committed in groups.
 *
 * - What is written while a commit is being put on disk goes into the next one. A crash leaves all of a commit or
 *   nothing of it, and never one without those before it.
 * - Reads see every write, also those that are not on disk yet. So whoever answers from what was read waits for
 *   `settled()` first: then no crash can take the answer back.
 * - A commit that fails, also somebody else's, is the end: nothing is written from then on, and nothing settles well.
 *
 * Keys are held as strings of one character (0 to 255) per byte, which sort as the bytes do.
 */
import { Buffer } from 'node:buffer';
import type { Database } from 'lmdb';

/** What is needed of the LMDB environment, which others write to as well. */
export interface TextStore {
  /** A database whose values are texts and whose keys are bytes, in the order of the bytes. */
  textsByBytes(name: string): Database<string, Buffer>;
  /** Runs `action`, which puts and removes, when a commit is put together; resolves when that commit is on disk. */
  write(scope: string, action: () => void): Promise<void>;
  /** Resolves when anybody's commit has failed. */
  readonly failed: Promise<unknown>;
}

export interface GroupCommit {
  get(key: string): string | undefined;
  set(key: string, text: string): void;
  remove(key: string): void;
  /** Keys from `start` up to but not `end`, in order. To be consumed in the same turn of the event loop. */
  keys(start: string, end: string): Iterable<string>;
  /** Resolves when everything that was written to `key` (absent: to any) is on disk; false: its commit failed. */
  settled(key?: string): Promise<boolean>;
  failed(): boolean;
}

interface Group {
  /** Null: removed. */
  readonly writes: Map<string, string | null>;
  readonly committed: Promise<boolean>;
  readonly resolve: (committed: boolean) => void;
}

const settled = Promise.resolve(true);

export function groupCommit(store: TextStore, name: string): GroupCommit {
  const db = store.textsByBytes(name);
  /** At most one each. While there is one to fill, its commit has been asked for or the one before is under way. */
  let filling: Group | undefined;
  let writing: Group | undefined;
  let failed = false;
  void store.failed.then(() => (failed = true));

  function write(key: string, text: string | null): void {
    if (!filling) {
      filling = newGroup();
      if (!writing) commit();
    }
    filling.writes.set(key, text);
  }

  function commit(): void {
    store.write(name, putFilled).then(
      () => {
        writing?.resolve(true);
        writing = undefined;
        if (filling) commit();
      },
      () => {
        failed = true;
        writing?.resolve(false);
        // It stays, so that whatever comes after the failure does not settle well either.
        filling ??= newGroup();
        filling.resolve(false);
      },
    );
  }

  function putFilled(): void {
    writing = filling;
    filling = undefined;
    for (const [key, text] of writing!.writes) {
      if (text === null) void db.remove(bytes(key));
      else void db.put(bytes(key), text);
    }
  }

  /** Undefined: the key is not being written. */
  function underWay(key: string): string | null | undefined {
    const text = filling?.writes.get(key);
    return text === undefined ? writing?.writes.get(key) : text;
  }

  function* keys(start: string, end: string): Iterable<string> {
    const added = new Set<string>();
    for (const group of [writing, filling]) {
      for (const key of group?.writes.keys() ?? []) {
        if (key >= start && key < end && underWay(key) !== null) added.add(key);
      }
    }
    const sorted = [...added].sort();
    let next = 0;
    for (const raw of db.getKeys({ start: bytes(start), end: bytes(end) })) {
      const key = raw.toString('latin1');
      if (underWay(key) !== undefined) continue;
      while (next < sorted.length && sorted[next]! < key) yield sorted[next++]!;
      yield key;
    }
    while (next < sorted.length) yield sorted[next++]!;
  }

  return {
    get(key) {
      const text = underWay(key);
      return text === undefined ? db.get(bytes(key)) : (text ?? undefined);
    },
    set: write,
    remove: (key) => write(key, null),
    keys,
    settled(key) {
      if (filling && (key === undefined || filling.writes.has(key))) return filling.committed;
      if (writing && (key === undefined || writing.writes.has(key))) return writing.committed;
      return settled;
    },
    failed: () => failed,
  };
}

function newGroup(): Group {
  let resolve!: (committed: boolean) => void;
  const committed = new Promise<boolean>((settle) => (resolve = settle));
  return { writes: new Map(), committed, resolve };
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}
