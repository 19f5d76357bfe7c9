/**
 * `approve` as the permission prompt tool of Claude Code, which wants one text and JSON in it, and cannot do with a result
 * that has `structuredContent`. Asked by the official clients.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, startServer } from '../server-process.ts';
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
