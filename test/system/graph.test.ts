/** A graph of a hundred phases over TCP, of which one fails: what depends on it is settled with it, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli } from '../examples/run-cli.ts';
import { connectRaw, startServer, type RawConnection } from '../server-process.ts';

const branches = [1, 2, 3, 4, 5, 6, 7, 8];
const steps = Array.from({ length: 12 }, (_, index) => index + 1);

/** A start, eight branches of twelve steps each, two that join some of them, and an end of all. */
const phases = [
  { name: 'start' },
  ...branches.flatMap((branch) =>
    steps.map((step) => ({
      name: `b${branch}-${step}`,
      dependencies: [step === 1 ? 'start' : `b${branch}-${step - 1}`],
    })),
  ),
  { name: 'some', dependencies: ['b1-12', 'b2-12'] },
  { name: 'all', dependencies: branches.map((branch) => `b${branch}-12`) },
  { name: 'end', dependencies: ['some', 'all'] },
];

/** Counts what it was given, and fails at one phase, for good; until the swarm is destroyed. */
async function work(worker: RawConnection, failing: string): Promise<void> {
  for (;;) {
    const { assignment } = await worker.call('task_next', { waitSeconds: 60 });
    if (assignment === null) continue;
    const { assignmentId, leaseToken, phase, dependencies } = assignment;
    if (phase === failing) {
      await worker.call('task_fail', { assignmentId, leaseToken, reason: 'broken', retryable: false });
    } else {
      const counts: number[] = Object.values(dependencies);
      await worker.call('task_complete', { assignmentId, leaseToken, result: 1 + Math.max(0, ...counts) });
    }
  }
}

test('of a hundred phases one fails: exactly what depends on it is settled with it, and the rest completes', async (t) => {
  assert.equal(phases.length, 100);
  const server = await startServer(t);
  const client = await connectRaw(t, server.port);
  const { swarmId } = await client.call('swarm_init', { maxAgents: 10 });
  const workers = await Promise.all(branches.map(() => connectRaw(t, server.port)));
  for (const worker of workers) await worker.call('swarm_join', { swarmId });
  const working = Promise.allSettled(workers.map((worker) => work(worker, 'b3-5')));
  const { taskId } = await client.call('task_orchestrate', { swarmId, task: { description: 'A hundred', phases } });
  for (let ended = false; !ended;) ({ ended } = await client.call('task_wait', { taskId, waitSeconds: 60 }));

  const task = await client.call('task_status', { taskId });
  assert.deepEqual([task.status, task.reason], ['failed', 'phase b3-5 failed']);
  const after = new Set([...steps.filter((step) => step > 5).map((step) => `b3-${step}`), 'all', 'end']);
  for (const { name, status, reason } of task.phases) {
    const expected = name === 'b3-5' ? 'failed' : after.has(name) ? 'cancelled' : 'succeeded';
    assert.equal(status, expected, name);
    if (expected === 'cancelled') assert.equal(reason, 'depends on b3-5, which failed');
  }
  const { results } = await client.call('task_results', { taskId });
  const resultOf = (name: string): unknown => results.find(({ phase }: any) => phase === name)?.result;
  assert.deepEqual([resultOf('some'), resultOf('b8-12')], [14, 13]);

  const { stdout } = await runCli(t, server, 'task', taskId, '--graph');
  const lines = stdout.split('\n');
  assert.ok(lines.length < 60, 'alike phases share a line');
  assert.equal(lines.filter((line) => line.includes('b3-5 ') && line.includes('broken')).length, 1);
  assert.ok(
    lines.some((line) => /90 succeeded.*1 failed.*9 cancelled/.test(line.replaceAll(/[^\w ]+/g, ''))),
    stdout,
  );

  await client.call('swarm_destroy', { swarmId });
  for (const { reason } of (await working) as PromiseRejectedResult[]) assert.match(reason.message, /destroyed/);
});
