/** `skein bridge`: MCP over the standard input and output of a process, and a coordinator that comes, goes and returns. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioClientTransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { bridge } from '../../src/bridge.ts';
import { profiles, tools } from '../../src/spec.ts';
import { freePort } from '../ports.ts';
import { cli, connectRaw, startServer, temporaryFolder } from '../server-process.ts';
import { call } from './clients.ts';

const me = { name: 'test', version: '1' };
const args = (port: number, ...more: string[]) => [...cli.slice(1), 'bridge', '--port', String(port), ...more];

/** The bridge as a command of ours, for what no client shows. */
function startBridge(t: TestContext, port: number, ...more: string[]) {
  const child = spawn(cli[0]!, args(port, ...more), { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const output = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  return {
    child,
    send: (message: object) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    message: async (): Promise<any> => JSON.parse((await output.next()).value),
    said: async (): Promise<string> => (await said.next()).value,
    ended: once(child, 'exit').then(([code]) => code as number),
  };
}

test('MCP clients over the bridge', async (t) => {
  const server = await startServer(t);
  for (const mode of ['legacy', 'auto'] as const) {
    await t.test(`v2, ${mode}`, async (t) => {
      const client = new Client(me, { versionNegotiation: { mode } });
      const transport = new StdioClientTransport({ command: cli[0]!, args: args(server.port, '--profile', 'worker') });
      t.after(() => transport.close());
      await client.connect(transport);
      assert.equal(client.getNegotiatedProtocolVersion(), mode === 'auto' ? '2026-07-28' : '2025-11-25');
      assert.deepEqual(
        (await client.listTools()).tools.map(({ name }) => name),
        profiles.worker.tools,
      );
      await assert.rejects(call(client, 'task_next'), /not_joined/);
    });
  }

  await t.test('v1, without a profile', async (t) => {
    const client = new ClientV1(me);
    const transport = new StdioClientTransportV1({ command: cli[0]!, args: args(server.port) });
    t.after(() => transport.close());
    await client.connect(transport);
    assert.equal((await client.listTools()).tools.length, tools.size);
  });

  await t.test('it is told in one word where the server is', async (t) => {
    const child = spawn(cli[0]!, [...cli.slice(1), 'bridge', `127.0.0.1:${server.port}`], { stdio: 'pipe' });
    t.after(() => child.kill('SIGKILL'));
    child.stdin.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    assert.equal(JSON.parse(line).result.status, 'ok');
    for (const wrong of ['http://127.0.0.1:1', '127.0.0.1:99999', ':1', '']) {
      const refused = spawn(cli[0]!, [...cli.slice(1), 'bridge', wrong], { stdio: 'pipe' });
      t.after(() => refused.kill('SIGKILL'));
      const said = createInterface({ input: refused.stderr });
      assert.match(
        (await once(said, 'line'))[0],
        /^error: command-argument value .* is invalid for argument 'host:port'/,
      );
    }
  });

  await t.test('it ends with its input, after what is under way has been answered', async (t) => {
    const bridge = startBridge(t, server.port);
    bridge.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
    bridge.child.stdin.end();
    assert.equal((await bridge.message()).result.status, 'ok');
    assert.equal(await bridge.ended, 0);
  });
});

for (const mode of ['legacy', { pin: '2026-07-28' }] as const) {
  test(`a restart of the coordinator, seen from a client of ${JSON.stringify(mode)}`, async (t) => {
    const dataDir = await temporaryFolder();
    const server = await startServer(t, { dataDir, port: await freePort() });
    const client = new Client(me, { versionNegotiation: { mode } });
    const transport = new StdioClientTransport({ command: cli[0]!, args: args(server.port) });
    t.after(() => transport.close());
    await client.connect(transport);
    const { swarmId } = await call(client, 'swarm_init', { name: 'survives' });
    const { agentId, resumeToken } = await call(client, 'swarm_join', { swarmId });

    let waits = (): void => {};
    const waiting = new Promise<void>((resolve) => (waits = resolve));
    const next = client.callTool({ name: 'task_next', arguments: { waitSeconds: 600 } }, { onprogress: () => waits() });
    await waiting;
    server.kill('SIGKILL');
    const { isError, content } = await next;
    assert.equal(isError, true);
    assert.match((content as { text: string }[])[0]!.text, /swarm_join with its resumeToken[^]*"definite":false/);
    await server.ended;

    // It waits for the coordinator, and does not know that there was another.
    const later = call(client, 'swarm_status', { swarmId });
    await startServer(t, { dataDir, port: server.port });
    assert.equal((await later).name, 'survives');
    await assert.rejects(call(client, 'task_next', {}), /not_joined/);
    assert.equal((await call(client, 'swarm_join', { token: resumeToken })).agentId, agentId);
  });
}

test('a program that a worker runs acts as its agent, before and after a restart of the coordinator', async (t) => {
  const dataDir = await temporaryFolder();
  const server = await startServer(t, { dataDir, port: await freePort() });
  const worker = await connectRaw(t, server.port);
  const { swarmId } = await worker.call('swarm_init');
  const { agentId, resumeToken } = await worker.call('swarm_join', { swarmId });
  await worker.call('task_orchestrate', { swarmId, task: 'Translate' });
  const { assignmentId, leaseToken } = (await worker.call('task_next', { waitSeconds: 30 })).assignment;

  const client = new Client(me);
  const transport = new StdioClientTransport({
    command: cli[0]!,
    args: args(server.port, '--profile', 'agent'),
    env: { ...process.env, SKEIN_ASSIGNMENT_ID: assignmentId, SKEIN_LEASE_TOKEN: leaseToken } as Record<string, string>,
  });
  t.after(() => transport.close());
  await client.connect(transport);
  assert.deepEqual(
    (await client.listTools()).tools.map(({ name }) => name),
    profiles.agent.tools,
  );
  assert.match(client.getInstructions()!, /You act as an agent of a swarm/);
  assert.equal((await call(client, 'task_update', { progress: 'half' })).assignmentId, assignmentId);

  server.kill('SIGKILL');
  await server.ended;
  const again = await startServer(t, { dataDir, port: server.port });
  // What it says while its worker is not back yet is said all the same.
  const updated = async (): Promise<unknown> =>
    call(client, 'task_update', { progress: 'most' }).catch((error: Error) => {
      assert.match(error.message, /connection_lost/);
      return updated();
    });
  await updated();
  const back = await connectRaw(t, again.port);
  const { held } = await back.call('swarm_join', { swarmId, token: resumeToken });
  assert.deepEqual(held, [{ assignmentId, attempt: 1, leaseToken }]);
  const { phases } = await back.call('task_status', { swarmId, taskId: assignmentId.split('/')[0] });
  assert.equal(phases[0].assignments[0].progress, 'most');

  await back.call('task_complete', { assignmentId, leaseToken, result: 'done' });
  await assert.rejects(call(client, 'agent_message', { broadcast: true, message: agentId }), /lease_lost/);
});

test('what is lost on its way is answered in its own dialect, and an array by an array', async (t) => {
  const server = await startServer(t);
  const bridge = startBridge(t, server.port);
  const calling = (id: number, name: string, args: object) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name, arguments: args },
  });
  bridge.send(calling(1, 'swarm_init', {}));
  const { swarmId } = (await bridge.message()).result;
  bridge.send(calling(2, 'task_orchestrate', { swarmId, task: 'x' }));
  const { taskId } = (await bridge.message()).result;
  const waits = { taskId, waitSeconds: 600 };
  bridge.send([{ jsonrpc: '2.0', method: 'ping' }, calling(3, 'task_wait', waits), calling(4, 'swarm_list', {})]);
  bridge.send(calling(5, 'task_wait', waits));
  // Answered: so what came before it has been passed on.
  bridge.send(calling(6, 'swarm_list', {}));
  assert.equal((await bridge.message()).id, 6);
  server.kill('SIGKILL');
  const single = await bridge.message();
  assert.deepEqual([single.id, single.error.data], [5, { reason: 'connection_lost', definite: false }]);
  const replies = await bridge.message();
  assert.deepEqual(
    replies.map(({ id, error }: any) => [id, error.data.reason]),
    [
      [3, 'connection_lost'],
      [4, 'connection_lost'],
    ],
  );
});

