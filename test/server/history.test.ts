/** A page of events, of a swarm whose journal keeps what the test says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Coordinator } from '../../src/coordinator/coordinator.ts';
import { readEvents } from '../../src/server/history.ts';

/** Which feeds were opened, and how many were not closed. */
function swarm(version: number, oldest: number) {
  const opened: number[] = [];
  const open = { feeds: 0 };
  const feed = (_: string, from: number) => {
    opened.push(from);
    open.feeds += 1;
    const page = Array.from({ length: Math.min(64, version - from) }, (_, index) => ({ version: from + index + 1 }));
    return { next: async () => (from < oldest ? { oldest } : page), close: () => (open.feeds -= 1) };
  };
  const coordinator = {
    summary: (swarmId: string) => (swarmId === 'swarm_1' ? { version } : undefined),
    refuseUnknown: () => ({ refused: 'swarm_not_found', message: 'there is none' }),
    feed,
  } as unknown as Coordinator;
  const versions = async (from: number | null): Promise<unknown> => {
    const answer = (await readEvents(coordinator, 'swarm_1', from)) as { events?: { version: number }[] };
    const [first, last] = [answer.events?.at(0)?.version, answer.events?.at(-1)?.version];
    return answer.events === undefined ? answer : [first, last];
  };
  return { coordinator, opened, open, versions };
}

test('the newest 64, or the first 64 after a version', async () => {
  const { versions, opened, open } = swarm(100, 0);
  assert.deepEqual(await versions(null), [37, 100]);
  assert.deepEqual(await versions(0), [1, 64]);
  assert.deepEqual(await versions(99), [100, 100]);
  // Nobody waits for what has not happened yet.
  assert.deepEqual(await versions(100), [undefined, undefined]);
  assert.deepEqual(await versions(1000), [undefined, undefined]);
  assert.deepEqual(opened, [36, 0, 99]);
  assert.equal(open.feeds, 0);
});

test('of events that are not kept any more the newest that are, and a refusal where they were asked for', async () => {
  const { versions, open } = swarm(100, 90);
  assert.deepEqual(await versions(null), [91, 100]);
  const refused = (await versions(89)) as { refused: string; data: object };
  assert.deepEqual([refused.refused, refused.data], ['history_trimmed', { oldest: 90 }]);
  assert.equal(open.feeds, 0);
});

test('of a swarm that there is not', async () => {
  const answer = await readEvents(swarm(1, 0).coordinator, 'swarm_2', null);
  assert.deepEqual(answer, { refused: 'swarm_not_found', message: 'there is none' });
});
