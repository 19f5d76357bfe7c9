/**
 * The reference document of the plain dialect, message by message: each is sent as it stands there, and answered in the
 * shape shown there, with true values. Ids that the document made up are replaced by real ones where there has to be
 * something behind them.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { connectRaw, startServer, type RawConnection } from '../server-process.ts';

/** Messages as the document has them. */
const sent = {
  initialize: {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2024-11-05', clientInfo: { name: 'visionflow', version: '0.1.0' } },
  },
  toolsList: { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} },
  agentSpawn: {
    jsonrpc: '2.0',
    id: 3,
    method: 'tools/call',
    params: {
      name: 'agent_spawn',
      arguments: {
        agentType: 'coder',
        swarmId: 'swarm_1757880683494_yl81sece5',
        config: {
          model: 'claude-3-opus',
          temperature: 0.7,
          capabilities: ['python', 'rust', 'typescript'],
          maxTokens: 4096,
          timeout: 300,
          retryAttempts: 3,
        },
        resources: { cpuLimit: '2000m', memoryLimit: '4Gi', gpuAccess: true },
      },
    },
  },
  taskOrchestrate: {
    jsonrpc: '2.0',
    id: 4,
    method: 'tools/call',
    params: {
      name: 'task_orchestrate',
      arguments: {
        swarmId: 'swarm_1757880683494_yl81sece5',
        task: {
          description: 'Analyze security vulnerabilities in auth module',
          priority: 'high',
          strategy: 'adaptive',
          timeout: 300,
          requiredCapabilities: ['security', 'code', 'review'],
          parallelism: 3,
          consensusRequired: true,
        },
        execution: {
          mode: 'distributed',
          retryPolicy: 'exponential_backoff',
          resultAggregation: 'majority_vote',
          failureThreshold: 0.2,
        },
      },
    },
  },
  swarmInit: {
    jsonrpc: '2.0',
    id: 5,
    method: 'tools/call',
    params: {
      name: 'swarm_init',
      arguments: {
        topology: 'mesh',
        initialAgents: [
          { type: 'coordinator', name: 'SwarmLead' },
          { type: 'researcher', name: 'InfoGatherer' },
          { type: 'coder', name: 'CodeWriter' },
        ],
        config: { maxAgents: 10, consensusThreshold: 0.7 },
      },
    },
  },
  swarmStatus: {
    jsonrpc: '2.0',
    id: 6,
    method: 'tools/call',
    params: { name: 'swarm_status', arguments: { swarmId: 'swarm_123' } },
  },
  memoryStore: {
    jsonrpc: '2.0',
    id: 7,
    method: 'tools/call',
    params: {
      name: 'memory_store',
      arguments: {
        swarmId: 'swarm_123',
        key: 'project_context',
        value: { language: 'rust', framework: 'actix-web', dependencies: ['tokio', 'serde', 'uuid'] },
        ttl: 3600,
      },
    },
  },
  memoryRetrieve: {
    jsonrpc: '2.0',
    id: 8,
    method: 'tools/call',
    params: { name: 'memory_retrieve', arguments: { swarmId: 'swarm_123', key: 'project_context' } },
  },
  /** Shown without jsonrpc and id, as the entry of a batch is. */
  agentMessage: {
    method: 'tools/call',
    params: {
      name: 'agent_message',
      arguments: {
        swarmId: 'swarm_123',
        agentId: 'agent_456',
        message: { type: 'command', action: 'analyse_code', params: { file: 'main.rs' } },
      },
    },
  },
  batch: {
    jsonrpc: '2.0',
    id: 11,
    method: 'batch',
    params: [
      { method: 'tools/call', params: { name: 'agent_status', arguments: { agentId: 'agent_001' } } },
      { method: 'tools/call', params: { name: 'agent_status', arguments: { agentId: 'agent_002' } } },
    ],
  },
  keepAlive: { jsonrpc: '2.0', id: 12, method: 'ping', params: {} },
};

