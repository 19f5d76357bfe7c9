/**
 * One holder of a directory, however it ends and however many start at once: the server of a data directory, the worker
 * of a worktree.
 *
 * The lock is the directory `lock` with a listening socket in it, whose name says who holds it (`ls` shows it).
 * - The kernel decides whether the holder lives: a connection to its socket is accepted, or refused from the moment
 *   that the process is gone. Neither a reused pid nor a stopped clock can fool that.
 * - Taking it is one atomic step: each starter prepares a directory of its own and renames it to `lock`, which the
 *   system allows only while `lock` is absent or empty. It is emptied by removing a dead holder's socket, by name; no
 *   name is ever used twice, so a starter that comes late can never remove the socket of somebody who lives.
 * Like LMDB itself it wants a file system that is local to the machine; containers may share it.
 */
import { constants } from 'node:fs';
import { mkdtemp, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';

/** Of the host's name in the socket's name, which must fit into a socket address. */
const hostCharsMax = 32;

export interface Holder {
  readonly pid: string;
  readonly host: string;
  readonly since: string;
}

export class HeldError extends Error {}

/** Resolves with the function that releases the lock; rejects with a HeldError, naming the holder, when somebody has it. */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  const lock = join(path, 'lock');
  const prepared = await mkdtemp(join(path, 'lock-'));
  const name = [
    process.pid,
    hostname().slice(0, hostCharsMax),
    new Date().toISOString(),
    basename(prepared).slice('lock-'.length),
  ].join('@');
  const server = createServer((connection) => connection.destroy());
  try {
    await withSocketPath(prepared, name, (socket) => listen(server, socket));
    while (!(await renameToEmpty(prepared, lock))) await removeDead(lock);
  } catch (error) {
    server.close();
    await rm(prepared, { recursive: true });
    throw error;
  }
  return async () => {
    await new Promise((resolve) => server.close(resolve));
    await rm(join(lock, name), { force: true });
    // Unless somebody else has taken it this very moment.
    await rmdir(lock).catch(allow('ENOTEMPTY', 'EEXIST', 'ENOENT'));
  };
}

/** Who holds the directory; null: nobody, whether or not somebody died holding it. Changes nothing. */
export async function lockHolder(path: string): Promise<Holder | null> {
  const lock = join(path, 'lock');
  for (const name of (await readdir(lock).catch(allow('ENOENT'))) ?? []) {
    if (await isAlive(lock, name)) return holderNamed(name);
  }
  return null;
}

function holderNamed(name: string): Holder {
  const [pid = '', host = '', since = ''] = name.split('@');
  return { pid, host, since };
}

/** False when the target has an owner, dead or alive. */
async function renameToEmpty(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    allow('ENOTEMPTY', 'EEXIST')(error);
    return false;
  }
}

/** Rejects when somebody alive is there. */
async function removeDead(lock: string): Promise<void> {
  const names = await readdir(lock).catch(allow('ENOENT'));
  for (const name of names ?? []) {
    if (await isAlive(lock, name)) {
      const { pid, host, since } = holderNamed(name);
      throw new HeldError(
        `it is held by process ${pid} on host ${host} since ${since}: stop that, or use another directory`,
      );
    }
    await rm(join(lock, name), { force: true });
  }
}

async function isAlive(lock: string, name: string): Promise<boolean> {
  try {
    await withSocketPath(lock, name, canConnect);
    return true;
  } catch (error) {
    // Dead before we asked, dead when we asked, or gone since we looked. A full backlog is a sign of life.
    allow('ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EAGAIN')(error);
    return (error as NodeJS.ErrnoException).code === 'EAGAIN';
  }
}

/**
 * A socket address holds 107 bytes (macOS: 103), while a directory's path can be much longer. On Linux the socket is
 * therefore addressed through a descriptor of its directory.
 */
async function withSocketPath(directory: string, name: string, use: (path: string) => Promise<void>): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await use(join(process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : directory, name));
  } finally {
    await handle.close();
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      // From here on an error is a connection that could not be accepted; to be connectable is all that is needed.
      server.off('error', reject).on('error', () => {});
      // The lock alone is no reason for the process to stay.
      server.unref();
      resolve();
    });
  });
}

function canConnect(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

/** Rethrows an error unless its code is one of these. */
function allow(...codes: string[]): (error: unknown) => undefined {
  return (error) => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  };
}
