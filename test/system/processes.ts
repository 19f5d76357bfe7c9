/** Which processes of an agent there are, by the mark in their environment: the tests' own look at /proc. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

export function processesOf(agentId: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
      const state = /^\d+ \(.*\) (\S)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1];
      if (state !== 'Z' && environment.split('\0').includes(`SKEIN_AGENT_ID=${agentId}`)) found.push(Number(name));
    } catch {
      // It ended while it was looked at, or is somebody else's.
    }
  }
  return found;
}

/** The worker itself: the process with the mark whose parent has none. */
export function workerOf(agentId: string): number | undefined {
  const marked = processesOf(agentId);
  return marked.find((pid) => {
    const parent = Number(/^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]);
    return !marked.includes(parent) || parent === 1;
  });
}

/** Waits until nothing of the agents runs any more. */
export async function noneLeft(agentIds: readonly string[]): Promise<void> {
  const until = performance.now() + 60_000;
  for (;;) {
    const left = agentIds.flatMap(processesOf);
    if (left.length === 0) return;
    assert.ok(performance.now() < until, `processes ${left.join(', ')} are left behind`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
