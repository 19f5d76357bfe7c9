/** How many connections there are, who uses which, and what is left at the end: nothing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, SkeinError } from '../../src/client/client.ts';
import { now } from '../../src/client/deadline.ts';
import { settingsOf } from '../../src/client/options.ts';
import { Pool } from '../../src/client/pool.ts';
import { startServer } from '../server-process.ts';
import { startProxy, toolsOf } from './proxy.ts';

async function reasonOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'it succeeded',
    (error: unknown) => (error instanceof SkeinError ? `${error.reason}, definite ${error.definite}` : String(error)),
  );
}

test('connections of a client', async (suite) => {
  const server = await startServer(suite);

  await suite.test('as many as poolMin are ready, as many as poolSize carry a crowd', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = connect({ host: '127.0.0.1', port: proxy.port, poolMin: 2, poolSize: 4 });
    t.after(() => skein.close());
    await proxy.until(() => proxy.standing === 2);
    await Promise.all(Array.from({ length: 100 }, () => skein.call('server_info')));
    assert.equal(proxy.made, 4);
  });

  await suite.test('calls one after the other need no more than one', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = connect({ host: '127.0.0.1', port: proxy.port, poolMin: 0 });
    t.after(() => skein.close());
    for (let i = 0; i < 10; i += 1) await skein.ping();
    assert.equal(proxy.made, 1);
  });

  await suite.test('more calls that wait than connections hold up no other', async (t) => {
    const skein = connect({ host: '127.0.0.1', port: server.port, poolMin: 0, poolSize: 2 });
    t.after(() => skein.close());
    const { swarmId } = await skein.call('swarm_init');
    const { taskId } = await skein.call('task_orchestrate', { swarmId, task: 'nobody does this' });
    const waits = Array.from({ length: 20 }, () => skein.call('task_wait', { swarmId, taskId, waitSeconds: 600 }));
    await skein.call('task_cancel', { swarmId, taskId });
    for (const { status } of await Promise.all(waits)) assert.equal(status, 'cancelled');
  });

  await suite.test('those that have nothing to do are closed, down to poolMin', async (t) => {
    const proxy = await startProxy(t, server.port);
    const settings = settingsOf({ host: '127.0.0.1', port: proxy.port, poolMin: 1, poolSize: 5 }, {});
    const pool = new Pool(settings, { idleMs: 20 });
    t.after(() => pool.close());
    const ping = (): Promise<unknown> => pool.use((connection) => connection.request('ping', {}, now() + 60_000));
    await Promise.all(Array.from({ length: 5 }, ping));
    assert.equal(proxy.made, 5);
    // The eviction timer of the pool keeps no process alive, so this has to.
    const alive = setInterval(() => {}, 1_000);
    t.after(() => clearInterval(alive));
    await proxy.until(() => proxy.standing === 1);
    assert.equal(pool.size, 1);
  });

  await suite.test('one that was lost is made again by whoever needs it', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = connect({ host: '127.0.0.1', port: proxy.port, poolSize: 1 });
    t.after(() => skein.close());
    await skein.ping();
    proxy.cut();
    await proxy.until(() => proxy.standing === 0);
    assert.equal(proxy.made, 1);
    await skein.ping();
    assert.equal(proxy.made, 2);
  });

  await suite.test('close waits for a call that is under way, and lets no other begin', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = connect({ host: '127.0.0.1', port: proxy.port, poolMin: 0 });
    let answer = (): void => {};
    proxy.fate = () => new Promise((resolve) => (answer = resolve));
    const call = skein.call('swarm_init');
    await proxy.until(() => toolsOf(proxy).length === 1);
    const closing = skein.close();
    assert.equal(await reasonOf(skein.ping()), 'closed, definite true');
    assert.equal(await reasonOf(skein.join()), 'closed, definite true');
    assert.equal(await reasonOf(skein.subscribe('swarm').next()), 'closed, definite true');
    answer();
    assert.match((await call).swarmId, /^swarm_/);
    await closing;
    await proxy.until(() => proxy.standing === 0);
  });

  await suite.test('close waits no longer than closeTimeoutMs, and what was written is in doubt', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = connect({ host: '127.0.0.1', port: proxy.port, poolMin: 0, closeTimeoutMs: 20 });
    proxy.fate = () => 'swallow';
    const call = reasonOf(skein.call('swarm_init'));
    await proxy.until(() => toolsOf(proxy).length === 1);
    await skein.close();
    assert.equal(await call, 'closed, definite false');
  });

  await suite.test('close ends calls that wait, sessions and streams at once', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = connect({ host: '127.0.0.1', port: proxy.port, poolMin: 0, closeTimeoutMs: 600_000 });
    const { swarmId } = await skein.call('swarm_init');
    const { taskId } = await skein.call('task_orchestrate', { swarmId, task: 'nobody does this' });
    const session = await skein.join({ swarmId, capabilities: ['other'] });
    const events = skein.subscribe(swarmId);
    await events.opened;
    const ended = [
      skein.call('task_wait', { swarmId, taskId, waitSeconds: 600 }),
      session.next({ waitSeconds: 600 }),
      events.next(),
    ].map(reasonOf);
    await proxy.until(() => ['task_wait', 'task_next'].every((tool) => toolsOf(proxy).includes(tool)));
    await skein.close();
    for (const reason of await Promise.all(ended)) assert.match(reason, /^closed/);
    assert.equal((session.signal.reason as SkeinError).reason, 'closed');
    await proxy.until(() => proxy.standing === 0);
  });

  await suite.test('a program that closes its client ends by itself', async (t) => {
    const program = fileURLToPath(new URL('./leaves-nothing.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', program], {
      env: { ...process.env, MCP_TCP_PORT: String(server.port), MCP_HOST: '127.0.0.1' },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
});
