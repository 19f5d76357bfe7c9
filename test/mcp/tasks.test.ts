/**
 * The extension io.modelcontextprotocol/tasks, written to the text of 2026-07-28 (modelcontextprotocol/ext-tasks,
 * specification/2026-07-28/tasks.md): with its official client, and message by message.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createTaskSessionFromClient } from '@modelcontextprotocol/ext-tasks/client';
import { tools, validate } from '../../src/spec.ts';
import { connectRaw, startServer, temporaryFolder, type RawConnection, type ServerProcess } from '../server-process.ts';
import { modernMeta, newestOfEach, v2Modern } from './clients.ts';

const extension = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
const declaring = { _meta: { ...modernMeta._meta, 'io.modelcontextprotocol/clientCapabilities': extension } };

/** A client's connection that declares the extension with each request. */
async function taskClient(t: TestContext, server: ServerProcess) {
  const connection = await connectRaw(t, server.port);
  const request = (method: string, params: object) => connection.request(method, { ...params, ...declaring });
  return {
    connection,
    request,
    call: async (name: string, args: object) => (await request('tools/call', { name, arguments: args })).result,
    get: async (taskId: string) => (await request('tasks/get', { taskId })).result,
  };
}

/** Does the next piece of work. */
async function work(worker: RawConnection, swarmId: string, result: unknown): Promise<void> {
  await worker.call('swarm_join', { swarmId });
  const { assignmentId, leaseToken } = (await worker.call('task_next', { waitSeconds: 60 })).assignment;
  await worker.call('task_complete', { assignmentId, leaseToken, result });
}

test('the official client of the extension', async (t) => {
  const server = await startServer(t);
  const worker = await connectRaw(t, server.port);
  const { client } = await v2Modern.connect(t, server.port);
  const raw = await connectRaw(t, server.port);
  const session = createTaskSessionFromClient(client, {
    endpointId: 'test',
    rawDispatch: async (request) => {
      const { method, params } = request as { method: string; params: object };
      const { result, error } = await raw.request(method, params);
      return error === undefined ? { kind: 'result', result } : { kind: 'error', error };
    },
    v2RequestFraming: {
      protocolVersion: '2026-07-28',
      clientInfo: { name: 'test', version: '1' },
      clientCapabilities: {},
    },
  });
  t.after(() => session.close());
  const { swarmId } = await worker.call('swarm_init');

  await t.test('a call that takes time ends with the result of the task', async () => {
    const execution = await session.callTool('task_orchestrate', { swarmId, task: 'greet' });
    await work(worker, swarmId, 'hello');
    const { outcome } = await execution.settle();
    assert.equal(outcome.status, 'completed');
    const { structuredContent } = (outcome as { result: any }).result;
    assert.deepEqual([structuredContent.status, structuredContent.result], ['completed', 'hello']);
    // What has ended is answered at once.
    const waited = await session.callTool('task_wait', { taskId: structuredContent.taskId });
    const { outcome: again } = await waited.settle();
    assert.equal((again as { result: any }).result.structuredContent.result, 'hello');
  });

  await t.test('cancelling it cancels the task', async () => {
    const execution = await session.callTool('task_orchestrate', {
      swarmId,
      task: { description: 'never', agentType: 'nobody' },
    });
    const settled = execution.settle();
    await execution.cancel();
    const { outcome } = await settled;
    assert.equal(outcome.status, 'cancelled');
    const { tasks } = await worker.call('task_list', { swarmId, filter: 'cancelled' });
    assert.equal(tasks.length, 1);
  });
});

