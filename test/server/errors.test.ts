/** What is refused, with which code and reason, and that the message says what would be right. Protocol: "Errors". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors, methods, tools } from '../../src/spec.ts';
import { connectRaw, startServer, type RawReply } from '../server-process.ts';

/** A refusal in the shape of the reference document, with the code that the protocol gives its reason. */
function assertRefused({ error }: RawReply, reason: string, message: RegExp, data: object = {}): void {
  assert.ok(error !== undefined, `expected ${reason}`);
  assert.equal(error.data.reason, reason, error.message);
  assert.deepEqual(Object.keys(error), ['code', 'message', 'data']);
  assert.equal(error.code, errors.get(reason)!.code);
  assert.equal(error.data.definite, errors.get(reason)!.definite);
  assert.match(error.message, message);
  assert.deepEqual({ ...error.data, ...data }, error.data);
}

test('errors', async (t) => {
  const server = await startServer(t);
  const connection = await connectRaw(t, server.port);
  const tool = (name: string, args?: unknown): Promise<RawReply> =>
    connection.request('tools/call', args === undefined ? { name } : { name, arguments: args });

  await t.test('without any swarm', async () => {
    const args: Readonly<Record<string, object>> = {
      task_orchestrate: { task: 'x' },
      agent_status: { agentId: 'agent_1' },
      agent_stop: { agentId: 'agent_1' },
      agent_message: { agentId: 'agent_1', message: 1 },
      task_wait: { taskId: 'task_1' },
      task_results: { taskId: 'task_1' },
      task_cancel: { taskId: 'task_1' },
      memory_store: { key: 'k', value: 1 },
      memory_retrieve: { key: 'k' },
      memory_delete: { key: 'k' },
    };
    const without = [
      'swarm_status',
      'agent_spawn',
      'agent_list',
      'task_status',
      'task_list',
      'swarm_join',
      'memory_list',
    ];
    for (const name of [...without, ...Object.keys(args)]) {
      assertRefused(await tool(name, args[name]), 'swarm_not_found', /create one with swarm_init/);
    }
    assertRefused(await connection.request('subscribe', {}), 'swarm_not_found', /create one with swarm_init/);
    assert.deepEqual((await connection.call('swarm_list')).swarms, []);
    assert.equal((await connection.call('server_info')).swarms, 0);
  });

  const { swarmId } = await connection.call('swarm_init', { maxAgents: 3 });

  await t.test('a method that there is not', async () => {
    const unknown = async (method: string, message: RegExp): Promise<void> =>
      assertRefused(await connection.request(method, {}), 'method_not_found', message, { method });
    await unknown('pong', /no method pong: did you mean ping\?/);
    await unknown('tools/cal', /did you mean tools\/call\?/);
    await unknown('resources/list', /there (is|are)/);
    for (const method of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'rpc.discover']) {
      await unknown(method, /there is no method/);
    }
    for (const name of tools.keys()) {
      await unknown(
        name,
        new RegExp(`${name} is a tool: call it with method tools/call and params {"name": "${name}"`),
      );
    }
    const long = (await connection.request('x'.repeat(100_000))).error!;
    assert.ok(long.message.length < 400 && long.data.method.length < 80);
  });

  await t.test('a tool that there is not', async () => {
    assertRefused(await tool('agent_spwan'), 'unknown_tool', /no tool agent_spwan: did you mean agent_spawn\?/);
    assertRefused(await tool('swarminit'), 'unknown_tool', /did you mean swarm_init\?/);
    assertRefused(await tool('ping'), 'unknown_tool', /tools\/list shows|did you mean/);
    for (const name of ['constructor', '__proto__', 'toString']) {
      assertRefused(await tool(name, {}), 'unknown_tool', /there is no tool/, { tool: name });
    }
  });

  await t.test('tools/call itself', async () => {
    const refused = async (params: unknown, message: RegExp): Promise<void> =>
      assertRefused(await connection.request('tools/call', params), 'invalid_arguments', message);
    await refused(undefined, /tools\/call: name is missing/);
    await refused({}, /tools\/call: name is missing/);
    await refused([], /tools\/call: .*must be object/);
    await refused({ name: 1 }, /name must be string/);
    await refused({ name: 'agent_list', arguments: [] }, /arguments must be object/);
    await refused({ name: 'agent_list', arguments: 'all' }, /arguments must be object/);
    await refused({ name: 'agent_list', arguments: null }, /arguments must be object/);
    assert.deepEqual((await connection.request('tools/call', { name: 'agent_list', _meta: {} })).result.agents, []);
  });

  await t.test('an unknown argument names the nearest known one, at every depth', async () => {
    const task = { description: 'x' };
    for (const [name, args, path, nearest] of [
      ['agent_spawn', { agent_type: 'coder' }, 'agent_type', 'agentType'],
      [
        'agent_spawn',
        { agentType: 'coder', resources: { memory_limit: '1Gi' } },
        'resources.memory_limit',
        'memoryLimit',
      ],
      ['agent_list', { filtr: 'all' }, 'filtr', 'filter'],
      ['swarm_init', { max_agents: 3 }, 'max_agents', 'maxAgents'],
      ['swarm_init', { config: { maxAgent: 3 } }, 'config.maxAgent', 'maxAgents'],
      ['swarm_init', { initialAgents: [{ typ: 'coder' }] }, 'initialAgents.0.typ', 'type'],
      ['task_orchestrate', { task, stratgy: 'adaptive' }, 'stratgy', 'strategy'],
      ['task_orchestrate', { task: { ...task, paralelism: 2 } }, 'task.paralelism', 'parallelism'],
      ['task_orchestrate', { task: { ...task, descripton: 'x' } }, 'task.descripton', 'description'],
      ['task_orchestrate', { task, execution: { retryPolice: 'none' } }, 'execution.retryPolice', 'retryPolicy'],
      [
        'task_orchestrate',
        { task: { ...task, phases: [{ name: 'a' }, { name: 'b', dependecies: ['a'] }] } },
        'task.phases.1.dependecies',
        'dependencies',
      ],
      ['memory_store', { key: 'k', value: 1, TTL: 1 }, 'TTL', 'ttl'],
      [
        'task_complete',
        { assignmentId: 'a', leaseToken: 'l', result: 1, usage: { inputToken: 1 } },
        'usage.inputToken',
        'inputTokens',
      ],
      ['task_status', { taskID: 'task_1' }, 'taskID', 'taskId'],
    ] as const) {
      const hint = new RegExp(`^${name}: unknown argument ${path.replaceAll('.', '\\.')}: did you mean ${nearest}\\?`);
      assertRefused(await tool(name, args), 'invalid_arguments', hint, { tool: name, path });
    }
    assertRefused(await tool('agent_list', { zzzzzzzzzz: 1 }), 'invalid_arguments', /known are .*swarmId/);
  });

  await t.test('an argument that is missing or not what it must be', async () => {
    for (const [name, args, message] of [
      ['agent_status', {}, /^agent_status: agentId is missing/],
      ['task_orchestrate', {}, /^task_orchestrate: task is missing/],
      [
        'task_orchestrate',
        { task: 'x', execution: { retryPolicy: 'none', maxAttempts: 7 } },
        /^maxAttempts has no effect on this task: it needs a retryPolicy other than none/,
      ],
      ['task_decide', { taskId: 't', choice: 't/work/1', reason: 'x' }, /reason has no effect on a choice/],
      [
        'swarm_init',
        {
          topology: 'hierarchical',
          initialAgents: [
            { type: 'a', name: 'p' },
            { type: 'a', name: 'p' },
            { type: 'a', parent: 'p' },
          ],
        },
        /^initialAgents\[2\]\.parent is p, which is the name of several agents/,
      ],
      ['task_orchestrate', { task: {} }, /task\.description is missing/],
      ['task_orchestrate', { task: 7 }, /^task_orchestrate: task must /],
      ['task_orchestrate', { task: '' }, /task/],
      ['task_orchestrate', { task: { description: 'x', parallelism: '3' } }, /task\.parallelism must be integer/],
      [
        'task_orchestrate',
        { task: { description: 'x', priority: 'urgent' } },
        /task\.priority must be one of critical, /,
      ],
      ['task_orchestrate', { task: 'x', execution: { mode: 'local' } }, /execution\.mode must be one of distributed/],
      ['task_orchestrate', { task: { description: 'x', phases: [] } }, /task\.phases/],
      ['memory_store', { key: 'k' }, /value is missing/],
      ['memory_store', { key: 'k', value: 1, ttl: 0 }, /ttl must be > 0/],
      ['memory_store', { key: 'k', value: 1, ttl: -1 }, /ttl must be > 0/],
      ['memory_store', { key: 'k', value: 1, ttl: 'soon' }, /ttl must be number/],
      ['memory_store', { key: '', value: 1 }, /key/],
      ['memory_store', { key: 'é'.repeat(300), value: 1 }, /key must be at most 512 bytes of UTF-8, not 600/],
      ['memory_store', { key: '\ud800', value: 1 }, /key must be well-formed Unicode/],
      ['memory_retrieve', { key: 'k', namespace: '\udfff' }, /namespace must be well-formed Unicode/],
      ['memory_delete', { key: 'k', requestId: '\udfff' }, /requestId must be well-formed Unicode/],
      ['memory_list', { prefix: 'a', cursor: 'b' }, /cursor belongs to a list with another prefix/],
      ['memory_list', { prefix: '\ud800' }, /prefix|Unicode/],
      ['memory_list', { limit: 0 }, /limit must be >= 1/],
      ['swarm_init', { maxAgents: 0 }, /maxAgents must be >= 1/],
      ['swarm_init', { maxAgents: 2.5 }, /maxAgents must be integer/],
      ['swarm_init', { config: { consensusThreshold: 0 } }, /config\.consensusThreshold must be > 0/],
      ['agent_spawn', { agentType: 'rm -rf /' }, /agentType must match pattern/],
      ['task_wait', { taskId: 'task_1', waitSeconds: 601 }, /waitSeconds must be <= 600/],
    ] as const) {
      assertRefused(await tool(name, args), 'invalid_arguments', message);
    }
    assertRefused(
      await connection.request('subscribe', { from: 'start' }),
      'invalid_arguments',
      /from must be integer/,
    );
    assertRefused(await connection.request('subscribe', { swarm: 1 }), 'invalid_arguments', /did you mean swarmId\?/);
    assertRefused(await connection.request('unsubscribe', {}), 'invalid_arguments', /subscriptionId or a swarmId/);
    assertRefused(await connection.request('ping', []), 'invalid_arguments', /must be object/);
  });

  await t.test('what there is not', async () => {
    const unknownSwarm = { swarmId: 'swarm_123' };
    for (const [name, args, reason, message] of [
      ['swarm_status', unknownSwarm, 'swarm_not_found', /no swarm swarm_123: swarm_list shows/],
      ['agent_spawn', unknownSwarm, 'swarm_not_found', /no swarm swarm_123/],
      ['task_orchestrate', { ...unknownSwarm, task: 'x' }, 'swarm_not_found', /no swarm swarm_123/],
      ['memory_store', { ...unknownSwarm, key: 'k', value: 1 }, 'swarm_not_found', /no swarm swarm_123/],
      ['memory_list', unknownSwarm, 'swarm_not_found', /no swarm swarm_123/],
      ['swarm_destroy', unknownSwarm, 'swarm_not_found', /no swarm swarm_123/],
      ['agent_status', { agentId: 'agent_1' }, 'agent_not_found', /no agent agent_1: agent_list shows/],
      ['agent_stop', { agentId: 'agent_1' }, 'agent_not_found', /no agent agent_1/],
      ['agent_message', { agentId: 'agent_1', message: 1 }, 'agent_not_found', /no agent agent_1/],
      ['task_status', { taskId: 'task_1' }, 'task_not_found', /no task task_1/],
      ['task_wait', { taskId: 'task_1' }, 'task_not_found', /no task task_1/],
      ['task_results', { taskId: 'task_1' }, 'task_not_found', /no task task_1/],
      ['task_cancel', { taskId: 'task_1' }, 'task_not_found', /no task task_1/],
      ['task_next', {}, 'not_joined', /swarm_join/],
      ['task_next', { agentId: 'agent_1' }, 'not_joined', /has not joined as agent agent_1/],
      ['swarm_leave', {}, 'not_joined', /swarm_join/],
      ['message_next', {}, 'not_joined', /swarm_join/],
      ['swarm_join', { token: 'wrong' }, 'join_token_invalid', /token/],
    ] as const) {
      assertRefused(await tool(name, args), reason, message);
    }
    const subscribed = await connection.request('subscribe', unknownSwarm);
    assertRefused(subscribed, 'swarm_not_found', /no swarm swarm_123/, unknownSwarm);
    assertRefused(await connection.request('subscribe', { from: 1_000 }), 'invalid_arguments', /from is 1000, but/);
  });

  await t.test('an empty list is []', async () => {
    const list = await connection.call('agent_list');
    assert.deepEqual([list.swarmId, list.agents], [swarmId, []]);
    assert.deepEqual((await connection.call('agent_list', { filter: 'active' })).agents, []);
    assert.deepEqual((await connection.call('task_list')).tasks, []);
    assert.deepEqual((await connection.call('memory_list')).entries, []);
  });

  await t.test('the fourth agent of three', async () => {
    const agents = [];
    for (const agentType of ['a', 'b', 'c']) agents.push(await connection.call('agent_spawn', { agentType }));
    for (const name of ['agent_spawn', 'swarm_join']) {
      assertRefused(await tool(name), 'swarm_full', /3 live agents.*maxAgents/, { maxAgents: 3, liveAgents: 3 });
      assert.equal((await tool(name)).error!.code, -32003);
    }
    await connection.call('agent_stop', { agentId: agents[0].agentId });
    await connection.call('agent_spawn', { agentType: 'd' });
    const initialAgents = [{ type: 'a' }, { type: 'b' }];
    assertRefused(await tool('swarm_init', { maxAgents: 1, initialAgents }), 'swarm_full', /maxAgents/);
    assert.equal((await connection.call('swarm_list')).swarms.length, 1);
  });

  await t.test(
    'every method works without initialize, and initialize without an object of capabilities is plain',
    async (t) => {
      const fresh = await connectRaw(t, server.port);
      assert.equal((await fresh.call('agent_list')).agents.length, 4);
      const { result } = await fresh.request('initialize', {
        protocolVersion: '2025-06-18',
        capabilities: ['roots'],
        clientInfo: { name: 'no mcp client', version: '1' },
      });
      assert.equal(result.protocolVersion, '2024-11-05');
      assert.deepEqual(result.capabilities, { tools: [...tools.keys()], resources: ['memory_bank', 'task_queue'] });
      // Still plain: flat results, and a ping that is not empty.
      assert.equal((await fresh.call('agent_list')).agents.length, 4);
      assert.equal((await fresh.request('ping')).result.status, 'ok');
      fresh.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
      assert.equal((await fresh.request('initialize')).result.serverInfo.name, 'skein');
      assertRefused(
        await fresh.request('initialize', { clientInfo: 'me' }),
        'invalid_arguments',
        /clientInfo must be object/,
      );
      assert.equal(methods.has('initialize'), true);
    },
  );
});
