/** kill -9 in the middle: of the coordinator, and of workers. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { freePort } from '../ports.ts';
import { connectRaw, startServer, temporaryFolder, type RawConnection } from '../server-process.ts';
import { noneLeft, workerOf } from './processes.ts';

const digest = (text: string): string => `${createHash('sha256').update(text).digest('hex')}  -`;

/** The first thirty runs pass, the others wait for the gate: so there is a middle, however slow the machine is. */
const slowly = (folder: string): string => `agentTypes:
  sum:
    argv:
      - /bin/sh
      - -c
      - |
        cd "${folder}"; echo $SKEIN_ASSIGNMENT_ID >> started
        [ $(wc -l < started) -le 30 ] || until [ -e open ]; do sleep 0.05; done
        sleep 0.2; exec sha256sum
    stdin: input
    maxConcurrent: 10`;

async function allEvents(raw: RawConnection, swarmId: string): Promise<any[]> {
  const { version } = await raw.call('swarm_status', { swarmId });
  await raw.request('subscribe', { swarmId, from: 0 });
  const events: any[] = [];
  while (events.length < version) events.push((await raw.message()).params.event);
  return events;
}

describe('kill -9', () => {
  test('of the coordinator in the middle of 200 running tasks loses nothing and doubles nothing', async (t) => {
    const folder = await temporaryFolder();
    const config = join(folder, 'skein.yaml');
    await writeFile(config, slowly(folder));
    const dataDir = join(folder, 'data');
    const first = await startServer(t, { dataDir, port: await freePort(), env: { MCP_CONFIG: config } });
    const before = await connectRaw(t, first.port);
    const { swarmId } = await before.call('swarm_init', { maxAgents: 20 });
    const agentIds: string[] = [];
    for (let i = 0; i < 4; i += 1)
      agentIds.push((await before.call('agent_spawn', { swarmId, agentType: 'sum' })).agentId);
    for (let active = 0; active < agentIds.length;) {
      active = (await before.call('agent_list', { swarmId, filter: 'active' })).agents.length;
    }
    const external = await before.call('agent_spawn', { swarmId, agentType: 'visitor' });
    await before.call('agent_message', { swarmId, agentId: external.agentId, message: { kept: true } });
    await before.call('memory_store', { swarmId, key: 'kept', value: { deep: [1, 2, 3] } });

    const inputs = new Map<string, string>();
    for (let i = 0; i < 200; i += 1) {
      const input = randomBytes(20).toString('hex');
      const { taskId } = await before.call('task_orchestrate', {
        swarmId,
        task: { description: 'Digest it', input, agentType: 'sum' },
      });
      inputs.set(taskId, input);
    }
    // In the middle: some are done, some run, most wait.
    for (;;) {
      const { tasks } = await before.call('swarm_status', { swarmId });
      if (tasks.completed >= 10 && tasks.running >= 10) break;
    }
    first.kill('SIGKILL');
    await first.ended;

    // Where the workers look for it.
    const second = await startServer(t, { dataDir, port: first.port, env: { MCP_CONFIG: config } });
    await writeFile(join(folder, 'open'), '');
    const after = await connectRaw(t, second.port);
    const status = await after.call('swarm_status', { swarmId });
    assert.deepEqual(status.agents.map((agent: any) => agent.id).sort(), [...agentIds, external.agentId].sort());
    assert.deepEqual((await after.call('memory_retrieve', { swarmId, key: 'kept' })).value, { deep: [1, 2, 3] });
    const visitor = await connectRaw(t, second.port);
    await visitor.call('swarm_join', { swarmId, token: external.joinToken });
    assert.deepEqual(
      (await visitor.call('message_next', { waitSeconds: 0 })).messages.map((of: any) => of.message),
      [{ kept: true }],
    );

    for (const [taskId, input] of inputs) {
      let seen: any;
      do seen = await after.call('task_wait', { swarmId, taskId, waitSeconds: 60 });
      while (!seen.ended);
      assert.deepEqual([seen.status, seen.result], ['completed', digest(input)]);
    }
    const events = await allEvents(after, swarmId);
    for (const taskId of inputs.keys()) {
      const ends = events.filter((event) => event.type === 'task_ended' && event.taskId === taskId);
      const results = events.filter(
        (event) => event.type === 'attempt_succeeded' && event.assignmentId.startsWith(`${taskId}/`),
      );
      assert.deepEqual([ends.length, results.length], [1, 1], `${taskId} has ended exactly once`);
    }
    const { agents } = await after.call('swarm_status', { swarmId });
    for (const agentId of agentIds) {
      const agent = agents.find((of: any) => of.id === agentId);
      assert.equal(agent.status, 'active', 'workers came back by themselves');
    }
    await after.call('swarm_destroy', { swarmId });
    await noneLeft(agentIds);
  });

  test('of workers in the middle: another attempt does the work, the worker is started again, nothing is left behind', async (t) => {
    const folder = await temporaryFolder();
    const config = join(folder, 'skein.yaml');
    await writeFile(config, slowly(folder));
    const server = await startServer(t, { env: { MCP_CONFIG: config } });
    const raw = await connectRaw(t, server.port);
    const { swarmId } = await raw.call('swarm_init', { maxAgents: 20 });
    const agentIds: string[] = [];
    for (let i = 0; i < 3; i += 1)
      agentIds.push((await raw.call('agent_spawn', { swarmId, agentType: 'sum' })).agentId);
    const inputs = new Map<string, string>();
    for (let i = 0; i < 60; i += 1) {
      const input = randomBytes(20).toString('hex');
      const { taskId } = await raw.call('task_orchestrate', {
        swarmId,
        task: { description: 'Digest it', input },
        execution: { maxAttempts: 5 },
      });
      inputs.set(taskId, input);
    }
    const follower = await connectRaw(t, server.port);
    await follower.request('subscribe', { swarmId, from: 0 });
    const killed = new Set<string>();
    while (killed.size < 2) {
      const { event } = (await follower.message()).params;
      if (event.type !== 'assignment_claimed' || killed.has(event.agentId) || event.agentId === agentIds[2]) continue;
      const pid = workerOf(event.agentId);
      if (pid === undefined) continue;
      process.kill(pid, 'SIGKILL');
      killed.add(event.agentId);
    }
    await writeFile(join(folder, 'open'), '');
    for (const [taskId, input] of inputs) {
      let seen: any;
      do seen = await raw.call('task_wait', { swarmId, taskId, waitSeconds: 60 });
      while (!seen.ended);
      assert.deepEqual([seen.status, seen.result], ['completed', digest(input)]);
    }
    const events = await allEvents(raw, swarmId);
    const restarted = events.filter((event) => event.type === 'agent_restarted').map((event) => event.agentId);
    assert.deepEqual([...new Set(restarted)].sort(), [...killed].sort());
    const lost = events.filter((event) => event.type === 'attempt_failed');
    assert.ok(lost.length > 0);
    for (const event of lost) assert.equal(event.error.reason, 'agent_lost');
    await raw.call('swarm_destroy', { swarmId });
    await noneLeft(agentIds);
  });
});
