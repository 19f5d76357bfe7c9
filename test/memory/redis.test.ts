import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { after, test, type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import type { Bank, BankLimits, Entry, Stored } from '../../src/memory/bank.ts';
import { redisBank } from '../../src/memory/redis.ts';
import { startRedis } from '../redis-server.ts';
import { address, bankConformance, keys, ok, refused } from './conformance.ts';

const limits: BankLimits = { memoryKeysMax: 10_000, memoryBytesMax: 1e9, requestIdMs: 600_000 };

/** Generous, so that a slow machine does not look like a Redis that is away. */
const memoryWaitMs = 4_000;

const server = await startRedis({ after });
let swarms = 0;

bankConformance('redis', (t, limits) => openOn(t, server.url, limits));

test('several coordinators on one Redis see each other', async (t) => {
  const { bank, swarmId } = await openOn(t, server.url);
  const other = open(t, server.url).bank;
  const at = address(swarmId, 'k');
  const { version } = ok(await bank.put(at, '1', { requestId: 'r' })) as Stored;
  refused(await other.put(at, '2', { ifVersion: 0 }), 'memory_version_conflict', { currentVersion: version });
  assert.equal((ok(await other.put(at, '1', { requestId: 'r' })) as Stored).version, version);
  const increment = async (bank: Bank): Promise<void> => {
    for (let left = 50; left > 0;) {
      const { value, version } = (await bank.get(at)) as Entry;
      if ('version' in (await bank.put(at, `${Number(value) + 1}`, { ifVersion: version }))) left--;
    }
  };
  await Promise.all([bank, other, bank, other].map(increment));
  assert.equal(((await bank.get(at)) as Entry).value, '201');
});

test('values expire natively, and the names of swarms and namespaces cannot leave their places', async (t) => {
  const { bank } = open(t, server.url);
  const redis = client(t, server.url);
  const swarmId = 'swarm_{x}:1';
  const prefix = 'skein:{swarm_%7Bx%7D%3A1}:';
  const at = { swarmId, namespace: 'a:{b}', key: '{k}:*' };
  const { expiresAt } = ok(await bank.put(at, '"v"', { ttlMs: 60_000, requestId: 'r' })) as Stored;
  const value = `${prefix}m:a%3A%7Bb%7D:{k}:*`;
  assert.equal(await redis.call('PEXPIRETIME', value), expiresAt);
  const left = await redis.pttl(value);
  assert.ok(left > 0 && left <= 60_000);

  ok(await bank.put(at, '"w"', {}));
  assert.equal(await redis.pttl(value), -1);
  const all = await redis.keys('skein:{swarm_%7B*');
  assert.deepEqual(
    new Set(all.map((key) => key.replace(/sent:.*/, 'sent:'))),
    new Set([value, ...['books', 'order', 'request:r', 'sent:'].map((name) => `${prefix}memory:${name}`)]),
  );

  ok(await bank.put(at, '"v"', { ttlMs: 1 }));
  while ((await redis.pttl(value)) !== -2);
  assert.equal(await bank.get(at), null);
  for (const key of await redis.keys(`${prefix}memory:sent:*`)) assert.ok((await redis.pttl(key)) > 0);
});

test('nothing of a swarm is left when it has been cleared', async (t) => {
  const { bank, swarmId } = await openOn(t, server.url);
  const redis = client(t, server.url);
  const many = Array.from({ length: 2_500 }, (_, i) => ({ swarmId, namespace: `${i % 2}`, key: `${i}` }));
  await Promise.all(many.map(async (at, i) => ok(await bank.put(at, '1', i % 3 ? {} : { ttlMs: 1 + i * 1_000 }))));
  await bank.clear(swarmId);
  assert.deepEqual(
    (await redis.keys(`skein:{${swarmId}}:*`)).filter((key) => !key.includes(':memory:sent:')),
    [],
  );
});

test('a value that is gone from Redis itself counts as gone', async (t) => {
  const { bank, swarmId } = await openOn(t, server.url);
  const redis = client(t, server.url);
  const at = address(swarmId, 'k');
  ok(await bank.put(at, '1', {}));
  await redis.del(`skein:{${swarmId}}:m::k`);
  assert.equal(await bank.get(at), null);
  assert.deepEqual(await bank.delete(at, {}), { deleted: false });
  ok(await bank.put(at, '2', { ifVersion: 0 }));
  assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 2 });
});

test('scripts are loaded again when Redis has forgotten them', async (t) => {
  const { bank, swarmId } = await openOn(t, server.url);
  const redis = client(t, server.url);
  ok(await bank.put(address(swarmId, 'a'), '1', {}));
  await redis.script('FLUSH');
  const all = Array.from({ length: 100 }, (_, i) => bank.put(address(swarmId, `k${i}`), '1', {}));
  for (const answer of await Promise.all(all)) ok(answer);
  assert.deepEqual(await bank.usage(swarmId), { keys: 101, bytes: 392 });
});

