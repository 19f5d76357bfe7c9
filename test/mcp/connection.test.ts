/** MCP on one connection, with tools that answer when the test says so. */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { test } from 'node:test';
import { McpConnection } from '../../src/dialects/mcp/connection.ts';
import type { CallTool } from '../../src/dialects/mcp/server.ts';
import type { Request } from '../../src/wire/jsonrpc.ts';
import { modernMeta } from './clients.ts';

type Answer = Awaited<ReturnType<CallTool>>;

/** A connection whose tools wait to be answered. */
function connection() {
  const calls: { readonly name: string; readonly signal: AbortSignal; answer(answer: Answer): void }[] = [];
  const sent: string[] = [];
  const mcp = new McpConnection(
    {
      callTool: (name, _, { signal }) => new Promise((answer) => calls.push({ name, signal, answer })),
      watch: () => assert.fail('nothing is watched here'),
      watchList: () => assert.fail('nothing is watched here'),
      readEvents: () => assert.fail('nothing is read here'),
      send: (line) => sent.push(line),
      onError: (error) => assert.fail(error),
    },
    { profile: 'all', subscriptionsMax: 1, waitSecondsMax: () => 45 },
  );
  const request = (id: string): Request => ({
    kind: 'request',
    id,
    method: 'tools/call',
    params: { name: 'task_next', arguments: {}, ...modernMeta },
  });
  const cancel = (requestId: unknown) =>
    mcp.notification({ kind: 'notification', method: 'notifications/cancelled', params: { requestId } }, 'modern');
  return { mcp, calls, sent, request, cancel };
}

/** An answer that has something to deliver, and how often that was given back. */
function owing() {
  const given = { back: 0 };
  const answer: Answer = { answer: { assignment: null }, undelivered: () => (given.back += 1) };
  return { given, answer };
}

test('what an answer owes is the business of whoever sends it', async () => {
  const { mcp, calls, request } = connection();
  const { given, answer } = owing();
  const delivery = mcp.request(request('1'), 'modern');
  await nextTurn();
  calls[0]!.answer(answer);
  const { line, undelivered } = await delivery;
  assert.match(line!, /^\{"jsonrpc":"2\.0","id":1,"result":/);
  assert.equal(given.back, 0);
  undelivered!();
  assert.equal(given.back, 1);
});

test('an id comes back as it was written, and two requests may have the same', async () => {
  const { mcp, calls, request } = connection();
  const ids = ['1', '1', '1.50', '9007199254740993', '9007199254740992', '"\\u0041"', '"A"', 'null', '0', '1e0'];
  const deliveries = ids.map((id) => mcp.request(request(id), 'modern'));
  await nextTurn();
  for (const call of calls.toReversed()) call.answer({ answer: {}, undelivered: null });
  const lines = await Promise.all(deliveries);
  for (const [index, { line }] of lines.entries())
    assert.ok(line!.startsWith(`{"jsonrpc":"2.0","id":${ids[index]},"result":`));
});

for (const id of ['1', '"a"', '1.50', '"\\u0041"', 'null']) {
  test(`a request of id ${id} is cancelled: not answered, and what it owes is given back`, async () => {
    const { mcp, calls, sent, request, cancel } = connection();
    const { given, answer } = owing();
    const delivery = mcp.request(request(id), 'modern');
    const other = mcp.request(request('2'), 'modern');
    await nextTurn();
    cancel(JSON.parse(id));
    assert.deepEqual(await delivery, { line: undefined, undelivered: null });
    await nextTurn();
    assert.deepEqual(
      calls.map(({ signal }) => signal.aborted),
      [true, false],
    );
    calls[0]!.answer(answer);
    calls[1]!.answer({ answer: {}, undelivered: null });
    assert.match((await other).line!, /"id":2/);
    assert.equal(given.back, 1);
    assert.deepEqual(sent, []);
  });
}

test('a cancellation that comes between a claim and its answer gives it back', async () => {
  const { mcp, calls, request, cancel } = connection();
  const { given, answer } = owing();
  const delivery = mcp.request(request('1'), 'modern');
  await nextTurn();
  calls[0]!.answer(answer);
  // One step on, the handler has the answer and the library has not sent it.
  await null;
  cancel(1);
  const { line } = await delivery;
  assert.deepEqual([line, given.back], [undefined, 1]);
});

test('a connection that is gone aborts its calls, and gives back what they owe', async () => {
  const { mcp, calls, request } = connection();
  const { given, answer } = owing();
  const deliveries = [mcp.request(request('1'), 'modern'), mcp.request(request('2'), 'modern')];
  await nextTurn();
  mcp.close();
  assert.deepEqual(await Promise.all(deliveries), [
    { line: undefined, undelivered: null },
    { line: undefined, undelivered: null },
  ]);
  assert.ok(calls.every(({ signal }) => signal.aborted));
  calls[0]!.answer(answer);
  await nextTurn();
  assert.equal(given.back, 1);
});

test('cancelling what is not under way does nothing', async () => {
  const { mcp, calls, request, cancel } = connection();
  const delivery = mcp.request(request('1'), 'modern');
  await nextTurn();
  for (const requestId of [2, '1', undefined, null, {}]) cancel(requestId);
  await nextTurn();
  assert.equal(calls[0]!.signal.aborted, false);
  calls[0]!.answer({ answer: {}, undelivered: null });
  assert.match((await delivery).line!, /"id":1/);
});
