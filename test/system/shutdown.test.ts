/** SIGTERM: whoever waits is told, the process ends well, and the next one goes on where it stopped. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, startServer, temporaryFolder } from '../server-process.ts';

test('a server that is told to stop says so to those who wait, and ends with 0', async (t) => {
  const dataDir = await temporaryFolder();
  const first = await startServer(t, { dataDir });
  const raw = await connectRaw(t, first.port);
  const { swarmId } = await raw.call('swarm_init');
  const { taskId } = await raw.call('task_orchestrate', { swarmId, task: 'wait for it' });
  const waiting = raw.request('tools/call', { name: 'task_wait', arguments: { taskId, waitSeconds: 600 } });
  // Its place in the queue is behind the one that waits.
  await raw.call('task_status', { taskId });
  first.kill('SIGTERM');
  const { error } = await waiting;
  assert.deepEqual([error?.code, error?.data.reason, error?.data.definite], [-32000, 'shutting_down', true]);
  assert.equal(await raw.line(), undefined, 'then the connection ends');
  assert.equal(await first.ended, 0);

  const second = await startServer(t, { dataDir });
  const after = await connectRaw(t, second.port);
  assert.equal((await after.call('task_status', { taskId })).status, 'orchestrating');
});

test('a second server on the same directory is refused, with the holder named', async (t) => {
  const dataDir = await temporaryFolder();
  const first = await startServer(t, { dataDir });
  await assert.rejects(startServer(t, { dataDir }), new RegExp(String(first.pid)));
});
