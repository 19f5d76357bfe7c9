/** Approvals through real connections, the command line, and a crash. Protocol: section "Approvals". */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { runCli } from '../examples/run-cli.ts';
import { connectRaw, startServer, temporaryFolder, type RawConnection, type ServerProcess } from '../server-process.ts';

/** An agent at work, and somebody who acts as none. */
async function atWork(t: TestContext, server: ServerProcess, join: object = {}) {
  const [agent, person] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  const { swarmId } = await person.call('swarm_init');
  const { agentId, resumeToken } = await agent.call('swarm_join', { swarmId, name: 'ann', ...join });
  const { taskId } = await person.call('task_orchestrate', { swarmId, task: { description: 'Publish' } });
  const { assignment } = await agent.call('task_next', { waitSeconds: 60 });
  return { agent, person, swarmId, agentId, taskId, resumeToken, assignment };
}

/** Resolves with what waits, as soon as something does. */
async function waiting(person: RawConnection, swarmId: string): Promise<any[]> {
  for (;;) {
    const { approvals } = await person.call('swarm_status', { swarmId });
    if (approvals.length > 0) return approvals;
  }
}

const publish = { tool_name: 'Bash', input: { command: 'npm publish' }, tool_use_id: 'toolu_1' };

test('a person sees on the command line what an agent asks, and allows it', async (t) => {
  const server = await startServer(t);
  const { agent, person, swarmId, agentId, taskId } = await atWork(t, server);
  const asked = agent.call('approve', publish);
  const [{ approvalId }] = (await waiting(person, swarmId)) as [{ approvalId: string }];

  const hint = `skein approve ${approvalId}   or   skein deny ${approvalId}`;
  for (const command of [['status'], ['task', taskId]]) {
    const { exitCode, stdout } = await runCli(t, server, ...command);
    assert.equal(exitCode, 0);
    assert.ok(stdout.includes(`${agentId} asks to use Bash in ${taskId}: {"command":"npm publish"}`), stdout);
    assert.ok(stdout.includes(hint), stdout);
    assert.ok(/work.*needs a person/.test(stdout), stdout);
  }

  const allowed = await runCli(t, server, 'approve', approvalId.slice(-6));
  assert.equal(allowed.exitCode, 0, allowed.stderr);
  assert.deepEqual(allowed.stdout.split('\n'), [
    `allowed ${approvalId}`,
    `  agent ${agentId} asks to use Bash in ${taskId}: {"command":"npm publish"}`,
    '',
  ]);
  const { behavior, updatedInput } = await asked;
  assert.deepEqual([behavior, updatedInput], ['allow', publish.input]);

  const again = await runCli(t, server, 'deny', approvalId);
  assert.deepEqual([again.exitCode, again.stdout], [1, '']);
  assert.match(again.stderr, /^skein: approval_answered: approval .* was allowed at /);
  const { stdout } = await runCli(t, server, 'status');
  assert.ok(!stdout.includes('asks to use'), stdout);
});

test('a person denies with a word of advice, or allows something else', async (t) => {
  const server = await startServer(t);
  const { agent, person, swarmId } = await atWork(t, server);
  const denied = agent.call('approve', publish);
  await waiting(person, swarmId);
  // Of all that waits it is the only one.
  const empty = await runCli(t, server, 'approve', '');
  assert.ok(empty.exitCode !== 0 && empty.stderr.includes('the id is empty'), empty.stderr);
  assert.equal((await runCli(t, server, 'deny', 'approval_', '--message', 'after the tests')).exitCode, 0);
  const { behavior, message } = await denied;
  assert.deepEqual([behavior, message], ['deny', 'after the tests']);

  const [one, two] = [agent.call('approve', { ...publish, tool_use_id: 'a' }), agent.call('approve', publish)];
  assert.equal((await two).behavior, 'deny', 'what was denied under a name stays denied under it');
  const [first] = await waiting(person, swarmId);
  const otherwise = '{"command":"npm publish --dry-run"}';
  const faulty = await runCli(t, server, 'approve', first!.approvalId, '--input', 'npm publish --dry-run');
  assert.deepEqual([faulty.exitCode, /^skein: --input is not a JSON object/.test(faulty.stderr)], [1, true]);
  assert.equal((await runCli(t, server, 'approve', first!.approvalId, '--input', otherwise)).exitCode, 0);
  assert.deepEqual((await one).updatedInput, { command: 'npm publish --dry-run' });

  const unknown = await runCli(t, server, 'approve', 'xyz');
  assert.equal(unknown.exitCode, 1);
  assert.match(unknown.stderr, /^skein: approval_not_found: /);
});

