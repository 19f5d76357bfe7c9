/**
 * One LMDB environment with its named databases, and the only way to write to it.
 *
 * - Group commit: what is written while a commit is being synced goes into the next one, so concurrent writers share
 *   its flushes. A commit is all or nothing, and on disk when the promises of its writes resolve.
 * - Fail-stop: after a failed commit nothing is written or retried. What had not been acknowledged is rejected, and so
 *   is everything after it; `failed` tells the owner, who ends the process. A restart finds all that was acknowledged.
 *   On a full disk lmdb 3.5 itself sometimes aborts the process (it prints its message into a buffer that is too
 *   small), which comes to the same.
 */
import { Buffer } from 'node:buffer';
import { statfsSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { open as openLmdb, type Database, type Key, type RootDatabase } from 'lmdb';

/** Address space reserved for the file, which itself only grows as data comes. Beyond it lmdb maps the file anew. */
const mapBytes = 16 * 2 ** 30;

const databasesMax = 32;

/** LMDB's lock file holds 126 readers of 64 bytes and a header. */
const lockFileBytes = 16_384;

/** What LMDB writes into a new file: two pages, at the largest page size that a system has. */
const newFileBytes = 2 * 65_536;

interface Write {
  readonly scope: string;
  readonly run: () => void;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class LmdbStore {
  /** Resolves with the error that stopped the store, if that ever happens. */
  readonly failed: Promise<Error>;
  readonly #announceFailure: (error: Error) => void;
  readonly #root: RootDatabase<string, Key>;
  readonly #file: string;
  readonly #release: () => Promise<void>;
  #queue: Write[] = [];
  /** Present while there is anything in the queue or in a commit. */
  #committing: Promise<void> | undefined;
  /** Why nothing can be read or written any more. */
  #stopped: Error | undefined;
  #closing: Promise<void> | undefined;

  /**
   * The caller sees to it that no other process has the file open; `release` is called when it has been closed.
   * lmdb uses freed memory, and often crashes, when LMDB fails to open a file: so what could be wrong is found before.
   */
  static async open(file: string, release: () => Promise<void>): Promise<LmdbStore> {
    await checkFile(file);
    // LMDB makes this file sparse and writes to it through a mapping: on a full disk that is a SIGBUS. This is an error.
    await writeFile(`${file}-lock`, Buffer.alloc(lockFileBytes), { mode: 0o600 });
    return new LmdbStore(file, release);
  }

  private constructor(file: string, release: () => Promise<void>) {
    let announce!: (error: Error) => void;
    this.failed = new Promise((resolve) => (announce = resolve));
    this.#announceFailure = announce;
    this.#file = file;
    this.#release = release;
    const options = {
      path: file,
      noSubdir: true,
      mapSize: mapBytes,
      maxDbs: databasesMax,
      permissionsMode: 0o600,
      // With lmdb's default (true) a promise resolves when readers see the commit, before it is flushed, and a failure
      // of the later flush reaches no promise at all. Without it LMDB itself orders things as we need them: write the
      // pages, fdatasync, write the meta page through an O_DSYNC descriptor, and only then report the commit.
      // Measured with 1 to 200 concurrent writers, this costs nothing.
      overlappingSync: false,
      // Not `useWritemap`: a full disk would then be a SIGBUS instead of an error.
    };
    this.#root = openLmdb<string, Key>(options);
  }

  /** Text values. Databases are opened before the first write: opening one splits a commit that is being put together. */
  texts(name: string): Database<string, Key> {
    return this.#openDatabase<string>(name, 'string');
  }

  /** Text values under keys of bytes, in the order of the bytes. */
  textsByBytes(name: string): Database<string, Buffer> {
    this.assertUsable();
    if (this.#committing) throw new Error(`database ${name} must be opened before the first write`);
    return this.#root.openDB<string, Buffer>(name, { encoding: 'string', keyEncoding: 'binary' });
  }

  /** Large values: unlike texts, reading them leaves no buffer of twice their size behind. */
  binaries(name: string): Database<Buffer, Key> {
    return this.#openDatabase<Buffer>(name, 'binary');
  }

  #openDatabase<V>(name: string, encoding: 'string' | 'binary'): Database<V, Key> {
    this.assertUsable();
    if (this.#committing) throw new Error(`database ${name} must be opened before the first write`);
    return this.#root.openDB<V, Key>(name, { encoding });
  }

  /**
   * Runs `action` when the next commit is put together, and resolves with its result when that commit is on disk.
   * `action` writes with `put` and `remove`, whose promises it ignores. At most one action of a `scope` is in a commit,
   * so an action that reads what only its own scope writes sees everything that was written before it.
   * An action that throws stops the store, since half of its writes may have been made.
   */
  write<T>(scope: string, action: () => T): Promise<T> {
    if (this.#stopped) return Promise.reject(this.#stopped);
    return new Promise((resolve, reject) => {
      let result: T;
      const run = () => {
        result = action();
      };
      this.#queue.push({ scope, run, resolve: () => resolve(result), reject });
      this.#committing ??= this.#commitGroups();
    });
  }

  /** To be called before a read. */
  assertUsable(): void {
    if (this.#stopped) throw this.#stopped;
  }

  /** Resolves when no write is waiting or being committed. */
  async idle(): Promise<void> {
    await this.#committing;
  }

  /** Refuses new writes, commits what has been written so far, then closes the file. */
  close(): Promise<void> {
    this.#stopped ??= new Error(`the store ${this.#file} is closed`);
    this.#closing ??= this.#closeWhenIdle();
    return this.#closing;
  }

  async #closeWhenIdle(): Promise<void> {
    await this.idle();
    await this.#root.close();
    await this.#release();
  }

  /**
   * Never two commits at a time. LMDB has one writer anyway; and lmdb keeps a lock for good when a transaction cannot
   * begin because the one before it failed, after which the process could not even exit.
   */
  async #commitGroups(): Promise<void> {
    while (this.#queue.length > 0) {
      // The writers of the last commit have just been told; what they and this turn of the event loop write comes along.
      await nextTurn();
      const group = this.#takeGroup();
      try {
        // Cheaper than `transaction`, which brings the writing thread and this one together for a callback.
        await this.#root.batch(() => {
          for (const write of group) write.run();
        });
      } catch (error) {
        this.#fail(await causeOf(error), group);
        break;
      }
      for (const write of group) write.resolve();
    }
    this.#committing = undefined;
  }

  #takeGroup(): Write[] {
    const scopes = new Set<string>();
    const group: Write[] = [];
    const later: Write[] = [];
    for (const write of this.#queue) {
      (scopes.has(write.scope) ? later : group).push(write);
      scopes.add(write.scope);
    }
    this.#queue = later;
    return group;
  }

  #fail(cause: unknown, group: readonly Write[]): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const error = new Error(`the store ${this.#file} has stopped, a commit failed: ${reason}${roomAt(this.#file)}`, {
      cause,
    });
    this.#stopped = error;
    for (const write of [...group, ...this.#queue]) write.reject(error);
    this.#queue = [];
    this.#announceFailure(error);
  }
}

/** Rejects when the file cannot be written to, is not LMDB's or, being new, has no room. */
async function checkFile(file: string): Promise<void> {
  const handle = await open(file, 'a+', 0o600);
  try {
    const start = Buffer.alloc(32);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    if (bytesRead === 0) {
      await handle.write(Buffer.alloc(newFileBytes));
      await handle.truncate(0);
    } else if (start.readUInt32LE(24) !== 0xbeefc0de || start.readUInt16LE(28) !== 2) {
      throw new Error(`${file} is not an LMDB file of version 2`);
    }
  } finally {
    await handle.close();
  }
}

/** Part of a message: LMDB calls it an I/O error when a full disk takes only a part of a write. */
function roomAt(file: string): string {
  try {
    const { bavail, bsize } = statfsSync(file);
    return ` (${bavail * bsize} bytes free)`;
  } catch {
    return '';
  }
}

/** lmdb rejects with a general error, and a second promise, which nobody else awaits, with what really happened. */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<never> };
  if (!commitError) return error;
  return commitError.catch((cause: unknown) => cause);
}
