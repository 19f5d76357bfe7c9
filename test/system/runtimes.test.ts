/**
 * Command lines of agents as runtimes, with a program in their place: it is told of its swarm as they are, acts as its
 * worker's agent, and its result, usage and cost arrive.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { profiles } from '../../src/spec.ts';
import { templateNames, type TemplateName } from '../../src/templates/index.ts';
import { connectRaw, startServer, temporaryFolder } from '../server-process.ts';
import { noneLeft } from './processes.ts';

const program = fileURLToPath(new URL('agent-program.ts', import.meta.url));
// tsx is found from there.
const project = fileURLToPath(new URL('../..', import.meta.url));
const knowsPrices: ReadonlySet<TemplateName> = new Set(['claude', 'opencode']);

async function place(t: TestContext, name: TemplateName) {
  const folder = await temporaryFolder();
  const [home, temporary, config] = [join(folder, 'home'), join(folder, 'tmp'), join(folder, 'skein.yaml')];
  await mkdir(home);
  await mkdir(temporary);
  const argv = JSON.stringify([process.execPath, '--import', 'tsx', program, name]);
  await writeFile(config, `agentTypes: {agent: {template: ${name}, argv: ${argv}, cwd: ${JSON.stringify(project)}}}`);
  const server = await startServer(t, { env: { MCP_CONFIG: config, HOME: home, TMPDIR: temporary } });
  const listener = await connectRaw(t, server.port);
  const { swarmId } = await listener.call('swarm_init');
  await listener.call('swarm_join', { swarmId, name: 'listener', capabilities: [] });
  const raw = await connectRaw(t, server.port);
  const { agentId } = await raw.call('agent_spawn', { swarmId, agentType: 'agent' });
  const orchestrate = async (description: string): Promise<string> =>
    (
      await raw.call('task_orchestrate', {
        swarmId,
        task: { description, phases: [{ name: 'work', agentType: 'agent' }] },
      })
    ).taskId;
  return { raw, listener, swarmId, agentId, temporary, orchestrate };
}

for (const name of templateNames) {
  test(`${name}: the program reaches its swarm as its worker's agent, and what it prints arrives`, async (t) => {
    const { raw, listener, swarmId, agentId, temporary, orchestrate } = await place(t, name);
    const taskId = await orchestrate('Say it');
    const { ended, status, result, usage } = await raw.call('task_wait', { swarmId, taskId, waitSeconds: 120 });
    assert.deepEqual([ended, status], [true, 'completed']);

    const { prompt, tools, refusals, secretInArguments } = result;
    assert.equal(prompt, 'Say it');
    assert.deepEqual(tools, profiles.agent.tools);
    assert.equal(refusals.length, 3);
    for (const refusal of refusals) assert.match(refusal, /there is no tool .* in the profile agent/);
    assert.equal(secretInArguments, false);
    const costUsd = knowsPrices.has(name) ? 0.25 : null;
    assert.deepEqual(usage, { inputTokens: 10, outputTokens: 5, costUsd, unknownAttempts: costUsd === null ? 1 : 0 });

    assert.equal((await raw.call('memory_retrieve', { swarmId, key: 'note' })).value, `by ${name}`);
    const { messages } = await listener.call('message_next', { waitSeconds: 0 });
    assert.deepEqual(
      messages.map(({ from, message }: any) => [from, message]),
      [[agentId, `from ${name}`]],
    );
    // Its worker was neither replaced nor lost.
    const { results } = await raw.call('task_results', { swarmId, taskId });
    assert.deepEqual(
      results.map((of: any) => [of.agentId, of.attempt, of.status]),
      [[agentId, 1, 'succeeded']],
    );
    const agent = await raw.call('agent_status', { swarmId, agentId });
    assert.deepEqual([agent.status, agent.restarts], ['active', 0]);
    assert.deepEqual(
      (await readdir(temporary)).filter((entry) => entry.startsWith('skein-')),
      [],
    );
    await raw.call('swarm_destroy', { swarmId });
    await noneLeft([agentId]);
  });
}

test('killed after it has printed its success it is a failure, which counts, and the work is done again', async (t) => {
  const { raw, swarmId, agentId, orchestrate } = await place(t, 'claude');
  const taskId = await orchestrate('hang');
  const assignment = async () => (await raw.call('task_status', { swarmId, taskId })).phases[0].assignments[0];
  const events = await connectRaw(t, raw.socket.remotePort!);
  await events.request('subscribe', { swarmId, from: 0 });
  const happens = async (type: string): Promise<any> => {
    for (;;) {
      const { params } = await events.message();
      if (params.event.type === type) return params.event;
    }
  };
  await happens('progress_reported');
  process.kill((await assignment()).progress.pid, 'SIGKILL');
  const { error, usage } = await happens('attempt_failed');
  assert.deepEqual([error.reason, usage?.costUsd], ['signal', 0.25]);

  const done = await raw.call('task_wait', { swarmId, taskId, waitSeconds: 120 });
  assert.deepEqual([done.ended, done.status, done.usage.costUsd], [true, 'completed', 0.5]);
  assert.equal((await assignment()).attempt, 2);
  await raw.call('swarm_destroy', { swarmId });
  await noneLeft([agentId]);
});