test('the answer that is given while server and agent are away is there when the agent asks again', async (t) => {
  const dataDir = await temporaryFolder();
  const first = await startServer(t, { dataDir });
  const before = await atWork(t, first);
  before.agent.call('approve', publish).catch(() => {});
  const [{ approvalId }] = (await waiting(before.person, before.swarmId)) as [{ approvalId: string }];
  first.kill('SIGKILL');
  await first.ended;

  const second = await startServer(t, { dataDir });
  assert.equal((await runCli(t, second, 'approve', approvalId)).exitCode, 0);
  second.kill('SIGKILL');
  await second.ended;

  const third = await startServer(t, { dataDir });
  const agent = await connectRaw(t, third.port);
  const { held } = await agent.call('swarm_join', { token: before.resumeToken });
  assert.equal(held.length, 1);
  const answer = await agent.call('approve', { ...publish, assignmentId: held[0].assignmentId });
  assert.deepEqual([answer.behavior, answer.approvalId, answer.updatedInput], ['allow', approvalId, publish.input]);
  const { leaseToken, assignmentId } = held[0];
  assert.equal((await agent.call('task_complete', { assignmentId, leaseToken, result: 1 })).taskStatus, 'completed');
});

test('the same question after a reconnect is the same approval, and is answered once', async (t) => {
  const server = await startServer(t);
  const { agent, person, swarmId, resumeToken } = await atWork(t, server);
  agent.call('approve', publish).catch(() => {});
  const [{ approvalId }] = (await waiting(person, swarmId)) as [{ approvalId: string }];
  agent.socket.destroy();
  const back = await connectRaw(t, server.port);
  await back.call('swarm_join', { token: resumeToken });
  const asked = back.call('approve', publish);
  assert.equal((await waiting(person, swarmId)).length, 1);
  await person.call('approval_decide', { approvalId, behavior: 'allow' });
  assert.equal((await asked).approvalId, approvalId);
});

test('an agent that waits keeps its lease and its time', async (t) => {
  const server = await startServer(t);
  const { agent, person, swarmId, assignment } = await atWork(t, server, { leaseSeconds: 3 });
  const { version } = await person.call('swarm_status', { swarmId });
  const asked = agent.call('approve', publish);
  await person.request('subscribe', { swarmId, from: version });
  let approvalId: string | undefined;
  // A lease is renewed three times before it would be over.
  for (let renewed = 0; renewed < 4;) {
    const { event } = (await person.message()).params;
    assert.notEqual(event.type, 'attempt_failed', 'its lease was lost');
    approvalId ??= event.approvalId;
    if (event.type === 'leases_renewed') renewed += 1;
  }
  await person.call('approval_decide', { approvalId, behavior: 'allow' });
  assert.equal((await asked).behavior, 'allow');
  const { assignmentId, leaseToken } = assignment;
  const { waitedMs } = await agent.call('task_update', { assignmentId, leaseToken });
  assert.ok(waitedMs > 0);
  await agent.call('task_complete', { assignmentId, leaseToken, result: null });
});

test('whoever waits is told when the task is cancelled', async (t) => {
  const server = await startServer(t);
  const { agent, person, swarmId, taskId } = await atWork(t, server);
  const asked = agent.call('approve', publish);
  await waiting(person, swarmId);
  await person.call('task_cancel', { taskId });
  const { behavior, message } = await asked;
  assert.deepEqual([behavior, message], ['deny', 'the work for which this was asked is over']);
  assert.deepEqual((await person.call('swarm_status', { swarmId })).approvals, []);
});

test('who says how long it waits is told that nobody has answered', async (t) => {
  const server = await startServer(t);
  const { agent } = await atWork(t, server);
  const { behavior, approvalId } = await agent.call('approve', { ...publish, waitSeconds: 0.05 });
  assert.equal(behavior, 'waiting');
  assert.equal((await agent.call('approve', { ...publish, waitSeconds: 0.05 })).approvalId, approvalId);
});

test('an input that is too long to be shown is shown by its beginning, and given back whole', async (t) => {
  const server = await startServer(t);
  const { agent, person, swarmId } = await atWork(t, server);
  const input = { file_path: 'a.txt', content: 'x'.repeat(100_000) };
  const asked = agent.call('approve', { tool_name: 'Write', input });
  const [approval] = await waiting(person, swarmId);
  assert.equal(approval.input.tooLarge, true);
  assert.equal(approval.input.characters, JSON.stringify(input).length);
  assert.ok(approval.input.begins.startsWith('{"file_path":"a.txt","content":"xxx'));
  await person.call('approval_decide', { approvalId: approval.approvalId, behavior: 'allow' });
  assert.deepEqual((await asked).updatedInput, input);
});
