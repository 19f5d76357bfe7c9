/** Bytes in, lines out: framing, ids, batches and notifications over real TCP. Protocol: section "Framing". */
import { Buffer } from 'node:buffer';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, startServer, type RawConnection } from '../server-process.ts';

const lineBytesMax = 10 * 1024 * 1024;

const ping = (id: string): string => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;

/** The next line, which must be the reply to the request with this id (as text). */
async function assertPong(connection: RawConnection, id: string): Promise<void> {
  const line = await connection.line();
  assert.ok(line?.startsWith(`{"jsonrpc":"2.0","id":${id},"result":{"status":"ok","timestamp":`), line);
}

/** The next line, which must be an error; and after it nothing but the answer to a ping. */
async function assertError(connection: RawConnection, code: number, reason: string, id: unknown = null): Promise<void> {
  const reply = await connection.message();
  assert.equal(reply.error?.code, code, JSON.stringify(reply));
  assert.equal(reply.error.data.reason, reason);
  assert.equal(reply.error.data.definite, true);
  assert.deepEqual(reply.id, id);
  assert.ok(reply.error.message.length > 10);
  connection.send(ping('"next"'));
  await assertPong(connection, '"next"');
}

test('framing', async (t) => {
  const server = await startServer(t);

  await t.test('a request that comes one byte at a time', async (t) => {
    const connection = await connectRaw(t, server.port);
    connection.socket.setNoDelay(true);
    for (const byte of Buffer.from(`${ping('"ganső 🪿"')}\n`)) {
      await new Promise((resolve) => connection.socket.write(Buffer.from([byte]), resolve));
    }
    await assertPong(connection, '"ganső 🪿"');
  });

  await t.test('several requests in one piece, each answered once', async (t) => {
    const connection = await connectRaw(t, server.port);
    connection.socket.write(Array.from({ length: 1_000 }, (_, id) => `${ping(String(id))}\n`).join(''));
    for (let id = 0; id < 1_000; id++) await assertPong(connection, String(id));
  });

  await t.test('\\r\\n ends a line too, and blank lines are no lines', async (t) => {
    const connection = await connectRaw(t, server.port);
    connection.socket.write(`\n\r\n  \n\t\r\n${ping('1')}\r\n\n\r\n${ping('2')}\n`);
    await assertPong(connection, '1');
    await assertPong(connection, '2');
  });

  await t.test('of what a web page posts to this port, nothing is carried out', async (t) => {
    for (const head of [
      'POST / HTTP/1.1\r\nHost: 127.0.0.1:9500\r\nContent-Type: text/plain\r\n\r\n',
      'GET /[[ HTTP/1.0\n',
    ]) {
      const connection = await connectRaw(t, server.port);
      connection.socket.write(`${head}${ping('1')}\n`);
      const { error } = await connection.message();
      assert.deepEqual([error.code, error.data.reason], [-32700, 'parse_error']);
      assert.match(error.message, /MCP_HTTP_PORT/);
      connection.socket.write(`${ping('2')}\n`);
      assert.equal(await connection.line(), undefined);
    }
  });

  await t.test('nothing is said before it is asked', async (t) => {
    const connection = await connectRaw(t, server.port);
    connection.send(ping('1'));
    await assertPong(connection, '1');
    connection.socket.end();
    assert.equal(await connection.line(), undefined);
  });

  await t.test('a last line without a newline counts when the client closes its half', async (t) => {
    const connection = await connectRaw(t, server.port);
    connection.socket.end(`${ping('1')}\n${ping('2')}`);
    await assertPong(connection, '1');
    await assertPong(connection, '2');
    assert.equal(await connection.line(), undefined);
  });

  await t.test('ids come back as they were written', async (t) => {
    const connection = await connectRaw(t, server.port);
    const ids = ['1.50', '9007199254740993', 'null', '0', '-0', '1E2', '1e-400', '123456789012345678901234567890']
      .concat(['""', '"a\\u0041\\n\\"\\\\\\/"', '"\\ud800"', '" "', '"__proto__"'])
      .concat(['"é"', '"' + 'x'.repeat(10_000) + '"']);
    for (const id of ids) {
      connection.send(ping(id));
      await assertPong(connection, id);
      connection.send(`{"method":"nothing","params":{"id":7},"id" : ${id} ,"jsonrpc":"2.0"}`);
      const line = await connection.line();
      assert.ok(line?.startsWith(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,`), line);
    }
    connection.send(`[${ids.map((id) => ping(id)).join(', ')}]`);
    const line = await connection.line();
    const replies = ids.map((id) => `{"jsonrpc":"2.0","id":${id},"result":{"status":"ok","timestamp":0}}`);
    assert.equal(line?.replaceAll(/"timestamp":\d+/g, '"timestamp":0'), `[${replies.join(',')}]`);
  });

  await t.test('what is no id is answered with null', async (t) => {
    const connection = await connectRaw(t, server.port);
    for (const id of ['true', 'false', '{}', '[]', '[1]', '{"id":1}']) {
      connection.send(ping(id));
      await assertError(connection, -32600, 'invalid_request');
    }
  });

  await t.test('garbage is answered and does no harm', async (t) => {
    const connection = await connectRaw(t, server.port);
    for (const line of ['hello', '{', '{"jsonrpc":"2.0","id":1,"method":"ping"', '"', 'nul', '{"a":1}}', '\u0000']) {
      connection.send(line);
      await assertError(connection, -32700, 'parse_error');
    }
    for (const line of ['1', '"ping"', 'null', 'true', '{}', '{"jsonrpc":"2.0"}', '{"method":"ping","id":null}']) {
      connection.send(line);
      await assertError(connection, -32600, 'invalid_request');
    }
    const withIds = [
      '{"jsonrpc":"1.0","id":5,"method":"ping"}',
      '{"id":5,"method":"ping"}',
      '{"jsonrpc":"2.0","id":5,"method":1}',
      '{"jsonrpc":"2.0","id":5}',
      '{"jsonrpc":"2.0","id":5,"method":"ping","params":7}',
    ];
    for (const line of withIds) {
      connection.send(line);
      await assertError(connection, -32600, 'invalid_request', 5);
    }
  });

  await t.test('invalid UTF-8 spoils its own line only, and characters may be split', async (t) => {
    const connection = await connectRaw(t, server.port);
    for (const bytes of [[0xff], [0xc3, 0x28], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      const [before, after] = ['{"jsonrpc":"2.0","id":"', '","method":"ping"}\n'].map((text) => Buffer.from(text));
      connection.socket.write(Buffer.concat([before!, Buffer.from(bytes), after!]));
      await assertError(connection, -32700, 'parse_error');
    }
    const whole = Buffer.from(`${ping('"🪿"')}\n`);
    const cut = whole.indexOf(0xf0) + 2;
    await new Promise((resolve) => connection.socket.write(whole.subarray(0, cut), resolve));
    connection.socket.write(whole.subarray(cut));
    await assertPong(connection, '"🪿"');
  });

  await t.test('64 levels are accepted, 65 are not, and 10,000 are no danger', async (t) => {
    const connection = await connectRaw(t, server.port);
    const nested = (levels: number): string =>
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(levels - 2)}${']'.repeat(levels - 2)}}}`;
    connection.send(nested(64));
    await assertPong(connection, '1');
    for (const levels of [65, 10_000, 100_000]) {
      connection.send(nested(levels));
      await assertError(connection, -32600, 'too_deep');
    }
    connection.send('['.repeat(10_000));
    await assertError(connection, -32600, 'too_deep');
    connection.send('{"a":'.repeat(10_000));
    await assertError(connection, -32600, 'too_deep');
  });

  await t.test('the longest line is accepted', async (t) => {
    const connection = await connectRaw(t, server.port);
    connection.send(ping('1').padEnd(lineBytesMax, ' '));
    await assertPong(connection, '1');
  });

  await t.test('a line without end gets one reply, which arrives before the connection closes', async (t) => {
    const connection = await connectRaw(t, server.port);
    const beside = await connectRaw(t, server.port);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let sending = true;
    // Never stops by itself: it goes on while the server answers and closes.
    const send = (): void => {
      while (sending && connection.socket.writable && connection.socket.write(chunk));
    };
    connection.socket.on('drain', send);
    send();
    const reply = await connection.message();
    assert.equal(reply.id, null);
    assert.equal(reply.error.code, -32600);
    assert.equal(reply.error.data.reason, 'too_large');
    assert.match(reply.error.message, /10485760 bytes/);
    assert.equal(await connection.line(), undefined);
    sending = false;
    beside.send(ping('1'));
    await assertPong(beside, '1');
  });

  await t.test('what was asked before a line that is too long is still answered', async (t) => {
    const connection = await connectRaw(t, server.port);
    await connection.call('swarm_init');
    const store = { name: 'memory_store', arguments: { key: 'k', value: 1 } };
    connection.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: store });
    connection.socket.write(Buffer.alloc(lineBytesMax + 1, 'x'));
    const replies = [await connection.message(), await connection.message()];
    assert.equal(await connection.line(), undefined);
    assert.equal(replies.find(({ id }) => id === 1)?.result.stored, true);
    assert.equal(replies.find(({ id }) => id === null)?.error.data.reason, 'too_large');
  });

  await t.test('responses that are sent to us are dropped', async (t) => {
    const connection = await connectRaw(t, server.port);
    connection.send('{"jsonrpc":"2.0","id":1,"result":{}}');
    connection.send('{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}');
    connection.send('[{"jsonrpc":"2.0","id":1,"result":null}]');
    connection.send(ping('2'));
    await assertPong(connection, '2');
  });

  await t.test('notifications are never answered, and have their effect', async (t) => {
    const connection = await connectRaw(t, server.port);
    await connection.call('swarm_init');
    const notify = (method: string, params?: unknown): void => connection.send({ jsonrpc: '2.0', method, params });
    notify('ping');
    notify('nothing');
    notify('tools/call');
    notify('tools/call', { name: 'nothing' });
    notify('tools/call', { name: 'agent_status', arguments: { agentId: 'agent_1' } });
    notify('tools/call', { name: 'memory_store', arguments: { key: 'k', value: 'stored' } });
    notify('subscribe', { swarmId: 'swarm_1' });
    notify('batch', [{ method: 'ping' }]);
    notify('batch', []);
    connection.send('[{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","method":"nothing"}]');
    const { value } = await connection.call('memory_retrieve', { key: 'k' });
    assert.equal(value, 'stored');
    connection.socket.end();
    assert.equal(await connection.line(), undefined);
  });
});

test('batches', async (t) => {
  const server = await startServer(t);
  const connection = await connectRaw(t, server.port);
  await connection.call('swarm_init');

  await t.test('an array is answered by an array, in order, and its entries fail alone', async () => {
    connection.send(
      '[{"jsonrpc":"2.0","id":1.0,"method":"ping"},{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","id":"b","method":"nothing"},7,' +
        '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"memory_store","arguments":{"key":"k","value":4}}},' +
        '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"memory_retrieve","arguments":{"key":"k"}}},' +
        '{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"memory_retrieve","arguments":{"keys":"k"}}},' +
        '{"jsonrpc":"2.0","id":7,"method":"batch","params":[{"method":"ping"}]},[],{"jsonrpc":"2.0","id":9}]',
    );
    const line = await connection.line();
    assert.ok(line?.startsWith('[{"jsonrpc":"2.0","id":1.0,"result":{"status":"ok"'), line);
    const replies = JSON.parse(line!) as any[];
    assert.deepEqual(
      replies.map(({ id, error }) => [id, error?.data.reason]),
      [
        [1, undefined],
        ['b', 'method_not_found'],
        [null, 'invalid_request'],
        [4, undefined],
        [5, undefined],
        [6, 'invalid_arguments'],
        [7, 'invalid_arguments'],
        [null, 'invalid_request'],
        [9, 'invalid_request'],
      ],
    );
    assert.equal(replies[4].result.value, 4);
  });

  await t.test('an array of notifications is not answered', async () => {
    connection.send('[{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","method":"nothing"}]');
    connection.send(ping('1'));
    await assertPong(connection, '1');
  });

  await t.test('an empty array, and one that is too long', async () => {
    connection.send('[]');
    await assertError(connection, -32600, 'batch_empty');
    connection.send(`[${Array.from({ length: 1_001 }, (_, id) => ping(String(id))).join(',')}]`);
    await assertError(connection, -32600, 'batch_too_large');
    connection.send(`[${Array.from({ length: 1_000 }, (_, id) => ping(String(id))).join(',')}]`);
    const replies = (await connection.message()) as any[];
    assert.deepEqual(
      replies.map(({ id, result }) => [id, result.status]),
      Array.from({ length: 1_000 }, (_, id) => [id, 'ok']),
    );
  });

  await t.test('the method batch is answered in order, and its entries fail alone', async () => {
    const retrieve = (args: object) => ({ method: 'tools/call', params: { name: 'memory_retrieve', arguments: args } });
    const { result } = await connection.request('batch', [
      { method: 'ping' },
      retrieve({ key: 'k' }),
      { method: 'nothing' },
      retrieve({ keys: 'k' }),
      { method: 'batch', params: [{ method: 'ping' }] },
      7,
      {},
      { method: 'ping', params: 7 },
      { jsonrpc: '2.0', id: 1, method: 'ping', params: {} },
      retrieve({ key: 'nothing' }),
    ]);
    assert.deepEqual(
      result.map((entry: any) => (entry.error === undefined ? Object.keys(entry) : entry.error.data.reason)),
      [
        ['result'],
        ['result'],
        'method_not_found',
        'invalid_arguments',
        'invalid_arguments',
        'invalid_request',
        'invalid_request',
        'invalid_request',
        ['result'],
        ['result'],
      ],
    );
    assert.equal(result[0].result.status, 'ok');
    assert.equal(result[1].result.value, 4);
    assert.equal(result[9].result.found, false);
  });

  await t.test('the method batch: empty, too long, and no array', async () => {
    const refused = async (params?: unknown) => {
      const { error } = await connection.request('batch', params);
      return [error?.code, error?.data.reason];
    };
    const pings = (count: number) => Array.from({ length: count }, () => ({ method: 'ping' }));
    assert.deepEqual(await refused([]), [-32600, 'batch_empty']);
    assert.deepEqual(await refused(pings(1_001)), [-32600, 'batch_too_large']);
    assert.deepEqual(await refused({}), [-32602, 'invalid_arguments']);
    assert.deepEqual(await refused(), [-32602, 'invalid_arguments']);
    assert.equal((await connection.request('batch', pings(1_000))).result.length, 1_000);
  });

  await t.test('a batch whose replies grow beyond the longest line executes no more of its entries', async () => {
    await connection.call('memory_store', { key: 'large', value: 'x'.repeat(1024 * 1024) });
    const retrieve = { method: 'tools/call', params: { name: 'memory_retrieve', arguments: { key: 'large' } } };
    const { result } = await connection.request(
      'batch',
      Array.from({ length: 200 }, () => retrieve),
    );
    assert.equal(result.length, 200);
    assert.equal(result[0].result.value.length, 1024 * 1024);
    const refusals = result.filter((entry: any) => entry.error !== undefined).map((entry: any) => entry.error);
    assert.ok(refusals.length > 190, `${refusals.length} were refused`);
    for (const { code, data } of refusals) assert.deepEqual([code, data.reason], [-32003, 'batch_reply_too_large']);
    // Those under way when the reply was full have been executed, and say so.
    const definite = refusals.map((error: any) => error.data.definite);
    assert.ok(definite.lastIndexOf(false) < definite.indexOf(true) && definite.lastIndexOf(false) < 64, `${definite}`);
  });
});
