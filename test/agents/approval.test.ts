/** Claude Code, without a terminal, asks a person somewhere else whether it may use a tool. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { cli, connectRaw } from '../server-process.ts';
import { orHangs, programs } from './programs.ts';
import { spawnAgent } from './spawn-agent.ts';

const claude = programs.find(({ name }) => name === 'claude')!;
const [node, skein] = cli;

test('a person allows it', orHangs, async (t) => {
  const { asked, answer, there, work } = await asking(t);
  assert.deepEqual([asked.tool, asked.input.command], ['Bash', 'touch made']);
  await answer('approve');
  const { status, result } = await work;
  assert.deepEqual([status, existsSync(join(there.folder, 'made'))], ['completed', true], JSON.stringify(result));
  await there.end();
});

test('a person allows something else instead', orHangs, async (t) => {
  const { answer, there, work } = await asking(t);
  await answer('approve', '--input', '{"command": "touch other"}');
  assert.equal((await work).status, 'completed');
  assert.deepEqual(
    ['made', 'other'].map((name) => existsSync(join(there.folder, name))),
    [false, true],
  );
  await there.end();
});

test('a person denies it: the model is told why, nothing is done, and the attempt has failed', orHangs, async (t) => {
  const { answer, there, work, told } = await asking(t);
  await answer('deny', '--message', 'not on a Sunday');
  const { status, results } = await work;
  assert.deepEqual([status, existsSync(join(there.folder, 'made'))], ['failed', false]);
  assert.equal(results[0].error.reason, 'permission_denied');
  assert.match(told(), /not on a Sunday/);
  await there.end();
});

/** An agent whose model wants to use Bash, and is waiting for an answer. */
async function asking(t: TestContext) {
  let told = '';
  const there = await spawnAgent(t, claude, ({ results }) => {
    if (results.length === 0) return { tool: 'Bash', args: { command: 'touch made', description: 'Make it' } };
    told = results[0]!;
    return { text: 'It is made.' };
  });
  const events = await connectRaw(t, there.port);
  await events.request('subscribe', { swarmId: there.swarmId, from: 0 });
  const work = there.done('Make it', { retryPolicy: 'none' });
  while ((await events.message()).params.event.type !== 'approval_requested');
  const { approvals } = await there.raw.call('swarm_status', { swarmId: there.swarmId });
  const [asked] = approvals;
  const answer = async (command: 'approve' | 'deny', ...options: string[]): Promise<void> => {
    await promisify(execFile)(node, [skein, command, asked.approvalId, '--port', String(there.port), ...options]);
  };
  return { asked, answer, there, work, told: () => told };
}