test('handles', async (t) => {
  const dataDir = await temporaryFolder();
  const server = await startServer(t, { dataDir });
  const worker = await connectRaw(t, server.port);
  const { swarmId } = await worker.call('swarm_init');
  const client = await taskClient(t, server);

  await t.test('a handle is the task, and has no result yet', async () => {
    const handle = await client.call('task_orchestrate', { swarmId, task: 'greet' });
    const { taskId, createdAt, _meta, ...rest } = handle;
    assert.deepEqual(rest, {
      resultType: 'task',
      status: 'working',
      statusMessage: 'orchestrating, 0 of 1 done',
      lastUpdatedAt: createdAt,
      ttlMs: null,
      pollIntervalMs: 1000,
    });
    const shown = await client.get(taskId);
    assert.deepEqual(shown, { ...handle, resultType: 'complete', _meta: shown._meta });
    const waited = await client.call('task_wait', { taskId, waitSeconds: 600 });
    assert.deepEqual([waited.resultType, waited.taskId, waited.status], ['task', taskId, 'working']);
    // It does not wait, so there is no progress to tell.
    const { connection } = client;
    const wait = { name: 'task_wait', arguments: { taskId, waitSeconds: 600 } };
    const params = { ...wait, _meta: { ...declaring._meta, progressToken: 'p' } };
    connection.send({ jsonrpc: '2.0', id: 'wait', method: 'tools/call', params });
    assert.equal((await connection.message()).id, 'wait');
    assert.equal((await worker.call('task_status', { taskId })).createdAt, createdAt);
    await work(worker, swarmId, 'hello');
    const { status, result, resultType, lastUpdatedAt } = await client.get(taskId);
    assert.deepEqual([status, resultType, result.isError], ['completed', 'complete', undefined]);
    assert.equal(validate(tools.get('task_wait')!.output, result.structuredContent), null);
    assert.deepEqual(
      [result.structuredContent.result, JSON.parse(result.content[0].text)],
      ['hello', result.structuredContent],
    );
    assert.equal(result.structuredContent.endedAt, lastUpdatedAt);
    // There is nothing to wait for.
    assert.equal((await client.call('task_wait', { taskId })).structuredContent.ended, true);
    assert.deepEqual((await client.request('tasks/cancel', { taskId })).result.resultType, 'complete');
    assert.equal((await client.get(taskId)).status, 'completed');
  });

  await t.test('a task that fails is a result that says so', async () => {
    const task = { description: 'x', deadline: 0.01 };
    const { taskId } = await client.call('task_orchestrate', { swarmId, task });
    await worker.call('task_wait', { taskId, waitSeconds: 60 });
    const { status, statusMessage, result } = await client.get(taskId);
    assert.deepEqual([status, statusMessage], ['completed', 'failed: deadline_exceeded']);
    assert.deepEqual([result.isError, result.structuredContent.reason], [true, 'deadline_exceeded']);
  });

  await t.test('a cancelled one has none', async () => {
    const { taskId } = await client.call('task_orchestrate', { swarmId, task: 'x' });
    assert.deepEqual(Object.keys((await client.request('tasks/cancel', { taskId })).result), ['resultType', '_meta']);
    const { status, statusMessage, result } = await client.get(taskId);
    assert.deepEqual([status, result], ['cancelled', undefined]);
    assert.match(statusMessage, /cancelled by its MCP client$/);
  });

  await t.test('what there is not, and what is refused', async () => {
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const { error } = await client.request(method, { taskId: 'task_1_x' });
      assert.equal(error!.code, -32602);
      assert.match(error!.message, /task_1_x/);
      assert.equal((await client.request(method, { taskId: 7 })).error!.code, -32602);
    }
    for (const method of ['tasks/result', 'tasks/list']) {
      assert.equal((await client.request(method, { taskId: 'x' })).error!.code, -32601);
    }
    assert.equal((await client.call('task_orchestrate', { swarmId, tsk: 'x' })).isError, true);
    assert.equal((await client.call('task_wait', { taskId: 'task_1_x' })).isError, true);
  });

  await t.test('an answer to what was not asked is accepted and ignored', async () => {
    const { taskId } = await client.call('task_orchestrate', { swarmId, task: 'x' });
    const { result } = await client.request('tasks/update', { taskId, inputResponses: { a: { action: 'accept' } } });
    assert.equal(result.resultType, 'complete');
    assert.equal((await client.get(taskId)).status, 'working');
    await client.request('tasks/cancel', { taskId });
  });

  await t.test('that it changes is not told, and nothing else is said', async () => {
    const { connection } = client;
    const params = { notifications: { taskIds: ['task_1_x'] }, ...declaring };
    connection.send({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params });
    assert.deepEqual((await connection.message()).params.notifications, {});
    connection.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'l' } });
  });

  await t.test('what is listed says what such a call may end with', async () => {
    const { tools: listed, cacheScope } = (await client.request('tools/list', {})).result;
    const { outputSchema } = listed.find(({ name }: { name: string }) => name === 'task_orchestrate');
    assert.equal(cacheScope, 'private');
    const { taskId } = await client.call('task_orchestrate', { swarmId, task: 'x' });
    const { structuredContent } = await worker
      .request('tools/call', {
        name: 'task_wait',
        arguments: { taskId, waitSeconds: 0 },
        ...modernMeta,
      })
      .then(({ result }) => result);
    assert.equal(validate(outputSchema, structuredContent), null);
    await client.request('tasks/cancel', { taskId });
  });

  await t.test('a handle outlives the coordinator', async (t) => {
    const { taskId, createdAt } = await client.call('task_orchestrate', { swarmId, task: 'later' });
    server.kill('SIGKILL');
    await server.ended;
    const next = await startServer(t, { dataDir });
    const again = await taskClient(t, next);
    assert.deepEqual([(await again.get(taskId)).status, (await again.get(taskId)).createdAt], ['working', createdAt]);
    await work(await connectRaw(t, next.port), swarmId, 'done');
    assert.equal((await again.get(taskId)).result.structuredContent.result, 'done');
  });
});

