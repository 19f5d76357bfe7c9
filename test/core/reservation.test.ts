/** What scenarios/files.txt cannot say of file reservations. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restore, snapshot } from '../../src/core/snapshot.ts';
import { assertInvariants } from './invariants.ts';
import { SwarmUnderTest, type Worker } from './swarm-under-test.ts';

function reserving(worker: Worker, globs: readonly string[]) {
  const { actor } = worker;
  return { type: 'file_reserve', actor, claim: null, globs, mode: 'exclusive', ttlMs: 60_000, wait: false } as const;
}

test('a snapshot of a release without reservations has none', () => {
  const swarm = SwarmUnderTest.withSwarm();
  swarm.join();
  const { reservations: _, ...old } = JSON.parse(snapshot(swarm.state));
  const restored = restore(JSON.stringify(old), swarm.limits);
  assertInvariants(restored);
  assert.equal(restored.reservations.size, 0);
});

test('asked again with its requestId, a reservation is made once', () => {
  const swarm = SwarmUnderTest.withSwarm();
  const command = { ...reserving(swarm.join(), ['a']), requestId: 'r' };
  assert.deepEqual(swarm.ask(command), swarm.ask(command));
  assert.equal(swarm.state.reservations.size, 1);
});

test('a refusal names ten holders at most, each with what is asked for and what it has', () => {
  const swarm = SwarmUnderTest.withSwarm();
  for (let i = 0; i < 12; i += 1)
    swarm.ask(reserving(swarm.join({ name: `holder ${i}` }), [`src/${i}`, `docs/${i}.md`]));
  const { data, message } = swarm.refusal(reserving(swarm.join(), ['README.md', 'src/*']));
  const conflicts = data!['conflicts'] as any[];
  assert.equal(conflicts.length, 10);
  assert.deepEqual(conflicts[0], {
    reservationId: 'reservation_1',
    agentId: 'agent_1',
    name: 'holder 0',
    mode: 'exclusive',
    expiresAt: new Date(swarm.now + 60_000).toISOString(),
    globs: ['src/0'],
    asked: ['src/*'],
  });
  assert.match(message, /agent agent_1 \(holder 0\) has reserved src\/0 \(exclusive\) until 2026/);
});

test('is released by its globs whatever their case, as it is compared', () => {
  const swarm = SwarmUnderTest.withSwarm();
  const worker = swarm.join();
  swarm.ask(reserving(worker, ['Src/**', 'a.ts']));
  const { released } = swarm.ask({ type: 'file_release', actor: worker.actor, reservationId: null, globs: ['src/**'] });
  assert.deepEqual(released[0].globs, ['Src/**']);
  assert.deepEqual([...swarm.state.reservations.values()][0]!.globs, ['a.ts']);
});
