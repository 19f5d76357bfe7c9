/**
 * Stops a program with everything that it started, as far as it stayed in the program's process group. A process that
 * left the group (setsid: a daemon) is out of reach here; the host's sweep finds it by the mark in its environment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { processIds, processStat, procfsSupported } from '../procfs.ts';

const pollMsFirst = 5;
const pollMsMax = 100;
/** How long a process may take to disappear after SIGKILL. It takes longer only when the kernel holds it. */
const killedGoneMs = 2_000;

/**
 * SIGTERM, and SIGKILL to whoever is left after `killGraceMs`. Resolves when nobody of the group runs any more, to
 * whether there was somebody. At once when there was not.
 */
export async function stopGroup(group: number, killGraceMs: number): Promise<boolean> {
  if (!groupRuns(group)) return false;
  signalGroup(group, 'SIGTERM');
  if (await groupEnds(group, killGraceMs)) return true;
  signalGroup(group, 'SIGKILL');
  await groupEnds(group, killedGoneMs);
  return true;
}

/** Whether the group ends by itself in that time. */
export async function groupEnds(group: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let waitMs = pollMsFirst; groupRuns(group); waitMs = Math.min(2 * waitMs, pollMsMax)) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return false;
    await sleep(Math.min(waitMs, leftMs));
  }
  return true;
}

/**
 * A group of zombies can still be signalled. When the program is gone they are somebody else's children, who may reap
 * them late or never (the first process of a container), so on Linux they are told from the living.
 */
function groupRuns(group: number): boolean {
  if (!signalGroup(group, 0)) return false;
  if (!procfsSupported) return true;
  return processIds().some((pid) => {
    const stat = processStat(pid);
    return stat?.group === group && stat.running;
  });
}

/** False when the group is empty, or nobody in it may be signalled. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}
