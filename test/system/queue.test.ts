/** Draining a worker that a server started, and what `skein status` says of what waits; with real processes. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { noWorkerLeft, runCli } from '../examples/run-cli.ts';
import { connectRaw, startServer, temporaryFolder } from '../server-process.ts';

test('a drained worker finishes what it holds, takes no more, and ends; meanwhile status tells what waits, and why', async (t) => {
  const folder = await temporaryFolder();
  const config = join(folder, 'skein.yaml');
  await writeFile(
    config,
    `agentTypes:
  slow:
    argv: [/bin/sh, -c, 'until [ -e "${folder}/go" ]; do sleep 0.05; done; echo done']
    stdin: none
    maxConcurrent: 2
    capabilities: [wait]`,
  );
  const server = await startServer(t, { env: { MCP_CONFIG: config } });
  const raw = await connectRaw(t, server.port);
  const { swarmId } = await raw.call('swarm_init', {});
  const { agentId } = await raw.call('agent_spawn', { swarmId, agentType: 'slow' });
  const follower = await connectRaw(t, server.port);
  await follower.request('subscribe', { swarmId, from: 0 });
  const happened = async (type: string): Promise<any> => {
    for (;;) {
      const { event } = (await follower.message()).params;
      if (event.type === type) return event;
    }
  };

  const held = await raw.call('task_orchestrate', { task: 'Wait for it' });
  await happened('assignment_claimed');
  const drained = await raw.call('agent_stop', { agentId, drain: true, reason: 'new release' });
  assert.equal(drained.status, 'draining');
  const phases = [
    { name: 'first', requiredCapabilities: ['wait'] },
    { name: 'then', dependencies: ['first'] },
  ];
  const left = await raw.call('task_orchestrate', { task: { description: 'Too late', phases } });
  const other = await raw.call('task_orchestrate', { task: { description: 'X', requiredCapabilities: ['x-ray'] } });
  const shown = await runCli(t, server, 'status');
  assert.equal(shown.exitCode, 0, shown.stderr);
  for (const line of [
    new RegExp(`${agentId}  slow  draining .*on ${held.taskId}  new release`),
    new RegExp(`${left.taskId}  orchestrating 0/2  Too late`),
    /deadline: \d{4}-/,
    /first: no capable agent takes work now: 1 is draining; spawn another, or let another join/,
    /then: waits for phase first/,
    /work: no agent has capability x-ray: spawn one with agent_spawn, or join with swarm_join/,
  ]) {
    assert.match(shown.stdout, line);
  }
  await raw.call('swarm_pause', { swarmId, reason: 'lunch' });
  const { stdout } = await runCli(t, server, 'status', '--tasks', '1');
  assert.match(stdout, /\n  paused since .*: lunch\n/);
  assert.match(stdout, new RegExp(`${other.taskId}[^]*work: the swarm is paused since .* \\(lunch\\): swarm_resume`));
  assert.match(stdout, /and more tasks/);

  await writeFile(join(folder, 'go'), '');
  assert.deepEqual(await happened('agent_stopped').then((event) => event.reason), 'new release');
  await noWorkerLeft(server);
  const { status, result } = await raw.call('task_wait', { taskId: held.taskId });
  assert.deepEqual([status, result], ['completed', 'done']);
  assert.equal((await raw.call('task_status', { taskId: left.taskId })).phases[0].assignments[0].attempt, 0);
});