test('Redis refuses to write: a definite refusal with its reason, and reads go on', async (t) => {
  const { bank, swarmId } = await openOn(t, server.url);
  const redis = client(t, server.url);
  const at = address(swarmId, 'k');
  ok(await bank.put(at, '1', {}));
  await redis.config('SET', 'maxmemory', '1');
  t.after(() => client(t, server.url).config('SET', 'maxmemory', '0'));
  const full = await bank.put(at, '2', {});
  refused(full, 'memory_unavailable', { definite: true });
  assert.match((full as { message: string }).message, /Redis says "OOM command not allowed/);
  assert.equal(((await bank.get(at)) as Entry).value, '1');
  await redis.config('SET', 'maxmemory', '0');
  ok(await bank.put(at, '2', {}));
});

test('on a node of a Redis Cluster every call stays in one slot', async (t) => {
  const node = await startRedis(t, '--cluster-enabled', 'yes');
  const redis = client(t, node.url);
  await redis.cluster('ADDSLOTSRANGE', 0, 16383);
  while (!String(await redis.cluster('INFO')).includes('cluster_state:ok'));

  const { bank } = await openOn(t, node.url);
  const swarmId = '}{swarm}';
  const at = { swarmId, namespace: '{n}', key: '{k}' };
  const { version } = ok(await bank.put(at, '1', { ttlMs: 600_000, requestId: 'r' })) as Stored;
  ok(await bank.put(at, '2', { ifVersion: version }));
  assert.equal(((await bank.get(at)) as Entry).value, '2');
  assert.deepEqual(await keys(bank, swarmId, '{n}'), ['{k}']);
  ok(await bank.usage(swarmId));
  assert.deepEqual(await bank.delete(at, {}), { deleted: true });
  ok(await bank.put(at, '1', {}));
  assert.equal(await bank.clear(swarmId), undefined);
});

test('an answer that got lost: the change is asked about again and has one effect', async (t) => {
  const proxy = await startProxy(t, server.port);
  const { bank, swarmId } = await openOn(t, proxy.url);
  const at = address(swarmId, 'k');
  ok(await bank.put(at, '1', {}));

  proxy.loseNextAnswer();
  assert.equal((ok(await bank.put(at, '2', {})) as Stored).version, 2);
  assert.equal(proxy.lost(), 1);
  proxy.loseNextAnswer();
  assert.equal((ok(await bank.put(at, '3', { requestId: 'r', ifVersion: 2 })) as Stored).version, 3);
  assert.equal(proxy.lost(), 2);
  proxy.loseNextAnswer();
  assert.deepEqual(await bank.delete(at, {}), { deleted: true });
  assert.equal(proxy.lost(), 3);
  proxy.loseNextAnswer();
  assert.equal(await bank.get(at), null);
  assert.equal(proxy.lost(), 4);
  assert.equal((ok(await bank.put(at, '4', {})) as Stored).version, 4);
});

test('many changes in flight when the connection breaks: each has one effect', async (t) => {
  const proxy = await startProxy(t, server.port);
  const { bank, swarmId } = await openOn(t, proxy.url);
  const all = [];
  for (let i = 0; i < 300; i++) {
    if (i % 100 === 50) proxy.loseNextAnswer();
    all.push(bank.put(address(swarmId, `k${i}`), '1', {}));
    if (i % 10 === 0) await all[i];
  }
  const versions = (await Promise.all(all)).map((answer) => (ok(answer) as Stored).version);
  assert.deepEqual(
    versions.sort((a, b) => a - b),
    Array.from({ length: 300 }, (_, i) => i + 1),
  );
  assert.equal(proxy.lost(), 3);
});

test('a Redis that hangs: refused in bounded time, in doubt where a change was sent, and back by itself', async (t) => {
  const own = await startRedis(t);
  const { bank, swarmId, log } = await openOn(t, own.url, limits, 1_000);
  const at = address(swarmId, 'k');
  ok(await bank.put(at, '1', {}));

  own.signal('SIGSTOP');
  const start = performance.now();
  const sent = bank.put(at, '2', { requestId: 'r' });
  const [put, got, listed] = await Promise.all([sent, bank.get(at), bank.list(swarmId, '', { prefix: '', limit: 1 })]);
  refused(put, 'memory_unavailable', { definite: false, retryAfterMs: 1_000 });
  refused(got!, 'memory_unavailable', { definite: true });
  refused(listed, 'memory_unavailable', { definite: true });
  assert.equal(bank.available(), false);
  const unsent = await bank.put(at, '3', {});
  refused(unsent, 'memory_unavailable', { definite: true, retryAfterMs: 1_000 });
  assert.match((unsent as { message: string }).message, /Redis is away \(.*\). Nothing was changed/);
  assert.ok(performance.now() - start < 10_000, 'the wait was 1 s');

  own.signal('SIGCONT');
  const { version } = ok(await eventually(bank, () => bank.put(at, '2', { requestId: 'r' }))) as Stored;
  assert.equal(version, 2, 'whether it had happened or not, it happened once');
  assert.deepEqual(log, ['warn redis is away', 'info redis is back']);
});

test('a Redis that is killed and started again in the middle of the work', async (t) => {
  // What is in the file when it is answered outlives a kill. Waiting for the disk as well could look like being away.
  const own = await startRedis(t, '--appendonly', 'yes', '--appendfsync', 'no');
  const { bank, swarmId, log } = await openOn(t, own.url, limits, 1_000);
  const acknowledged = new Map<string, number>();
  const outcomes = { stored: 0, definite: 0, inDoubt: 0 };
  let working = true;
  const worker = async (id: number): Promise<void> => {
    for (let n = 0; working; n++) {
      const answer = await bank.put(address(swarmId, `${id}`), `${n}`, {});
      if ('version' in answer) {
        outcomes.stored++;
        acknowledged.set(`${id}`, n);
      } else {
        refused(answer, 'memory_unavailable');
        outcomes[answer.data!['definite'] === true ? 'definite' : 'inDoubt']++;
        // As a client does: not at once again.
        await bank.get(address(swarmId, `${id}`));
        await new Promise(setImmediate);
      }
    }
  };
  const workers = Array.from({ length: 20 }, (_, id) => worker(id));
  const reached = async (name: keyof typeof outcomes, more: number): Promise<void> => {
    const goal = outcomes[name] + more;
    while (outcomes[name] < goal) await new Promise(setImmediate);
  };
  await reached('stored', 200);
  await own.kill();
  await reached('definite', 20);
  assert.equal(bank.available(), false);
  await own.start();
  await reached('stored', 200);
  working = false;
  await Promise.all(workers);

  assert.ok(outcomes.inDoubt <= workers.length, 'no more than were sent when Redis was killed');
  for (const [key, n] of acknowledged) {
    assert.ok(Number(((await bank.get(address(swarmId, key))) as Entry).value) >= n);
  }
  assert.deepEqual(log, ['warn redis is away', 'info redis is back']);
});

test('Redis is not there yet when the bank starts', async (t) => {
  const own = await startRedis(t);
  await own.kill();
  const { bank, log } = open(t, own.url, limits, 500);
  const at = address('swarm_1', 'k');
  const early = await bank.put(at, '1', {});
  refused(early, 'memory_unavailable', { definite: true });
  assert.match((early as { message: string }).message, /ECONNREFUSED/);
  await own.start();
  ok(await eventually(bank, () => bank.put(at, '1', {})));
  assert.deepEqual(log, ['warn redis is away', 'info redis is back']);
});

test('calls that come before the connection is there wait for it', async (t) => {
  const { bank } = open(t, server.url);
  assert.equal(await bank.get(address('no such swarm', 'k')), null);
});

interface Opened {
  readonly bank: Bank;
  readonly log: string[];
}

function open(t: TestContext, url: string, bankLimits = limits, waitMs = memoryWaitMs): Opened {
  const log: string[] = [];
  const bank = redisBank({
    url,
    limits: bankLimits,
    log: {
      info: (_fields, message) => void log.push(`info ${message}`),
      warn: (_fields, message) => void log.push(`warn ${message}`),
    },
    memoryWaitMs: waitMs,
  });
  t.after(() => bank.close());
  return { bank, log };
}

/** Connected, and with a swarm of its own. */
async function openOn(t: TestContext, url: string, bankLimits = limits, waitMs = memoryWaitMs) {
  const swarmId = `swarm_${++swarms}`;
  const opened = open(t, url, bankLimits, waitMs);
  ok(await opened.bank.usage(swarmId));
  const clock = client(t, url);
  return {
    ...opened,
    swarmId,
    async reopen(newLimits = bankLimits) {
      await opened.bank.close();
      return open(t, url, newLimits, waitMs).bank;
    },
    async pass(ms: number) {
      const now = async (): Promise<number> => {
        const [seconds, micros] = await clock.time();
        return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
      };
      const until = (await now()) + ms;
      while ((await now()) <= until);
    },
  };
}

function client(t: TestContext, url: string): Redis {
  const redis = new Redis(url);
  redis.on('error', () => {});
  t.after(() => redis.disconnect());
  return redis;
}

/** The answer of the first call that is not refused for being unavailable. */
async function eventually<T extends object>(bank: Bank, call: () => Promise<T>): Promise<T> {
  for (;;) {
    const answer = await call();
    if (!('refused' in answer) || answer.refused !== 'memory_unavailable') return answer;
    while (!bank.available()) await new Promise(setImmediate);
  }
}

interface Proxy {
  readonly url: string;
  /** The next bytes of Redis' are dropped, and the connection with them. */
  loseNextAnswer(): void;
  lost(): number;
}

async function startProxy(t: TestContext, port: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let losing = false;
  let lost = 0;
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.on('data', (data) => {
      if (!losing) return void near.write(data);
      losing = false;
      lost++;
      near.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return {
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    loseNextAnswer: () => void (losing = true),
    lost: () => lost,
  };
}
