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
  const line = read(pid, 'stat');
  if (line === undefined) return undefined;
  // Field 2 is the program's name in parentheses, and may itself contain spaces and parentheses.
  const fieldsFrom3 = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const [state, parent, group] = fieldsFrom3;
  return {
    parent: Number(parent),
    group: Number(group),
    startTime: fieldsFrom3[19]!,
    running: state !== 'Z' && state !== 'X',
  };
}

/** Whether the process was started with exactly this variable. `entry` is `NAME=value`, ASCII. */
export function startedWith(pid: number, entry: string): boolean {
  const environment = read(pid, 'environ');
  return environment !== undefined && `\0${environment}\0`.includes(`\0${entry}\0`);
}

function read(pid: number, file: 'stat' | 'environ'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
}
