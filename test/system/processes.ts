/** Which processes of an agent there are, by the mark in their environment: the tests' own look at /proc. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { processesMarked } from '../processes.ts';

export const processesOf = (agentId: string): number[] => processesMarked(`SKEIN_AGENT_ID=${agentId}`);

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
