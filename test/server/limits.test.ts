/** The limits of a connection, small enough to be met: each in a listener of its own. Protocol: section "Limits". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, type RawConnection } from '../server-process.ts';
import { listenInProcess } from './in-process.ts';

const ping = (id: number | string): string => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"ping"}\n`;
const pings = (count: number): string => Array.from({ length: count }, (_, id) => ping(id)).join('');

async function assertEndsWith(connection: RawConnection, reason: string): Promise<void> {
  const { id, error } = await connection.message();
  assert.deepEqual([id, error.data.reason], [null, reason]);
  assert.equal(await connection.line(), undefined);
}

/** Resolves when the connection is over on both sides, in whatever way. */
function closeOf({ socket }: RawConnection): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Goes there and back so often that whatever the server had to do at once is done. */
async function roundTrips(connection: RawConnection, count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await connection.request('ping');
}

/** Services whose memory bank stores when it is told to. */
function slowBank() {
  const waiting: (() => void)[] = [];
  return {
    waiting,
    coordinator: { summary: () => ({ destroyedAt: null }) },
    bank: {
      put: () =>
        new Promise((resolve) => {
          waiting.push(() => resolve({ version: 1, storedAt: 0, expiresAt: null }));
        }),
    },
  };
}

const store = (id: number, value: string): string =>
  `${JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'memory_store', arguments: { swarmId: 's', key: 'k', value } } })}\n`;

test('a line that is begun and not ended is refused after a while; an idle connection is not', async (t) => {
  const server = await listenInProcess(t, { lineTimeoutMs: 50 });
  const idle = await connectRaw(t, server.port);
  const slow = await connectRaw(t, server.port);
  await idle.request('ping');
  slow.socket.write(`${ping(1)}{"jsonrpc"`);
  assert.equal((await slow.message()).id, 1);
  await assertEndsWith(slow, 'line_timeout');
  await idle.request('ping');
});

test('a line that trickles in has no more time than one that stands still', async (t) => {
  const server = await listenInProcess(t, { lineTimeoutMs: 50 });
  const beside = await connectRaw(t, server.port);
  const slow = await connectRaw(t, server.port);
  const ended = assertEndsWith(slow, 'line_timeout');
  let over = false;
  void ended.finally(() => (over = true));
  while (!over) {
    slow.socket.write('x');
    await beside.request('ping');
  }
  await ended;
});

test('a client that keeps sending when it has been refused is cut off', async (t) => {
  const server = await listenInProcess(t, { lineBytesMax: 1_000, lingerMs: 50 });
  const connection = await connectRaw(t, server.port);
  connection.socket.write('x'.repeat(2_000));
  await assertEndsWith(connection, 'too_large');
  const closed = closeOf(connection);
  const timer = setInterval(() => connection.socket.write('x'), 5);
  t.after(() => clearInterval(timer));
  await closed;
});

test('a connection too many gets a line that says so, and is closed whatever it does', async (t) => {
  const server = await listenInProcess(t, { connectionsMax: 2, lingerMs: 50 });
  const [first, second] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  const third = await connectRaw(t, server.port);
  const closed = closeOf(third);
  const timer = setInterval(() => third.socket.write(ping(1)), 5);
  t.after(() => clearInterval(timer));
  const { id, error } = await third.message();
  assert.deepEqual([id, error.code, error.data.reason], [null, -32003, 'connection_limit']);
  assert.ok(error.data.retryAfterMs > 0);
  assert.equal(await third.line(), undefined);
  await closed;
  await first!.request('ping');
  await second!.request('ping');
});

test('requests over the rate are refused with their ids, say when to come again, and are taken then', async (t) => {
  let now = 1_000;
  const server = await listenInProcess(t, { rateLimit: 10 }, { now: () => now });
  const connection = await connectRaw(t, server.port);
  const refused = async (): Promise<[unknown, unknown]> => {
    const { id, error } = await connection.message();
    assert.equal(error?.code, -32003);
    assert.equal(error.data.reason, 'rate_limited');
    return [id, error.data.retryAfterMs];
  };

  await t.test('one by one', async () => {
    connection.socket.write(pings(11));
    const replies = [];
    for (let i = 0; i < 11; i++) replies.push(await connection.message());
    assert.deepEqual(replies.map(({ error }) => error?.data.retryAfterMs ?? 'taken').sort(), [
      100,
      ...Array.from({ length: 10 }, () => 'taken'),
    ]);
    now += 50;
    connection.send(ping('a').trim());
    assert.deepEqual(await refused(), ['a', 50]);
    now += 50;
    connection.send(ping('b').trim());
    assert.equal((await connection.message()).result.status, 'ok');
  });

  await t.test('the entries of a batch count, and each is refused with its id', async () => {
    now += 1_000;
    const entries = [1, 2, 3, 4, 5, 6, 7].map((id) => ping(id).trim());
    connection.send(`[${entries.join(',')},7,{"jsonrpc":"2.0","method":"ping"}]`);
    assert.equal((await connection.message()).length, 8);
    connection.send(`[${entries.join(',')},7,{"jsonrpc":"2.0","method":"ping"}]`);
    const replies = (await connection.message()) as any[];
    assert.deepEqual(
      replies.map(({ id, error }) => [id, error.data.reason]),
      [...[1, 2, 3, 4, 5, 6, 7].map((id) => [id, 'rate_limited']), [null, 'invalid_request']],
    );
    connection.send('[{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","method":"ping"}]');
    connection.send('{"jsonrpc":"2.0","id":"m","method":"batch","params":[{"method":"ping"},{"method":"ping"}]}');
    assert.deepEqual(await refused(), ['m', 100]);
  });

  await t.test('a batch larger than the rate is taken once, and waited for after that', async () => {
    now += 1_000;
    connection.send(`[${Array.from({ length: 30 }, (_, id) => ping(id).trim()).join(',')}]`);
    assert.equal((await connection.message()).length, 30);
    connection.send(ping('after').trim());
    assert.deepEqual(await refused(), ['after', 2_100]);
  });

  await t.test('a clock that is set back costs nothing', async () => {
    now += 10_000;
    connection.send(ping(1).trim());
    assert.equal((await connection.message()).result.status, 'ok');
    now -= 3_600_000;
    connection.send(ping(2).trim());
    assert.equal((await connection.message()).result.status, 'ok');
  });
});

