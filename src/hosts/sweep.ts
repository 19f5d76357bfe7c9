/**
 * Stops everything that runs for an agent, whoever started it.
 *
 * A worker and all that it starts carry SKEIN_AGENT_ID in their environment, so they are found even when their
 * parent is gone: a worker that was killed with SIGKILL leaves its program behind, and an agent may have been started
 * by an earlier coordinator. A program that was started with another environment, overwrote its own, or runs with
 * another user's rights, is not found.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { processIds, processStat, procfsSupported, startedWith } from '../procfs.ts';

/** Between two looks at all processes: a look costs some 20 microseconds a process, so the wait grows. */
const waitMsFirst = 10;
const waitMsMax = 250;
/** How long a process may take to disappear after SIGKILL. It takes longer only when the kernel holds it. */
const killedGoneMs = 2_000;
/** Processes looked at before other work of the event loop gets its turn. */
const scanSlice = 64;

export type SweepResult =
  | { readonly supported: false }
  | {
      readonly supported: true;
      /** Processes that were found, each of which was sent SIGTERM. */
      readonly terminated: number;
      /** Those of them that outlived the grace and were sent SIGKILL. */
      readonly killed: number;
      /** Those of them that are still there: the kernel holds them, or they may not be signalled. */
      readonly left: number;
    };

/** A pid names a process only together with its start time: it is used again. */
interface Found {
  readonly pid: number;
  readonly startTime: string;
}

/**
 * Resolves when nothing of the agent runs any more, at the latest `killGraceMs` and two seconds later. The caller and
 * its ancestors are never signalled, even if they carry the mark. Without /proc: `supported: false`, nothing is done.
 */
export async function sweep(
  { agentId }: { readonly agentId: string },
  { killGraceMs }: { readonly killGraceMs: number },
): Promise<SweepResult> {
  if (!/^[\x21-\x7e]+$/.test(agentId)) throw new TypeError(`not an agent id: ${JSON.stringify(agentId)}`);
  if (!procfsSupported) return { supported: false };

  const mark = `SKEIN_AGENT_ID=${agentId}`;
  const spared = ownLineage();
  const found = new Map<string, Found>();
  const killed = new Set<Found>();
  const killAt = performance.now() + killGraceMs;

  for (let waitMs = waitMsFirst; ; waitMs = Math.min(2 * waitMs, waitMsMax)) {
    // Who was alive before the look may have started another process during it, so only a look with nobody alive
    // before it and nobody new in it is the last one. Nor is one that could not tell of somebody yet.
    const aliveBefore = [...found.values()].some(isRunning);
    const foundBefore = found.size;
    let unsure = false;
    await forEachProcess((pid) => {
      if (spared.has(pid)) return;
      const marked = startedWith(pid, mark);
      if (marked === undefined) unsure = true;
      if (!marked) return;
      const stat = processStat(pid);
      const key = `${pid} ${stat?.startTime}`;
      if (!stat?.running || found.has(key)) return;
      const process = { pid, startTime: stat.startTime };
      found.set(key, process);
      send(process, 'SIGTERM');
    });

    const overdueMs = performance.now() - killAt;
    const over = (!aliveBefore && !unsure && found.size === foundBefore) || overdueMs > killedGoneMs;
    if (over) {
      const left = [...found.values()].filter(isRunning).length;
      return { supported: true, terminated: found.size, killed: killed.size, left };
    }
    if (overdueMs >= 0) {
      for (const process of found.values()) if (send(process, 'SIGKILL')) killed.add(process);
    }
    await sleep(overdueMs < 0 ? Math.min(waitMs, -overdueMs) : waitMsFirst);
  }
}

async function forEachProcess(look: (pid: number) => void): Promise<void> {
  let looked = 0;
  for (const pid of processIds()) {
    look(pid);
    if (++looked % scanSlice === 0) await setImmediate();
  }
}

/** Looks again before it signals: the process that was found may be gone, and its pid be another one's. */
function send(target: Found, signal: NodeJS.Signals): boolean {
  if (!isRunning(target)) return false;
  try {
    return process.kill(target.pid, signal);
  } catch {
    return false;
  }
}

function isRunning({ pid, startTime }: Found): boolean {
  const stat = processStat(pid);
  return stat !== undefined && stat.running && stat.startTime === startTime;
}

function ownLineage(): ReadonlySet<number> {
  const lineage = new Set<number>();
  for (let pid = process.pid; pid > 0 && !lineage.has(pid); pid = processStat(pid)?.parent ?? 0) lineage.add(pid);
  return lineage;
}
