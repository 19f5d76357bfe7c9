/**
 * `approve` as the permission prompt tool of Claude Code, which wants one text and JSON in it, and cannot do with a result
 * that has `structuredContent`. Asked by the official clients.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { freePort } from '../ports.ts';
import { cli, connectRaw, startServer, temporaryFolder, type RawConnection } from '../server-process.ts';
import { call, newestOfEach } from './clients.ts';

/** What is left of an answer in which the caller knows nothing else. */
const known = ({ behavior, updatedInput, message }: any) => ({ behavior, updatedInput, message });

for (const { name, connect } of newestOfEach) {
  test(`${name}: asks a person, and is answered with text alone`, async (t) => {
    const server = await startServer(t);
    const person = await connectRaw(t, server.port);
    const { swarmId } = await person.call('swarm_init');
    const { client } = await connect(t, server.port);
    await call(client, 'swarm_join', { swarmId });
    await person.call('task_orchestrate', { swarmId, task: 'Publish' });
    const { assignment } = await call(client, 'task_next');

    const { tools } = await client.listTools();
    const approve = tools.find((tool) => tool.name === 'approve')!;
    assert.equal(approve.outputSchema, undefined);
    assert.ok(tools.every((tool) => tool.name === 'approve' || tool.outputSchema !== undefined));

    /** As it asks, with what a later version of it might say beside that. */
    const ask = async (toolUseId: string, answer: object) => {
      let waits = (): void => {};
      const begun = new Promise<void>((resolve) => (waits = resolve));
      const asked = client.callTool(
        {
          name: 'approve',
          arguments: { tool_name: 'Bash', input: { command: 'ls' }, tool_use_id: toolUseId, blocked_path: '/etc' },
        },
        { onprogress: () => waits() },
      );
      await Promise.race([begun, asked]);
      const { approvals } = await person.call('swarm_status', { swarmId });
      assert.equal(approvals[0].assignmentId, assignment.assignmentId);
      await person.call('approval_decide', { approvalId: approvals[0].approvalId, ...answer });
      const result: any = await asked;
      assert.deepEqual([result.structuredContent, result.isError], [undefined, undefined]);
      assert.deepEqual(
        result.content.map(({ type }: any) => type),
        ['text'],
      );
      return known(JSON.parse(result.content[0].text));
    };

    assert.deepEqual(await ask('toolu_1', { behavior: 'allow' }), {
      behavior: 'allow',
      updatedInput: { command: 'ls' },
      message: undefined,
    });
    assert.deepEqual(await ask('toolu_2', { behavior: 'deny', message: 'no' }), {
      behavior: 'deny',
      updatedInput: undefined,
      message: 'no',
    });
    await client.close();
  });
}

test('the program that a worker runs asks beside it, over the bridge, and is answered after a crash of the coordinator', async (t) => {
  const dataDir = await temporaryFolder();
  const server = await startServer(t, { dataDir, port: await freePort() });
  const worker = await connectRaw(t, server.port);
  const { swarmId } = await worker.call('swarm_init');
  const { agentId } = await worker.call('swarm_join', { swarmId });
  const { taskId } = await worker.call('task_orchestrate', { swarmId, task: 'Publish' });
  const { assignmentId, leaseToken } = (await worker.call('task_next')).assignment;

  const client = new Client({ name: 'test', version: '1' });
  const transport = new StdioClientTransport({
    command: cli[0]!,
    args: [...cli.slice(1), 'bridge', '--port', String(server.port), '--profile', 'agent'],
    env: { ...process.env, SKEIN_ASSIGNMENT_ID: assignmentId, SKEIN_LEASE_TOKEN: leaseToken } as Record<string, string>,
  });
  t.after(() => transport.close());
  await client.connect(transport);
  const ask = (tool_use_id: string) =>
    call(client, 'approve', { tool_name: 'Bash', input: { command: 'npm publish' }, tool_use_id });
  const waiting = async (person: RawConnection, many = 1): Promise<any[]> => {
    const { approvals } = await person.call('swarm_status', { swarmId });
    return approvals.length === many ? approvals : waiting(person, many);
  };

  const asked = ask('toolu_1');
  const [{ approvalId, ...of }] = (await waiting(worker)) as [any];
  assert.deepEqual([of.agentId, of.assignmentId], [agentId, assignmentId]);
  server.kill('SIGKILL');
  await server.ended;
  const again = await startServer(t, { dataDir, port: server.port });
  const person = await connectRaw(t, again.port);
  await person.call('approval_decide', { approvalId, behavior: 'allow' });
  assert.deepEqual(known(await asked).updatedInput, { command: 'npm publish' });

  // Its claim is over: so is what it has asked, and what it might still ask.
  const second = ask('toolu_2');
  await waiting(person);
  await person.call('task_cancel', { taskId });
  const { behavior, message } = await second;
  assert.equal(behavior, 'deny');
  assert.match(message, /is over/);
  assert.deepEqual(await waiting(person, 0), []);
  await assert.rejects(ask('toolu_3'), /lease_lost/);
});
