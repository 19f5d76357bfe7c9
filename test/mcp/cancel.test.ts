/** Who does not wait any more holds nothing: cancelled requests, closed and killed connections. And progress for who waits. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { tellWhileWaiting } from '../../src/dialects/mcp/progress.ts';
import { connectRaw, startServer, type RawConnection, type ServerProcess } from '../server-process.ts';
import { call, modernMeta, newestOfEach } from './clients.ts';

/** A swarm with a plain worker that has joined. */
async function swarmWithPlainWorker(
  t: TestContext,
  server: ServerProcess,
): Promise<{ swarmId: string; plain: RawConnection }> {
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  await plain.call('swarm_join', { swarmId, name: 'plain' });
  return { swarmId, plain };
}

/** Resolves when the client has been told that its call waits. */
function waiting(client: Client, name: string, args: Record<string, unknown>, signal?: AbortSignal) {
  let answer!: Promise<unknown>;
  const begun = new Promise<void>((resolve) => {
    answer = client.callTool({ name, arguments: args }, { onprogress: () => resolve(), ...(signal && { signal }) });
  });
  // Whoever looks at the answer does so later.
  answer.catch(() => {});
  return { begun, answer };
}

const held = ({ assignmentId, leaseToken }: { assignmentId: string; leaseToken: string }) => ({
  assignmentId,
  leaseToken,
});

test('cancelling', async (t) => {
  const server = await startServer(t);

  for (const { name, connect } of newestOfEach) {
    await t.test(`${name}: a cancelled task_next claims nothing`, async (t) => {
      const { swarmId, plain } = await swarmWithPlainWorker(t, server);
      const { client } = await connect(t, server.port);
      const { agentId } = await call(client, 'swarm_join', { swarmId });
      const cancel = new AbortController();
      const next = waiting(client, 'task_next', { waitSeconds: 600 }, cancel.signal);
      await next.begun;
      cancel.abort('changed my mind');
      await assert.rejects(next.answer, /changed my mind/);
      // Its next call comes after the cancellation, so what is submitted after that finds nobody waiting.
      assert.equal((await call(client, 'agent_status', { agentId })).status, 'active');
      const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'for the other one' });
      const { assignment } = await plain.call('task_next', { waitSeconds: 600 });
      assert.deepEqual([assignment.taskId, assignment.attempt], [taskId, 1]);
      await client.close();
    });

    await t.test(`${name}: the work of a killed client is claimed by another`, async (t) => {
      const { swarmId, plain } = await swarmWithPlainWorker(t, server);
      const { client, transport } = await connect(t, server.port);
      await call(client, 'swarm_join', { swarmId });
      const next = waiting(client, 'task_next', { waitSeconds: 600 });
      await next.begun;
      transport.break();
      const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'for the other one' });
      const { assignment } = await plain.call('task_next', { waitSeconds: 600 });
      assert.deepEqual([assignment.taskId, assignment.attempt], [taskId, 1]);
    });
  }

  for (const [era, meta] of [
    ['legacy', {}],
    ['modern', modernMeta],
  ] as const) {
    await t.test(`${era}: what was claimed when the cancellation came is given back`, async (t) => {
      const { swarmId, plain } = await swarmWithPlainWorker(t, server);
      const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'once' });
      const mcp = await connectRaw(t, server.port);
      if (era === 'legacy') {
        const clientInfo = { name: 'test', version: '1' };
        await mcp.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
      }
      const join = { name: 'swarm_join', arguments: { swarmId }, ...meta };
      const { agentId } = (await mcp.request('tools/call', join)).result.structuredContent;
      // In one write: the claim is decided and its answer not yet made when the cancellation is read. The id is one that
      // MCP's library does not know.
      const next = { name: 'task_next', arguments: { waitSeconds: 600 }, ...meta };
      mcp.socket.write(
        [
          `{"jsonrpc":"2.0","id":1.50,"method":"tools/call","params":${JSON.stringify(next)}}`,
          '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.5,"reason":"too late"}}',
          '',
        ].join('\n'),
      );
      const { assignment } = await plain.call('task_next', { waitSeconds: 600 });
      assert.equal(assignment.taskId, taskId);
      const status = { name: 'agent_status', arguments: { agentId }, ...meta };
      // The only line: a cancelled request is not answered.
      mcp.send({ jsonrpc: '2.0', id: 'status', method: 'tools/call', params: status });
      const reply = await mcp.message();
      assert.deepEqual([reply.id, reply.result.structuredContent.status], ['status', 'active']);
    });
  }

  await t.test('a claim is delivered or given back, whenever the cancellation comes', async (t) => {
    const { swarmId, plain } = await swarmWithPlainWorker(t, server);
    const mcp = await connectRaw(t, server.port);
    const asMcp = (id: number, name: string, args: object) =>
      mcp.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, ...modernMeta } });
    asMcp(0, 'swarm_join', { swarmId });
    await mcp.message();
    // Nobody knows when the claim is made: so the cancellation comes a little later each time.
    for (let round = 1; round <= 40; round++) {
      asMcp(round, 'task_next', { waitSeconds: 600 });
      plain.send({
        jsonrpc: '2.0',
        id: 0,
        method: 'tools/call',
        params: { name: 'task_orchestrate', arguments: { swarmId, task: 'x' } },
      });
      for (let turn = 0; turn < round % 8; turn++) await new Promise(setImmediate);
      mcp.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: round } });
      const { taskId } = (await plain.message()).result;
      // Answered after the cancellation, so that the answer to what was cancelled would have come before.
      asMcp(-round, 'task_list', { swarmId });
      let reply = await mcp.message();
      if (reply.id === round) {
        const { assignmentId, leaseToken } = reply.result.structuredContent.assignment;
        reply = await mcp.message();
        asMcp(0, 'task_complete', { assignmentId, leaseToken, result: round });
        await mcp.message();
      } else {
        const { assignment } = await plain.call('task_next', { waitSeconds: 600 });
        assert.equal(assignment.taskId, taskId);
        await plain.call('task_complete', { ...held(assignment), result: round });
      }
      assert.equal(reply.id, -round);
      assert.equal((await plain.call('task_status', { taskId })).status, 'completed');
    }
  });

  await t.test('each progress token gets its own, and nobody else any', async (t) => {
    const mcp = await connectRaw(t, server.port);
    const { swarmId } = (await mcp.request('tools/call', { name: 'swarm_init', ...modernMeta })).result
      .structuredContent;
    await mcp.request('tools/call', { name: 'swarm_join', arguments: { swarmId }, ...modernMeta });
    const next = (id: string, token?: string | number) =>
      mcp.send({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: {
          name: 'message_next',
          arguments: { waitSeconds: 600 },
          _meta: { ...modernMeta._meta, ...(token !== undefined && { progressToken: token }) },
        },
      });
    next('silent');
    next('told', 'a token');
    next('told too', 0);
    for (const progressToken of ['a token', 0]) {
      const { method, params } = await mcp.message();
      assert.equal(method, 'notifications/progress');
      assert.deepEqual(params, { progressToken, progress: 0, total: 45, message: 'waiting, for up to 45 s' });
    }
  });
});

test('progress goes on while a call waits, and ends with it', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const told: number[][] = [];
  const end = tellWhileWaiting((...progress) => told.push(progress), 45);
  t.mock.timers.tick(25_000);
  end();
  t.mock.timers.tick(25_000);
  assert.deepEqual(told, [
    [0, 45],
    [10, 45],
    [20, 45],
  ]);
});
