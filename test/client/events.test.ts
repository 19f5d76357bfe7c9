/** Streams of events: every one once, in order, whatever happens to connections and coordinators. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect, SkeinError, type EventStream, type SwarmEvent } from '../../src/client/client.ts';
import { freePort } from '../ports.ts';
import { startServer } from '../server-process.ts';
import { startProxy } from './proxy.ts';
import { send, startScriptedServer } from './scripted-server.ts';

/** Reads until the wanted event, and asserts that versions follow each other from `after` on. */
async function readTo(events: EventStream, wanted: (event: SwarmEvent) => boolean, after: number): Promise<SwarmEvent> {
  let version = after;
  for (;;) {
    const { value } = await events.next();
    assert.ok(value !== undefined, 'the stream ended');
    version += 1;
    assert.equal(value.version, version);
    if (wanted(value)) return value;
  }
}

async function failure(promise: Promise<unknown>): Promise<SkeinError> {
  const error = await promise.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SkeinError, String(error));
  return error;
}

const of = (type: string) => (event: SwarmEvent) => event.type === type;

test('events without gap or repetition across cut connections and kill -9', async (t) => {
  const server = await startServer(t, { port: await freePort() });
  const proxy = await startProxy(t, server.port);
  const skein = connect({ host: '127.0.0.1', port: proxy.port, retryAttempts: 12, retryDelayMs: 20 });
  t.after(() => skein.close());
  const { swarmId } = await skein.call('swarm_init');
  const events = skein.subscribe(swarmId, { from: 0 });
  const created = await readTo(events, of('swarm_created'), 0);
  assert.equal(created.swarmId, swarmId);

  await skein.call('task_orchestrate', { swarmId, task: 'before the cut' });
  const first = await readTo(events, of('task_accepted'), created.version);
  proxy.cut();
  await skein.call('task_orchestrate', { swarmId, task: 'after the cut' });
  const second = await readTo(events, of('task_accepted'), first.version);
  assert.equal(second['taskId'] === first['taskId'], false);

  // Events that happen while the reader does not read, and before it is back, are not lost.
  await skein.call('task_orchestrate', { swarmId, task: 'before the kill' });
  server.kill('SIGKILL');
  await server.ended;
  await startServer(t, { port: server.port, dataDir: server.dataDir });
  await skein.call('swarm_destroy', { swarmId });
  await readTo(events, of('swarm_destroyed'), second.version);
});

test('streams of a client', async (suite) => {
  const server = await startServer(suite);

  await suite.test('without `from` it begins when it is opened', async (t) => {
    const skein = connect({ host: '127.0.0.1', port: server.port });
    t.after(() => skein.close());
    const { swarmId } = await skein.call('swarm_init');
    await skein.call('task_orchestrate', { swarmId, task: 'before' });
    const { version } = await skein.call('swarm_status', { swarmId });
    const events = skein.subscribe(swarmId);
    await events.opened;
    const { taskId } = await skein.call('task_orchestrate', { swarmId, task: 'after' });
    assert.equal((await readTo(events, of('task_accepted'), version))['taskId'], taskId);
  });

  await suite.test('leaving the loop ends the subscription and its connection', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = connect({ host: '127.0.0.1', port: proxy.port, poolMin: 0, poolSize: 1 });
    t.after(() => skein.close());
    const { swarmId } = await skein.call('swarm_init');
    for await (const event of skein.subscribe(swarmId, { from: 0 })) {
      assert.equal(event.version, 1);
      break;
    }
    await proxy.until(() => proxy.standing === 1);
    await skein.ping();
  });

  await suite.test('return() ends a reader that waits', async (t) => {
    const skein = connect({ host: '127.0.0.1', port: server.port });
    t.after(() => skein.close());
    const { swarmId } = await skein.call('swarm_init');
    const events = skein.subscribe(swarmId);
    await events.opened;
    const waiting = [events.next(), events.next()];
    await events.return();
    for (const { done } of await Promise.all(waiting)) assert.equal(done, true);
    assert.equal((await events.next()).done, true);
  });

  await suite.test('a swarm that is not there is told to whoever reads', async (t) => {
    const skein = connect({ host: '127.0.0.1', port: server.port });
    t.after(() => skein.close());
    const events = skein.subscribe('swarm_0_none');
    assert.equal((await failure(events.next())).reason, 'swarm_not_found');
    assert.equal((await failure(events.opened)).reason, 'swarm_not_found');
    assert.equal((await events.next()).done, true);
  });
});

test('for a reader that does not read, only so much is taken in; then it gets all', async (t) => {
  const total = 20_000;
  const filler = 'f'.repeat(1_000);
  let sender: Socket | undefined;
  const port = await startScriptedServer(t, ({ id, params }, socket) => {
    sender = socket;
    send(socket, { id, result: { swarmId: params['swarmId'], subscriptionId: 'sub_1', from: 0 } });
    for (let version = 1; version <= total; version += 1) {
      const event = { swarmId: 's', version, type: 'x', at: '2026-11-21T10:00:00.000Z', filler };
      send(socket, { method: 'event', params: { subscriptionId: 'sub_1', event } });
    }
  });
  const skein = connect({ host: '127.0.0.1', port, poolMin: 0 });
  t.after(() => skein.close());
  const events = skein.subscribe('s', { from: 0 });
  await events.opened;
  // Both sides live in this process: so many turns are enough to send and take in all of it.
  for (let turn = 0; turn < 2_000; turn += 1) await nextTurn();
  assert.ok(sender!.writableLength > 0, 'all was taken in');
  await readTo(events, ({ version }) => version === total, 0);
});

test('history that was trimmed while the connection was away ends the stream, after what has come', async (t) => {
  let subscribed = 0;
  const port = await startScriptedServer(t, ({ id, params }, socket) => {
    subscribed += 1;
    if (subscribed === 1) {
      const event = { swarmId: 's', version: 8, type: 'x', at: '2026-11-21T10:00:00.000Z' };
      send(socket, { id, result: { swarmId: 's', subscriptionId: 'sub_1', from: 7 } });
      send(socket, { method: 'event', params: { subscriptionId: 'sub_1', event } });
      socket.end();
      return;
    }
    assert.equal(params['from'], 8);
    const data = { reason: 'history_trimmed', definite: true, oldest: 500 };
    send(socket, { id, error: { code: -32002, message: 'trimmed', data } });
  });
  const skein = connect({ host: '127.0.0.1', port, poolMin: 0, retryDelayMs: 1 });
  t.after(() => skein.close());
  const events = skein.subscribe('s', { from: 7 });
  assert.equal((await events.next()).value?.version, 8);
  const error = await failure(events.next());
  assert.equal(error.reason, 'history_trimmed');
  assert.equal(error.data['oldest'], 500);
  assert.equal((await events.next()).done, true);
});

test('a subscription that the coordinator ends says why', async (t) => {
  const port = await startScriptedServer(t, ({ id }, socket) => {
    send(socket, { id, result: { swarmId: 's', subscriptionId: 'sub_1', from: 7 } });
    const params = { subscriptionId: 'sub_1', swarmId: 's', reason: 'history_trimmed', oldest: 500 };
    send(socket, { method: 'subscription_ended', params });
  });
  const skein = connect({ host: '127.0.0.1', port, poolMin: 0 });
  t.after(() => skein.close());
  const error = await failure(skein.subscribe('s', { from: 7 }).next());
  assert.equal(error.reason, 'history_trimmed');
  assert.equal(error.code, -32002);
  assert.equal(error.data['oldest'], 500);
  assert.match(error.message, /subscribe from 500/);
});