test('who does not declare the extension sees nothing of it', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'x' });
  const modern = await connectRaw(t, server.port);
  for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
    const { error } = await modern.request(method, { taskId, ...modernMeta });
    assert.deepEqual([error!.code, error!.data], [-32021, { requiredCapabilities: extension }]);
  }
  const listen = await modern.request('subscriptions/listen', { notifications: { taskIds: [taskId] }, ...modernMeta });
  assert.deepEqual([listen.error!.code, listen.error!.data], [-32021, { requiredCapabilities: extension }]);
  assert.equal((await plain.call('task_status', { taskId })).status, 'orchestrating');
  const wait = { name: 'task_wait', arguments: { taskId, waitSeconds: 0 }, ...modernMeta };
  assert.equal((await modern.request('tools/call', wait)).result.structuredContent.ended, false);
  const { tools: listed, cacheScope } = (await modern.request('tools/list', modernMeta)).result;
  assert.equal(cacheScope, 'public');
  assert.deepEqual(
    listed.find(({ name }: { name: string }) => name === 'task_orchestrate').outputSchema,
    JSON.parse(JSON.stringify(tools.get('task_orchestrate')!.output)),
  );

  // The legacy era has other messages of these names, which this server does not know.
  for (const { name, revision, connect } of newestOfEach) {
    if (revision === '2026-07-28') continue;
    const { client } = await connect(t, server.port);
    const { extensions, tasks } = client.getServerCapabilities() as Record<string, unknown>;
    assert.deepEqual([extensions, tasks], [undefined, undefined], name);
  }
  const legacy = await connectRaw(t, server.port);
  const clientInfo = { name: 'test', version: '1' };
  await legacy.request('initialize', { protocolVersion: '2025-11-25', capabilities: extension, clientInfo });
  assert.equal((await legacy.request('tasks/get', { taskId })).error!.code, -32601);
  const legacyWait = { name: 'task_wait', arguments: { taskId, waitSeconds: 0 } };
  assert.equal((await legacy.request('tools/call', legacyWait)).result.structuredContent.ended, false);
});
