/** Which message is of which dialect, where several meet: on one connection, on one swarm, in one array. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { eraOf, type Era } from '../../src/dialects/mcp/era.ts';
import { profiles, tools } from '../../src/spec.ts';
import { cli, connectRaw, startServer, temporaryFolder } from '../server-process.ts';
import { call, modernMeta, newestOfEach, v2Modern } from './clients.ts';

const request = (method: string, params?: object) => ({
  kind: 'request' as const,
  id: '1',
  method,
  params: params as never,
});
const notification = (method: string, params?: object) => ({
  kind: 'notification' as const,
  method,
  params: params as never,
});
const initialize = (capabilities?: unknown) => request('initialize', { protocolVersion: '2025-11-25', capabilities });
const claim = (revision: unknown) => ({ _meta: { 'io.modelcontextprotocol/protocolVersion': revision } });

for (const [what, message, spoken, era] of [
  ['a ping', request('ping'), [], null],
  ['a ping after initialize', request('ping'), ['legacy'], 'legacy'],
  ['a ping after modern requests', request('ping'), ['modern'], null],
  ['an initialize of MCP', initialize({}), [], 'legacy'],
  ['an initialize without capabilities', initialize(), [], null],
  ['an initialize with a list of capabilities', initialize([]), [], null],
  ['an initialize with null', initialize(null), [], null],
  ['an initialize without params', request('initialize'), [], null],
  [
    'an initialize that claims a revision',
    request('initialize', { capabilities: {}, ...claim('2026-07-28') }),
    [],
    'modern',
  ],
  ['a request that claims a revision', request('ping', claim('2026-07-28')), [], 'modern'],
  ['a request that claims one that there is not', request('ping', claim(7)), [], 'modern'],
  ['the same after initialize', request('ping', claim('2026-07-28')), ['legacy'], 'modern'],
  ['a request with other meta', request('ping', { _meta: { progressToken: 1 } }), [], null],
  ['a request with a list of params', request('batch', []), [], null],
  ['a cancellation', notification('notifications/cancelled', { requestId: 1 }), [], null],
  ['a cancellation after modern requests', notification('notifications/cancelled'), ['modern'], 'modern'],
  ['a cancellation after both', notification('notifications/cancelled'), ['modern', 'legacy'], 'legacy'],
  ['a notification of plain after modern requests', notification('tools/call'), ['modern'], null],
] as [string, Parameters<typeof eraOf>[0], Era[], Era | null][]) {
  test(`${what} is ${era ?? 'plain'}`, () => assert.equal(eraOf(message, new Set(spoken)), era));
}

test('dialects that meet', async (t) => {
  const server = await startServer(t);
  const clientInfo = { name: 'test', version: '1' };
  const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };

  await t.test('a connection begins in plain and goes on in MCP', async (t) => {
    const connection = await connectRaw(t, server.port);
    assert.equal((await connection.request('ping')).result.status, 'ok');
    const { swarmId } = await connection.call('swarm_init');
    assert.deepEqual((await connection.request('ping', modernMeta)).error?.code, -32601);
    assert.equal((await connection.request('ping')).result.status, 'ok');

    assert.equal((await connection.request('initialize', handshake)).result.protocolVersion, '2025-11-25');
    connection.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    assert.deepEqual((await connection.request('ping')).result, {});
    // What it was before, it still is: the swarm that it created is the one that is meant.
    const joined = await connection.request('tools/call', { name: 'swarm_join', arguments: {} });
    assert.equal(joined.result.structuredContent.swarmId, swarmId);
    const next = { name: 'task_next', arguments: { waitSeconds: 0 }, ...modernMeta };
    const { result } = await connection.request('tools/call', next);
    assert.deepEqual([result.structuredContent.assignment, result.resultType], [null, 'complete']);
    // It is MCP for good.
    assert.equal((await connection.request('batch', {})).error?.code, -32601);
    assert.match((await connection.request('subscribe', {})).error!.message, /"subscribe" in MCP/);
  });

  await t.test('an initialize with a list of capabilities is plain', async (t) => {
    const connection = await connectRaw(t, server.port);
    const { result } = await connection.request('initialize', { protocolVersion: '2025-11-25', capabilities: ['x'] });
    assert.ok(result.capabilities.tools.includes('swarm_init'));
    assert.equal((await connection.request('ping')).result.status, 'ok');
  });

  await t.test('an array may hold messages of every dialect', async (t) => {
    const connection = await connectRaw(t, server.port);
    const message = (id: unknown, method: string, params?: object) => ({ jsonrpc: '2.0', id, method, params });
    connection.send([
      message(1, 'ping'),
      message(2, 'prompts/list', modernMeta),
      message(3, 'initialize', handshake),
      message(4, 'ping'),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      message(5, 'tools/call', { name: 'swarm_list' }),
      { id: 6 },
    ]);
    const [ping, prompts, initialized, pong, list, invalid] = await connection.message();
    assert.equal(ping.result.status, 'ok');
    assert.equal(prompts.result.resultType, 'complete');
    assert.equal(initialized.result.protocolVersion, '2025-11-25');
    assert.deepEqual(pong, { jsonrpc: '2.0', id: 4, result: {} });
    assert.ok(Array.isArray(list.result.structuredContent.swarms));
    assert.deepEqual([invalid.id, invalid.error.code], [6, -32600]);
  });

  await t.test('lines that are no messages are answered in MCP as in plain', async (t) => {
    const connection = await connectRaw(t, server.port);
    await connection.request('initialize', handshake);
    for (const [line, code] of [
      ['nonsense', -32700],
      ['[]', -32600],
      ['{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600],
      ['{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
      ['['.repeat(100), -32600],
    ] as const) {
      connection.send(line);
      assert.equal((await connection.message()).error.code, code, line);
    }
    // A response is nothing that was asked for.
    connection.send({ jsonrpc: '2.0', id: 1, result: {} });
    assert.deepEqual((await connection.request('ping')).result, {});
    for (const params of [{ name: 7 }, [], { _meta: { progressToken: 1.5 } }, { _meta: [] }, { _meta: 1 }, {}]) {
      const { error } = await connection.request('tools/call', params);
      assert.equal(error?.code, -32602, JSON.stringify(params));
    }
  });

  for (const { name, connect } of newestOfEach) {
    await t.test(`${name} and plain clients work on one task graph`, async (t) => {
      const plain = await connectRaw(t, server.port);
      const { swarmId } = await plain.call('swarm_init', { name });
      const { agentId: plainId } = await plain.call('swarm_join', { swarmId, name: 'plain', capabilities: ['review'] });
      const { client } = await connect(t, server.port);
      const joined = await call(client, 'swarm_join', {
        swarmId,
        name: 'mcp',
        capabilities: ['write'],
      });
      assert.equal(joined.leaseSeconds, 900, 'a model thinks for long between two calls');

      const { taskId } = await plain.call('task_orchestrate', {
        swarmId,
        task: {
          description: 'A poem that somebody has read',
          phases: [
            { name: 'write', requiredCapabilities: ['write'] },
            { name: 'review', requiredCapabilities: ['review'], dependencies: ['write'] },
          ],
        },
      });
      const { assignment } = await call(client, 'task_next', { waitSeconds: 60 });
      assert.equal(assignment.phase, 'write');
      const { assignmentId, leaseToken } = assignment;
      await call(client, 'task_update', { assignmentId, leaseToken, progress: { lines: 1 } });
      await call(client, 'memory_store', { swarmId, key: 'title', value: 'Geese' });
      await call(client, 'agent_message', { agentId: plainId, message: 'it is in the memory' });
      await call(client, 'task_complete', { assignmentId, leaseToken, result: 'They take turns.' });

      const { messages } = await plain.call('message_next', { waitSeconds: 60 });
      assert.deepEqual([messages[0].from, messages[0].message], [joined.agentId, 'it is in the memory']);
      const review = (await plain.call('task_next', { waitSeconds: 60 })).assignment;
      assert.deepEqual(review.dependencies, { write: 'They take turns.' });
      const { value } = await plain.call('memory_retrieve', { swarmId, key: 'title' });
      const done = { assignmentId: review.assignmentId, leaseToken: review.leaseToken, result: `${value}: good` };
      await plain.call('task_complete', done);

      // A late report is told what to do instead.
      await assert.rejects(call(client, 'task_complete', { assignmentId, leaseToken, result: 'again' }), /lease_lost/);
      const waited = await call(client, 'task_wait', { taskId, waitSeconds: 60 });
      assert.deepEqual([waited.ended, waited.status, waited.result], [true, 'completed', 'Geese: good']);
      await client.close();
    });
  }

  for (const mode of ['legacy', 'auto'] as const) {
    await t.test(`over stdio, with nc as the command: ${mode}`, async (t) => {
      const client = new Client(clientInfo, { versionNegotiation: { mode } });
      const transport = new StdioClientTransport({ command: 'nc', args: ['127.0.0.1', String(server.port)] });
      t.after(() => transport.close());
      await client.connect(transport);
      assert.equal((await client.listTools()).tools.length, tools.size);
      assert.ok((await call(client, 'swarm_init')).swarmId);
      await client.close();
    });
  }
});

test('a profile is all that MCP clients are shown', async (t) => {
  for (const profile of ['worker', 'submitter'] as const) {
    const server = await startServer(t, { env: { MCP_PROFILE: profile } });
    const { client } = await v2Modern.connect(t, server.port);
    const listed = (await client.listTools()).tools.map(({ name }) => name);
    assert.deepEqual(listed, profiles[profile].tools);
    assert.ok(listed.length <= 16 || profile !== 'worker');
    const { prompts } = await client.listPrompts();
    assert.deepEqual(
      prompts.map(({ name }) => name),
      profiles[profile].prompts,
    );
    const { messages } = await client.getPrompt({ name: prompts[0]!.name, arguments: { goal: 'x' } });
    assert.ok((messages[0]!.content as { text: string }).text.startsWith(client.getInstructions()!));
    const [other, foreign] = profile === 'worker' ? ['swarm_init', 'orchestrate'] : ['task_next', 'worker'];
    await assert.rejects(client.callTool({ name: other }), { code: -32602, message: new RegExp(`profile ${profile}`) });
    await assert.rejects(client.getPrompt({ name: foreign }), { code: -32602 });
    // Plain clients see all.
    const plain = await connectRaw(t, server.port);
    assert.equal((await plain.request('tools/list')).result.tools.length, tools.size);
    server.kill('SIGTERM');
    await server.ended;
  }
});

test('a port can be kept to one dialect', async (t) => {
  const plainOnly = await startServer(t, { env: { MCP_DIALECT: 'plain' } });
  const plain = await connectRaw(t, plainOnly.port);
  const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  assert.ok(Array.isArray((await plain.request('initialize', handshake)).result.capabilities.tools));
  assert.equal((await plain.request('ping', modernMeta)).result.status, 'ok');
  assert.equal((await plain.request('prompts/list')).error?.data.reason, 'method_not_found');
  plainOnly.kill('SIGTERM');
  await plainOnly.ended;

  const mcpOnly = await startServer(t, { env: { MCP_DIALECT: 'mcp' } });
  const mcp = await connectRaw(t, mcpOnly.port);
  assert.deepEqual((await mcp.request('ping')).result, {});
  assert.equal((await mcp.request('tools/call', { name: 'swarm_status' })).result.isError, true);
});

describe('a port of one dialect with agents that speak the other is turned down before an agent is started', () => {
  test('MCP only, and a worker of ours', async (t) => {
    const said = await refusal(t, 'mcp', 'coder: { argv: [cat] }');
    assert.match(said, /MCP_DIALECT is mcp, and the worker of agent type coder speaks plain/);
  });

  test('plain only, and a command line or an agent that reaches its swarm by MCP', async (t) => {
    const said = await refusal(t, 'plain', 'own: { argv: [cat], mcp: true }, coder: { template: claude }');
    assert.match(
      said,
      /MCP_DIALECT is plain, and the programs of agent type coder reach their swarm by MCP: .* mcp: false/,
    );
    assert.match(await refusal(t, 'plain', 'acp: { runtime: acp, argv: [cat] }'), /of agent type acp reach/);
  });
});

/** What `skein serve` writes with these agent types before it ends. */
async function refusal(t: TestContext, dialect: string, agentTypes: string): Promise<string> {
  const folder = await temporaryFolder();
  const config = join(folder, 'skein.yaml');
  writeFileSync(config, `agentTypes: { ${agentTypes} }\n`);
  const flags = ['--port', '0', '--http-port', '0', '--data-dir', join(folder, 'data'), '--config', config];
  const child = spawn(cli[0]!, [...cli.slice(1), 'serve', ...flags, '--dialect', dialect], { stdio: 'pipe' });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
    // It should not have got as far.
    if (said.includes('listening')) child.kill('SIGKILL');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  assert.ok(code !== null && code !== 0, said);
  return said;
}
