/**
 * What Linux tells about processes in /proc. Elsewhere `procfsSupported` is false and there is nothing to read.
 *
 * Reads are synchronous on purpose: procfs answers from memory, and nothing of ours can happen between a look at a
 * process and the signal that follows from it. A process that has gone, or that may not be looked at, is undefined.
 */
import { readdirSync, readFileSync } from 'node:fs';

export const procfsSupported = process.platform === 'linux';

export interface ProcessStat {
  readonly parent: number;
  readonly group: number;
  /** Clock ticks since boot. With the pid it names one process for good; the pid alone is used again. */
  readonly startTime: string;
  /** False for a zombie: it is dead, and only waits for a parent that may be slow to ask, or never does. */
  readonly running: boolean;
}

export function processIds(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

export function processStat(pid: number): ProcessStat | undefined {
  const fieldsFrom3 = fieldsOfStat(pid);
  if (fieldsFrom3 === undefined) return undefined;
  const [state, parent, group] = fieldsFrom3;
  return {
    parent: Number(parent),
    group: Number(group),
    startTime: fieldsFrom3[19]!,
    running: state !== 'Z' && state !== 'X',
  };
}

/**
 * Whether the process was started with exactly this variable. `entry` is `NAME=value`, ASCII. undefined: that can be told
 * in a moment only, as it is just becoming another program.
 */
export function startedWith(pid: number, entry: string): boolean | undefined {
  const environment = read(pid, 'environ');
  if (environment === '' && isBecoming(pid)) return undefined;
  return environment !== undefined && `\0${environment}\0`.includes(`\0${entry}\0`);
}

/**
 * Whether the process, which has just been seen without an environment, has one now or is about to: while execve puts
 * another program into its place it has memory, but not yet its variables. The dead and the kernel's own have no memory.
 */
function isBecoming(pid: number): boolean {
  const fieldsFrom3 = fieldsOfStat(pid);
  if (fieldsFrom3 === undefined) return false;
  const [memory, start, end] = [fieldsFrom3[20], fieldsFrom3[47], fieldsFrom3[48]];
  const startedWithNone = start === end && end !== '0';
  return memory !== '0' && !startedWithNone;
}

function fieldsOfStat(pid: number): string[] | undefined {
  const line = read(pid, 'stat');
  // Field 2 is the program's name in parentheses, and may itself contain spaces and parentheses.
  return line?.slice(line.lastIndexOf(')') + 2).split(' ');
}

function read(pid: number, file: 'stat' | 'environ'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
}
