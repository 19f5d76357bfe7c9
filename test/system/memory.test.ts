/** The memory bank as its users see it: time to live, versions, restarts; embedded, and on a real Redis. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { startRedis } from '../redis-server.ts';
import { connectRaw, startServer, temporaryFolder, type RawConnection } from '../server-process.ts';

/** Asks until the value is gone, and says when that was. */
async function gone(raw: RawConnection, swarmId: string, key: string): Promise<void> {
  for (;;) {
    const { found, value, ttl } = await raw.call('memory_retrieve', { swarmId, key });
    if (!found) return;
    assert.equal(value, 'brief');
    assert.ok(ttl >= 0 && ttl <= 1);
  }
}

async function behaves(raw: RawConnection, swarmId: string): Promise<void> {
  const stored = await raw.call('memory_store', { swarmId, key: 'brief', value: 'brief', ttl: 1 });
  assert.equal(Date.parse(stored.expiresAt) - Date.parse(stored.storedAt), 1000);
  await gone(raw, swarmId, 'brief');
  assert.ok(Date.now() >= Date.parse(stored.expiresAt) - 50);

  const { version } = await raw.call('memory_store', { swarmId, key: 'k', value: 1, ifVersion: 0 });
  await assert.rejects(raw.call('memory_store', { swarmId, key: 'k', value: 2, ifVersion: 0 }), (error: any) => {
    return error.code === -32003 && error.data.reason === 'memory_version_conflict' && error.data.definite === true;
  });
  await raw.call('memory_store', { swarmId, key: 'k', value: 2, ifVersion: version });
  await assert.rejects(raw.call('memory_store', { swarmId, key: 'k', value: 3, ifVersion: version }));
  assert.equal((await raw.call('memory_retrieve', { swarmId, key: 'k' })).value, 2);
}

describe('the memory bank', () => {
  test('embedded: a value is gone after its second, also after a restart', async (t) => {
    const dataDir = await temporaryFolder();
    const first = await startServer(t, { dataDir });
    const before = await connectRaw(t, first.port);
    const { swarmId } = await before.call('swarm_init');
    await behaves(before, swarmId);
    const { expiresAt } = await before.call('memory_store', { swarmId, key: 'brief', value: 'brief', ttl: 1 });
    await before.call('memory_store', { swarmId, key: 'lasting', value: [1] });
    first.kill('SIGKILL');
    await first.ended;
    const second = await startServer(t, { dataDir });
    const after = await connectRaw(t, second.port);
    await gone(after, swarmId, 'brief');
    assert.ok(Date.now() >= Date.parse(expiresAt));
    assert.deepEqual((await after.call('memory_retrieve', { swarmId, key: 'lasting' })).value, [1]);
  });

  test('on Redis: the same, with an expiry that Redis knows of, and Redis away in the middle', async (t) => {
    const redis = await startRedis(t);
    const server = await startServer(t, { env: { MCP_REDIS_URL: redis.url } });
    const raw = await connectRaw(t, server.port);
    const { swarmId } = await raw.call('swarm_init');
    await behaves(raw, swarmId);
    await raw.call('memory_store', { swarmId, key: 'minute', value: 1, ttl: 60 });
    const cli = (...args: string[]): string =>
      execFileSync('redis-cli', ['-u', redis.url, ...args], { encoding: 'utf8' }).trim();
    const key = cli('keys', '*')
      .split('\n')
      .find((name) => name.includes('minute'))!;
    assert.match(key, new RegExp(`\\{${swarmId}\\}`));
    const left = Number(cli('pttl', key));
    assert.ok(left > 0 && left <= 60_000, `PTTL is ${left}`);

    await redis.kill();
    await assert.rejects(raw.call('memory_store', { swarmId, key: 'x', value: 1 }), (error: any) => {
      return error.code === -32003 && error.data.reason === 'memory_unavailable' && error.data.definite === true;
    });
    const { taskId } = await raw.call('task_orchestrate', { swarmId, task: 'everything else goes on' });
    assert.equal((await raw.call('task_status', { taskId })).status, 'orchestrating');
    assert.equal(
      ((await (await fetch(`http://127.0.0.1:${server.httpPort}/health`)).json()) as any).status,
      'degraded',
    );

    await redis.start();
    for (;;) {
      const reply = await raw.request('tools/call', {
        name: 'memory_store',
        arguments: { swarmId, key: 'x', value: 1 },
      });
      if (reply.error === undefined) break;
      assert.equal(reply.error.data.reason, 'memory_unavailable');
    }
    assert.equal((await raw.call('memory_retrieve', { swarmId, key: 'x' })).value, 1);
    assert.equal(((await (await fetch(`http://127.0.0.1:${server.httpPort}/health`)).json()) as any).status, 'ok');
  });
});
