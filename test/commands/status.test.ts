/** `skein status` against a real server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli } from '../examples/run-cli.ts';
import { connectRaw, startServer } from '../server-process.ts';

test('agents that have stopped are counted and not listed, names do nothing to a terminal', async (t) => {
  const server = await startServer(t);
  const raw = await connectRaw(t, server.port);
  const { swarmId } = await raw.call('swarm_init', { name: 'red \u001b[31m\u202e' });
  const { agentId } = await raw.call('swarm_join', { swarmId, name: 'ann' });
  const [left, another] = [await raw.call('swarm_join', { swarmId }), await raw.call('swarm_join', { swarmId })];
  for (const gone of [left, another]) await raw.call('swarm_leave', { agentId: gone.agentId });
  const { stdout, stderr, exitCode } = await runCli(t, server, 'status');
  assert.equal(exitCode, 0, stderr);
  const [title = '', ...lines] = stdout.split('\n');
  assert.ok(title.startsWith(`${swarmId} (red `) && !/[\u001b\u202e]/.test(title), title);
  assert.deepEqual(lines, [
    '  tasks: 0 open, 0 completed, 0 failed, 0 cancelled',
    `  ${agentId}  external ann  active  health 100`,
    `  2 stopped: skein call agent_list --arg swarmId=${swarmId} --arg filter=stopped`,
    '',
  ]);
});
