/** Where what is acknowledged goes: the data directory, and Redis if the memory bank lives there. */
import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Redis } from 'ioredis';
import type { Config } from '../../config.ts';
import { lockHolder } from '../../lock.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

const freeBytesFew = 1024 ** 3;
const freeBytesLeast = 64 * 1024 ** 2;
const redisMsMax = 3_000;

/** `serving`: a skein answers on the port, so that somebody should hold the directory. */
export async function checkStore({ dataDir }: Config, serving: boolean): Promise<Finding[]> {
  const path = resolve(dataDir);
  const there = await nearest(path);
  const about = 'data';
  if (!(await stat(there)).isDirectory()) {
    return [problem(about, `${there} is not a directory`, 'choose another one with --data-dir (MCP_DATA_DIR)')];
  }
  try {
    await access(there, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    const message = there === path ? `${path} cannot be written to` : `${path} cannot be made in ${there}`;
    return [problem(about, message, 'change its owner or mode, or choose another one with --data-dir (MCP_DATA_DIR)')];
  }
  const findings = [there === path ? await checkHolder(path, serving) : ok(about, `${path} will be made`)];
  if (there === path && ((await stat(path)).mode & 0o077) !== 0) {
    findings.push(warning(about, `${path} is open to other users of the machine`, `chmod 700 ${path}`));
  }
  return [...findings, await checkSpace(there)];
}

/** The directory itself, or the one in which it would be made. */
async function nearest(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch {
    return nearest(dirname(path));
  }
}

async function checkHolder(path: string, serving: boolean): Promise<Finding> {
  const holder = await lockHolder(path);
  if (holder === null) return ok('data', `${path}, which nobody holds`);
  const held = `${path}, held by process ${holder.pid} on host ${holder.host} since ${holder.since}`;
  if (serving) return ok('data', held);
  return warning(
    'data',
    `${held}; no skein answers on the port`,
    'a skein on another port has it: stop that, or choose another directory with --data-dir (MCP_DATA_DIR)',
  );
}

async function checkSpace(path: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(path);
  const free = bavail * bsize;
  const message = `${(free / 1024 ** 3).toFixed(1)} GiB are free`;
  if (free >= freeBytesFew) return ok('disk', message);
  if (free >= freeBytesLeast) return warning('disk', message, 'skein stops when the disk is full: free some');
  return problem('disk', message, 'free some: skein stops when the disk is full');
}

export async function checkMemory({ redisUrl }: Config): Promise<Finding> {
  if (redisUrl === null) return ok('memory', 'in the data directory');
  const about = 'memory';
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: redisMsMax,
    commandTimeout: redisMsMax,
    retryStrategy: () => null,
  });
  let cause: Error | undefined;
  redis.on('error', (error: Error) => (cause ??= error));
  // The URL may hold a password.
  const where = redisUrl.replace(/\/\/[^@/]*@/, '//***@');
  try {
    await redis.connect();
    const policy = /maxmemory_policy:(\S+)/.exec(await redis.info('memory'))?.[1];
    if (policy === undefined || policy === 'noeviction') return ok(about, `${where} answers`);
    return warning(about, `${where} evicts values (${policy})`, 'set its maxmemory-policy to noeviction');
  } catch (error) {
    const message = `${where} does not answer: ${(cause ?? (error as Error)).message}`;
    return problem(about, message, 'start it, or unset MCP_REDIS_URL, which keeps memory in the data directory');
  } finally {
    redis.disconnect();
  }
}