test('a client that sends much at once has its turn like the others', async (t) => {
  // Every ping asks for the time: how often within one turn of the event loop shows who gets how much of it.
  let asked = 0;
  let most = 0;
  const server = await listenInProcess(t, {}, { now: () => ++asked });
  let watching = true;
  const watch = (): void => {
    most = Math.max(most, asked);
    asked = 0;
    if (watching) setImmediate(watch);
  };
  t.after(() => (watching = false));

  for (const [what, text, replies] of [
    ['lines', pings(5_000), 5_000],
    ['an array', `[${Array.from({ length: 1_000 }, (_, id) => ping(id).trim()).join(',')}]\n`.repeat(5), 5],
  ] as const) {
    await t.test(what, async (t) => {
      const connection = await connectRaw(t, server.port);
      asked = most = 0;
      watch();
      connection.socket.write(text);
      for (let i = 0; i < replies; i++) await connection.line();
      watching = false;
      assert.ok(most > 0 && most <= 256, `${most} calls in one turn`);
      watching = true;
    });
  }
});

test('what is asked before we close is still answered, and what comes after is not', async (t) => {
  const services = slowBank();
  const server = await listenInProcess(t, { lineBytesMax: 1_000, lingerMs: 60_000 }, services);
  const connection = await connectRaw(t, server.port);
  const beside = await connectRaw(t, server.port);
  connection.socket.write(`${store(1, '')}${'x'.repeat(1_001)}\n${store(2, '')}`);
  assert.equal((await connection.message()).error.data.reason, 'too_large');
  await roundTrips(beside);
  assert.equal(services.waiting.length, 1);
  services.waiting[0]!();
  assert.equal((await connection.message()).id, 1);
  assert.equal(await connection.line(), undefined);
});

test('requests under way are limited in number and in size; the others are read later', async (t) => {
  for (const [limits, count] of [
    [{ inFlightMax: 3 }, 3],
    [{ inFlightCharsMax: 25_000 }, 3],
  ] as const) {
    const services = slowBank();
    const server = await listenInProcess(t, limits, services);
    const connection = await connectRaw(t, server.port);
    const beside = await connectRaw(t, server.port);
    const requests = Array.from({ length: 10 }, (_, id) => store(id, 'x'.repeat(10_000)));
    connection.socket.end(requests.join(''));
    const answered = new Set<number>();
    while (answered.size < 10) {
      await roundTrips(beside);
      assert.equal(services.waiting.length, Math.min(count, 10 - answered.size));
      services.waiting.shift()!();
      answered.add((await connection.message()).id);
    }
    assert.equal(await connection.line(), undefined);
  }
});

test('a client that asks for much at once is read only a few answers further than there is room for them', async (t) => {
  let reads = 0;
  let turnOver!: (reads: number) => void;
  const readAtOnce = new Promise<number>((resolve) => (turnOver = resolve));
  const value = JSON.stringify('x'.repeat(3_000_000));
  const services = {
    ...slowBank(),
    bank: {
      get: async () => {
        reads += 1;
        if (reads === 1) setImmediate(() => turnOver(reads));
        return { value, version: 1, storedAt: 0, expiresAt: null };
      },
    },
  };
  const server = await listenInProcess(t, {}, services);
  const connection = await connectRaw(t, server.port);
  const params = { name: 'memory_retrieve', arguments: { swarmId: 's', key: 'k' } };
  const count = 40;
  const requests = Array.from({ length: count }, (_, id) =>
    JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }),
  );
  connection.socket.end(`${requests.join('\n')}\n`);
  assert.ok((await readAtOnce) <= 8, `${reads} values were read for a client that has read none`);
  for (let id = 0; id < count; id += 1) assert.equal((await connection.message()).id, id);
  assert.equal(await connection.line(), undefined);
});

test('a client that has closed its half may take its time to read', async (t) => {
  const server = await listenInProcess(t, { lingerMs: 0, outputMax: 1024 * 1024 * 1024 });
  const connection = await connectRaw(t, server.port);
  const beside = await connectRaw(t, server.port);
  connection.socket.pause();
  const count = 200;
  connection.socket.end(
    Array.from({ length: count }, (_, id) => `{"jsonrpc":"2.0","id":${id},"method":"tools/list"}\n`).join(''),
  );
  await roundTrips(beside);
  connection.socket.resume();
  for (let i = 0; i < count; i++) assert.equal((await connection.message()).result.tools.length > 0, true);
  assert.equal(await connection.line(), undefined);
});

test('closing the listener ends every connection', async (t) => {
  const server = await listenInProcess(t, {});
  const connections = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  for (const connection of connections) await connection.request('ping');
  assert.equal(server.connections(), 2);
  const closed = server.close();
  for (const connection of connections) {
    assert.equal(await connection.line(), undefined);
    connection.socket.end();
  }
  await closed;
  await assert.rejects(connectRaw(t, server.port), { code: 'ECONNREFUSED' });
});
