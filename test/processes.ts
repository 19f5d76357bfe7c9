/** Which processes run with a mark in their environment: an eye of the tests' own, independent of the code under test. */
import { readdirSync, readFileSync } from 'node:fs';

export function processesMarked(entry: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && environmentOf(pid).includes(entry));
}

/** Empty for a process that is gone, and for a zombie. */
function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