test('a call without params is answered like any other when the connection is lost', async (t) => {
  const coordinator = createServer((socket) => {
    socket.setEncoding('utf8').on('data', (text: string) => text.includes('"id":7') && socket.destroy());
  });
  t.after(() => coordinator.close());
  await once(coordinator.listen(0, '127.0.0.1'), 'listening');
  const { port } = coordinator.address() as AddressInfo;
  for (const claim of [null, { assignmentId: 'task_1/work/1', leaseToken: 'made up' }]) {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const options = {
      input,
      output,
      host: '127.0.0.1',
      port,
      profile: null,
      claim,
      lineBytesMax: 1_000,
      say: () => {},
    };
    const ended = bridge(options);
    t.after(() => output.destroy(new Error('the test is over')));
    input.write('{"jsonrpc":"2.0","id":7,"method":"tools/call"}\n');
    const [reply] = (await once(output, 'data')) as [Buffer];
    const { id, error } = JSON.parse(String(reply));
    assert.deepEqual([id, error.data.reason], [7, 'connection_lost']);
    output.destroy(new Error('nobody reads any more'));
    await ended;
  }
});

test('a profile that the coordinator does not take is no secret', async (t) => {
  const server = await startServer(t, { env: { MCP_DIALECT: 'mcp' } });
  const bridge = startBridge(t, server.port, '--profile', 'worker');
  assert.match(await bridge.said(), /has refused "skein bridge: profile"/);
  bridge.child.stdin.end();
  assert.equal(await bridge.ended, 0);
});

test('without a coordinator the bridge waits for one, and ends with its input all the same', async (t) => {
  const server = await startServer(t);
  server.kill('SIGTERM');
  await server.ended;
  const bridge = startBridge(t, server.port);
  assert.match(await bridge.said(), /no coordinator at 127\.0\.0\.1:\d+/);
  bridge.send({ jsonrpc: '2.0', id: 1, method: 'ping' });
  bridge.child.stdin.end();
  assert.equal(await bridge.ended, 0);
});
