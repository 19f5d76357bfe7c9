/** Calls that wait do so for no longer than their MCP client survives, and say what to do next when nothing came. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { readWaits, waitSecondsMaxBy } from '../../src/dialects/mcp/patience.ts';
import { clientPatience } from '../../src/spec.ts';
import { cli, connectRaw, startServer, type RawConnection } from '../server-process.ts';
import { modernMeta } from './clients.ts';

for (const [name, version, seconds] of [
  ['claude-ai', '0.1.0', 45],
  ['claude-ai (via mcp-remote 0.1.37)', '0.1.0', 45],
  ['claude-code', '2.1.208', 240],
  ['codex-mcp-client', '0.77.0', 45],
  ['codex-mcp-client', '0.144.9', 45],
  ['codex-mcp-client', '0.145.0-alpha.3', 240],
  ['codex-mcp-client', '0.145', 240],
  ['codex-mcp-client', '1.0', 240],
  ['codex-mcp-client', 'nightly', 45],
  ['cursor-vscode', '1.0.0', 240],
  ['Cursor', '2', 240],
  ['gemini-cli-mcp-client-skein', '0.0.1', 240],
  ['my own', '1', 45],
] as const) {
  test(`${name} ${version} waits for ${seconds} s at most`, () => {
    assert.equal(waitSecondsMaxBy(new Map())({ name, version }), seconds);
  });
}

test('what a user says of a client is heard before what is known', () => {
  const own = waitSecondsMaxBy(readWaits('Claude-Code = 30, my own=600,*=10') as ReadonlyMap<string, number>);
  const of = (name: string) => own({ name, version: '1' });
  assert.deepEqual([of('claude-code'), of('My Own Client'), of('cursor'), of('other')], [30, 600, 240, 10]);
  assert.deepEqual([own(undefined), waitSecondsMaxBy(new Map())(undefined)], [10, clientPatience.others]);
  for (const wrong of ['', 'cursor', 'cursor=', '=5', 'cursor=0', 'cursor=601', 'cursor=1.5', 'cursor=5,,']) {
    assert.match(readWaits(wrong) as string, /has to be a client's name/, wrong);
  }
});

test('a setting that names no client stops the start', () => {
  const { status, stderr } = spawnSync(cli[0]!, [...cli.slice(1), 'serve', '--port', '0', '--client-waits', 'cursor']);
  assert.notEqual(status, 0);
  assert.match(String(stderr), /MCP_CLIENT_WAITS: "cursor" has to be/);
});

/** What a call of the client is told that it will wait at most, and then is cancelled. */
async function waitOf(connection: RawConnection, name: string, args: object, meta: object): Promise<number> {
  const params = { name, arguments: args, _meta: { ...meta, progressToken: name } };
  connection.send({ jsonrpc: '2.0', id: name, method: 'tools/call', params });
  let told = await connection.message();
  // What came before it is the answer to a wait of a second that ended before it was cancelled.
  while (told.method !== 'notifications/progress') told = await connection.message();
  connection.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: name } });
  return told.params.total;
}

test('waiting in MCP', async (t) => {
  const server = await startServer(t, { env: { MCP_CLIENT_WAITS: 'hasty=1' } });
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  const { taskId } = await plain.call('task_orchestrate', { swarmId, task: { description: 'x', agentType: 'nobody' } });

  for (const [name, seconds] of [
    ['claude-code', 240],
    ['unheard of', 45],
    ['hasty', 1],
  ] as const) {
    const clientInfo = { name, version: '1' };
    for (const [era, meta] of [
      ['legacy', {}],
      ['modern', { ...modernMeta._meta, 'io.modelcontextprotocol/clientInfo': clientInfo }],
    ] as const) {
      await t.test(`${name}, ${era}: ${seconds} s`, async (t) => {
        const connection = await connectRaw(t, server.port);
        if (era === 'legacy') {
          await connection.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
        }
        await connection.request('tools/call', { name: 'swarm_join', arguments: { swarmId }, _meta: meta });
        const waits = (tool: string, args: object) => waitOf(connection, tool, args, meta);
        assert.equal(await waits('task_next', { waitSeconds: 600 }), seconds);
        assert.equal(await waits('task_next', {}), Math.min(seconds, 30));
        assert.equal(await waits('message_next', { waitSeconds: 600 }), seconds);
        assert.equal(await waits('task_wait', { taskId, waitSeconds: 600 }), seconds);
        if (seconds > 1) return;
        const next = { name: 'task_next', arguments: { waitSeconds: 600 }, _meta: meta };
        const { structuredContent } = (await connection.request('tools/call', next)).result;
        assert.deepEqual(structuredContent.next, 'no work within 1 s: call task_next again');
      });
    }
  }

  await t.test('who does not say who it is waits like the others, and each request speaks for itself', async (t) => {
    const connection = await connectRaw(t, server.port);
    const { 'io.modelcontextprotocol/clientInfo': _, ...nameless } = modernMeta._meta;
    const named = { ...nameless, 'io.modelcontextprotocol/clientInfo': { name: 'cursor', version: '1' } };
    const wait = { taskId, waitSeconds: 600 };
    assert.equal(await waitOf(connection, 'task_wait', wait, named), 240);
    assert.equal(await waitOf(connection, 'task_wait', wait, nameless), 45);
  });

  await t.test('an empty answer says what to do next, in every dialect', async () => {
    await plain.call('swarm_join', { swarmId });
    assert.equal((await plain.call('task_next', { waitSeconds: 0 })).next, 'no work yet: call task_next again');
    assert.match((await plain.call('message_next', { waitSeconds: 0 })).next, /^no message yet: call message_next/);
    assert.equal(
      (await plain.call('task_wait', { taskId, waitSeconds: 0.01 })).next.slice(0, 22),
      'not ended within 0.01 ',
    );
    await plain.call('task_cancel', { taskId });
    assert.equal((await plain.call('task_wait', { taskId })).next, undefined);
  });
});
