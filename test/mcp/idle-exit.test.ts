/** A worker that asks to end when it has had no work for so long: in every dialect, and whatever happened to the server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, startServer, temporaryFolder } from '../server-process.ts';
import { call, newestOfEach } from './clients.ts';

test('an idle worker is told to end', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  const ways = [
    { name: 'plain', join: async () => plain.call },
    ...newestOfEach.map(({ name, connect }) => ({
      name,
      join: async () => {
        const { client } = await connect(t, server.port);
        return (tool: string, args: object) => call(client, tool, args);
      },
    })),
  ];
  for (const { name, join } of ways) {
    await t.test(name, async () => {
      const ask = await join();
      const { agentId } = await ask('swarm_join', { swarmId });
      const busy = await ask('task_next', { waitSeconds: 0, idleExitAfter: 3600 });
      assert.equal(busy.pending.drain, undefined);
      // It does not wait for longer than that either.
      const { assignment, pending, next } = await ask('task_next', { waitSeconds: 600, idleExitAfter: 0.3 });
      assert.deepEqual([assignment, pending.drain], [null, true]);
      assert.match(next, /^there will be no more work/);
      await assert.rejects(async () => {
        // Until the timer has gone off.
        for (;;) await ask('task_next', { waitSeconds: 0 });
      }, /no work for 0\.3 s/);
      const { status, reason } = await plain.call('agent_status', { swarmId, agentId });
      assert.deepEqual([status, reason], ['stopped', 'no work for 0.3 s']);
    });
  }
});

test('a killed coordinator does not begin it anew', async (t) => {
  const dataDir = await temporaryFolder();
  const first = await startServer(t, { dataDir });
  const before = await connectRaw(t, first.port);
  await before.call('swarm_init');
  const { resumeToken } = await before.call('swarm_join');
  const joinedAt = Date.now();
  first.kill('SIGKILL');
  await first.ended;
  const second = await startServer(t, { dataDir });
  const after = await connectRaw(t, second.port);
  await after.call('swarm_join', { token: resumeToken });
  const idleExitAfter = (Date.now() - joinedAt) / 1000;
  const { pending } = await after.call('task_next', { waitSeconds: 0, idleExitAfter });
  assert.equal(pending.drain, true);
});