/** Results as the document has them. */
const shown = {
  initialize: {
    protocolVersion: '2024-11-05',
    serverInfo: { name: 'claude-flow', version: '2.0.0-alpha.101' },
    capabilities: { tools: ['agent_spawn', 'agent_task', 'swarm_init'], resources: ['memory_bank', 'task_queue'] },
  },
  tool: {
    name: 'agent_spawn',
    description: 'Spawn a new agent in the swarm',
    inputSchema: {
      type: 'object',
      properties: { agentType: { type: 'string' }, swarmId: { type: 'string' }, config: { type: 'object' } },
    },
  },
  agentSpawn: {
    agentId: 'agent_1757967065850_dv2zg7',
    swarmId: 'swarm_1757880683494_yl81sece5',
    status: 'spawning',
    estimatedReadyTime: '2025-01-22T10:00:30Z',
    tcpEndpoint: 'multi-agent-container:9500',
    capabilities: ['python', 'rust', 'typescript'],
    resources: { allocated: true, cpu: '2000m', memory: '4Gi', gpuDevice: 0 },
    connectionPool: { poolId: 'pool_123', connections: 3, healthCheck: 'passing' },
    initialisationMetrics: { spawnTime: 1247, modelLoadTime: 892, memoryAllocated: '3.2 GB' },
  },
  taskOrchestrate: {
    taskId: 'task_1757967065850_abc123',
    swarmId: 'swarm_1757880683494_yl81sece5',
    status: 'orchestrating',
    assignedAgents: [
      { agentId: 'agent_1757967065850_dv2zg7', role: 'coordinator', capabilities: ['security', 'code'] },
    ],
    orchestrationPlan: {
      phases: [
        {
          name: 'security_scan',
          agents: ['agent_1757967065850_dv2zg7'],
          estimatedDuration: 180,
          dependencies: ['analysis'],
        },
      ],
    },
    coordination: { consensusThreshold: 0.7, votingMechanism: 'weighted', conflictResolution: 'expert_priority' },
    estimatedCompletion: '2025-01-22T10:05:00Z',
    mcpConnections: { active: 3, poolUtilization: 0.6 },
  },
  swarmStatus: {
    swarmId: 'swarm_123',
    topology: 'mesh',
    agents: [{ id: 'agent_001', type: 'coordinator', status: 'active', health: 100, currentTask: null }],
    metrics: { tasksCompleted: 45, avgCompletionTime: 120, successRate: 0.92 },
  },
  error: { code: -32001, message: 'Agent operation failed', data: { agentId: 'agent_123', reason: 'timeout' } },
};

/** Absent where nothing was measured, and there is nothing of the kind: nothing is invented. */
const mayBeAbsent = new Set(['connectionPool', 'initialisationMetrics']);

/** Every member shown is there, of the same kind, or null where it is not known. */
function assertShape(actual: any, as: unknown, path = 'result'): void {
  if (as === null || actual === null) return;
  assert.equal(kindOf(actual), kindOf(as), `${path} is ${JSON.stringify(actual)}`);
  if (Array.isArray(as)) {
    for (const [index, item] of actual.entries()) assertShape(item, as[0], `${path}[${index}]`);
  } else if (typeof as === 'object') {
    for (const [name, value] of Object.entries(as)) {
      if (mayBeAbsent.has(name) && !(name in actual)) continue;
      assert.ok(name in actual, `${path}.${name} is missing in ${JSON.stringify(actual)}`);
      assertShape(actual[name], value, `${path}.${name}`);
    }
  }
}

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'array' : typeof value);

/** The message, with what the document made up replaced. */
function withIds<M>(message: M, ids: Readonly<Record<string, string>>): M {
  let text = JSON.stringify(message);
  for (const [shown, real] of Object.entries(ids)) text = text.replaceAll(`"${shown}"`, `"${real}"`);
  return JSON.parse(text) as M;
}

const idPattern = (kind: string): RegExp => new RegExp(`^${kind}_\\d{13}_[0-9a-z]{12}$`);

