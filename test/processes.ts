/** Which processes run with a mark in their environment: an eye of the tests' own, independent of the code under test. */
import { readdirSync, readFileSync } from 'node:fs';

export function processesMarked(entry: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && environmentOf(pid).includes(entry));
}

/** Resolves when none of them is left. */
export async function killMarked(entry: string): Promise<void> {
  for (let pids = processesMarked(entry); pids.length > 0; pids = processesMarked(entry)) {
    for (const pid of pids) killIfThere(pid);
    await new Promise(setImmediate);
  }
}

/** Who is about to end, by itself, with its parent or killed before, is still seen for a moment. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Empty for a process that is gone, and for a zombie. */
function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
