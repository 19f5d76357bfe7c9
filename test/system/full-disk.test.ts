/** The data directory is full: the coordinator says so and stops; with room again, nothing acknowledged is missing. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectRaw, startServer } from '../server-process.ts';

test('a full disk', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'skein-full-'));
  t.after(async () => {
    spawnSync('umount', ['-l', dataDir]);
    await rm(dataDir, { recursive: true, force: true });
  });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'skein-test', dataDir], { stdio: 'pipe' });
  } catch (error) {
    throw new Error(
      `this test needs the right to mount a small tmpfs: run it as root (${(error as Error).message.trim()})`,
    );
  }

  const first = await startServer(t, { dataDir });
  const before = await connectRaw(t, first.port);
  const { swarmId } = await before.call('swarm_init');
  const acknowledged: string[] = [];
  let refused: any;
  for (let i = 0; refused === undefined; i += 1) {
    const reply = await before
      .request('tools/call', {
        name: 'task_orchestrate',
        arguments: { swarmId, task: { description: `${i}`, input: 'x'.repeat(20_000) } },
      })
      .catch((error: unknown) => ({ error }) as any);
    if (reply.error === undefined) acknowledged.push(reply.result.taskId);
    else refused = reply.error;
  }
  assert.ok(acknowledged.length > 20);
  const how = await first.ended;
  assert.notEqual(how, 0, 'it does not end as if all were well');
  assert.ok(
    first.log.some((entry) => entry.level === 'fatal'),
    'it says so',
  );
  if (refused.data !== undefined) assert.equal(refused.data.reason, 'journal_failed');

  execFileSync('mount', ['-o', 'remount,size=64m', dataDir]);
  const second = await startServer(t, { dataDir });
  const after = await connectRaw(t, second.port);
  for (const [index, taskId] of acknowledged.entries()) {
    assert.equal((await after.call('task_status', { swarmId, taskId })).description, `${index}`);
  }
  await after.call('task_orchestrate', { swarmId, task: 'it goes on' });
});