test('the reference document', async (t) => {
  const server = await startServer(t);
  const connection = await connectRaw(t, server.port);
  const ask = async (message: { readonly id: number }): Promise<any> => {
    connection.send(message);
    const reply = await connection.message();
    assert.deepEqual(Object.keys(reply), ['jsonrpc', 'id', reply.error === undefined ? 'result' : 'error']);
    assert.deepEqual([reply.jsonrpc, reply.id], ['2.0', message.id]);
    return reply;
  };
  /** Of a tool: its fields are in the result, and once more as text beside them. */
  const askTool = async (message: { readonly id: number }): Promise<any> => {
    const { result, error } = await ask(message);
    assert.equal(error, undefined, error?.message);
    const { content, ...fields } = result;
    assert.deepEqual(content, [{ type: 'text', text: JSON.stringify(fields) }]);
    return fields;
  };

  await t.test('initialization handshake', async () => {
    const { result } = await ask(sent.initialize);
    assertShape(result, shown.initialize);
    assert.equal(result.protocolVersion, '2024-11-05');
    for (const name of [
      'agent_spawn',
      'task_orchestrate',
      'swarm_init',
      'swarm_status',
      'memory_store',
      'agent_message',
    ]) {
      assert.ok(result.capabilities.tools.includes(name), name);
    }
    assert.deepEqual(result.capabilities.resources, shown.initialize.capabilities.resources);
  });

  await t.test('list available tools', async () => {
    const { result } = await ask(sent.toolsList);
    const tool = result.tools.find(({ name }: { name: string }) => name === 'agent_spawn');
    assertShape(tool, shown.tool);
    assert.equal(tool.inputSchema.type, 'object');
    for (const [name, { type }] of Object.entries(shown.tool.inputSchema.properties)) {
      assert.equal(tool.inputSchema.properties[name].type, type);
    }
  });

  let swarmId = '';
  let agentIds: string[] = [];
  await t.test('initialize swarm', async () => {
    const swarm = await askTool(sent.swarmInit);
    assert.match(swarm.swarmId, idPattern('swarm'));
    assert.deepEqual([swarm.topology, swarm.maxAgents, swarm.consensusThreshold], ['mesh', 10, 0.7]);
    assert.deepEqual(
      swarm.agents.map(({ type, name }: any) => ({ type, name })),
      sent.swarmInit.params.arguments.initialAgents,
    );
    swarmId = swarm.swarmId;
    agentIds = swarm.agents.map(({ id }: any) => id);
    for (const id of agentIds) assert.match(id, idPattern('agent'));
  });
  const real = (): Record<string, string> => ({
    swarm_1757880683494_yl81sece5: swarmId,
    swarm_123: swarmId,
    agent_001: agentIds[0]!,
    agent_002: agentIds[1]!,
    agent_456: agentIds[2]!,
  });

  await t.test('spawn agent', async () => {
    const agent = await askTool(withIds(sent.agentSpawn, real()));
    assertShape(agent, shown.agentSpawn);
    assert.match(agent.agentId, idPattern('agent'));
    assert.deepEqual([agent.swarmId, agent.status], [swarmId, 'spawning']);
    assert.deepEqual(agent.capabilities, ['python', 'rust', 'typescript']);
    assert.equal(agent.tcpEndpoint, `127.0.0.1:${server.port}`);
    // Nobody enforces the limits, nothing was measured, and there is no pool: none is claimed.
    assert.deepEqual([agent.resources.allocated, agent.resources.enforcedBy], [false, null]);
    assert.deepEqual([agent.connectionPool, agent.initialisationMetrics], [undefined, undefined]);
  });

  const workers: RawConnection[] = [];
  await t.test('task orchestration', async (t) => {
    for (const agentType of ['coordinator', 'worker', 'validator']) {
      const worker = await connectRaw(t, server.port);
      await worker.call('swarm_join', { swarmId, agentType, capabilities: ['security', 'code', 'review'] });
      worker.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'task_next', arguments: {} } });
      // Once this is answered, the worker waits.
      await worker.request('ping');
      workers.push(worker);
    }
    const task = await askTool(withIds(sent.taskOrchestrate, real()));
    assertShape(task, shown.taskOrchestrate);
    assert.match(task.taskId, idPattern('task'));
    assert.deepEqual([task.swarmId, task.status], [swarmId, 'orchestrating']);
    assert.deepEqual(task.assignedAgents.map(({ role }: any) => role).sort(), ['coordinator', 'validator', 'worker']);
    assert.equal(task.coordination.consensusThreshold, 0.7);
    assert.equal(task.mcpConnections.active, 4);
    assert.ok(task.mcpConnections.poolUtilization > 0 && task.mcpConnections.poolUtilization < 1);
    // This swarm has measured nothing yet.
    assert.equal(task.estimatedCompletion, null);

    // It really is worked on, by all three, and ends by their votes.
    for (const worker of workers) {
      const { assignment } = (await worker.message()).result;
      assert.equal(assignment.description, sent.taskOrchestrate.params.arguments.task.description);
      assert.deepEqual([assignment.taskId, assignment.timeoutMs], [task.taskId, 300_000]);
      const { assignmentId, leaseToken } = assignment;
      await worker.call('task_complete', { assignmentId, leaseToken, result: { vulnerabilities: 0 } });
    }
    const ended = await connection.call('task_wait', { taskId: task.taskId });
    assert.equal(ended.status, 'completed');
  });

  await t.test('get swarm status', async () => {
    const status = await askTool(withIds(sent.swarmStatus, real()));
    assertShape(status, shown.swarmStatus);
    assert.equal(status.agents.length, 7);
    assert.deepEqual(new Set(status.agents.map((agent: any) => agent.currentTask)), new Set([null]));
    assert.deepEqual([status.metrics.tasksCompleted, status.metrics.successRate], [1, 1]);
    assert.ok(status.metrics.avgCompletionTime >= 0);

    const unknown = await ask(sent.swarmStatus);
    assert.deepEqual([unknown.error.code, unknown.error.data.reason], [-32002, 'swarm_not_found']);
  });

  await t.test('a new swarm has measured nothing', async () => {
    const { swarmId } = await connection.call('swarm_init');
    const { metrics } = await connection.call('swarm_status', { swarmId });
    assert.deepEqual([metrics.tasksCompleted, metrics.avgCompletionTime, metrics.successRate], [0, null, null]);
  });

  await t.test('store and retrieve memory', async () => {
    const { value } = sent.memoryStore.params.arguments;
    const stored = await askTool(withIds(sent.memoryStore, real()));
    assert.deepEqual([stored.swarmId, stored.key, stored.stored, stored.ttl], [swarmId, 'project_context', true, 3600]);
    const retrieved = await askTool(withIds(sent.memoryRetrieve, real()));
    assert.deepEqual([retrieved.found, retrieved.value], [true, value]);
    assert.ok(retrieved.ttl > 3500 && retrieved.ttl <= 3600);
  });

  await t.test('hierarchical addressing', async () => {
    const { result } = await ask({
      jsonrpc: '2.0',
      id: 9,
      method: 'batch',
      params: [withIds(sent.agentMessage, real())],
    } as {
      readonly id: number;
    });
    assert.deepEqual([result[0].result.agentId, result[0].result.status], [agentIds[2], 'stored']);
  });

  await t.test('error response format', async () => {
    const { error } = await ask({
      jsonrpc: '2.0',
      id: 10,
      method: 'tools/call',
      params: { name: 'agent_status', arguments: { agentId: 'agent_123' } },
    } as { readonly id: number });
    assertShape(error, shown.error, 'error');
    assert.deepEqual([error.code, error.data.agentId, error.data.reason], [-32001, 'agent_123', 'agent_not_found']);
  });

  await t.test('batch operations', async () => {
    const { result } = await ask(withIds(sent.batch, real()));
    assert.deepEqual(
      result.map((entry: any) => entry.result?.agentId),
      agentIds.slice(0, 2),
    );
    for (const entry of result) {
      const { content, ...fields } = entry.result;
      assert.deepEqual(JSON.parse(content[0].text), fields);
    }
    const unknown = await ask(sent.batch);
    assert.deepEqual(
      unknown.result.map((entry: any) => [entry.error.code, entry.error.data.agentId]),
      [
        [-32001, 'agent_001'],
        [-32001, 'agent_002'],
      ],
    );
  });

  await t.test('keep-alive', async () => {
    const before = Date.now();
    const { result } = await ask(sent.keepAlive);
    assert.deepEqual(Object.keys(result), ['status', 'timestamp']);
    assert.equal(result.status, 'ok');
    assert.ok(result.timestamp >= before && result.timestamp <= Date.now());
  });

  await t.test('health check by nc', async () => {
    const socket = createConnection({ port: server.port, host: '127.0.0.1' });
    socket.end('{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}\n');
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    await once(socket, 'close');
    assert.match(text, /^\{"jsonrpc":"2\.0","id":1,"result":\{"status":"ok","timestamp":\d{13}\}\}\n$/);
  });

  await t.test('the Rust client: initialize with a version alone, then spawn_agent', async (t) => {
    const client = await connectRaw(t, server.port);
    client.send({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2024-11-05' } });
    const params = { name: 'agent_spawn', arguments: { agentType: 'coder', swarmId } };
    client.send({ jsonrpc: '2.0', id: 2, method: 'tools/call', params });
    const [first, second] = [await client.message(), await client.message()];
    assert.deepEqual([first.id, second.id], [1, 2]);
    assert.match(second.result.agentId, idPattern('agent'));
  });
});
