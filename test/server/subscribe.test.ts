/** Following a swarm's events: in order, without gap or repetition, at every subscriber's own pace. Protocol: "Events". */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { events as eventTypes, methods, validate } from '../../src/spec.ts';
import { connectRaw, startServer, temporaryFolder, type RawConnection, type ServerProcess } from '../server-process.ts';

interface Event {
  readonly version: number;
  readonly type: string;
  readonly [field: string]: any;
}

/** Checks a notification, and takes the event out of it. */
function eventIn(message: any, subscriptionId: string): Event {
  assert.deepEqual([message.jsonrpc, message.method, 'id' in message], ['2.0', 'event', false]);
  assert.equal(validate(methods.get('subscribe')!.notifications!['event']!.params, message.params), null);
  assert.equal(message.params.subscriptionId, subscriptionId);
  assert.ok(message.params.event.type in eventTypes, message.params.event.type);
  return message.params.event;
}

class Subscriber {
  readonly connection: RawConnection;
  readonly id: string;
  readonly from: number;
  readonly events: Event[] = [];

  constructor(connection: RawConnection, subscribed: { readonly subscriptionId: string; readonly from: number }) {
    this.connection = connection;
    this.id = subscribed.subscriptionId;
    this.from = subscribed.from;
  }

  /** Reads up to and with the event that `last` accepts; versions must follow each other. */
  async readUntil(last: (event: Event) => boolean): Promise<Event[]> {
    for (;;) {
      const event = eventIn(await this.connection.message(), this.id);
      assert.equal(event.version, this.from + this.events.length + 1);
      this.events.push(event);
      if (last(event)) return this.events;
    }
  }
}

async function subscribe(t: TestContext, server: ServerProcess, params: object): Promise<Subscriber> {
  const connection = await connectRaw(t, server.port);
  connection.send({ jsonrpc: '2.0', id: 'subscribe', method: 'subscribe', params });
  const reply = await connection.message();
  assert.equal(reply.id, 'subscribe', 'the reply comes before any event');
  return new Subscriber(connection, reply.result);
}

/** A swarm in which `count` tasks are done by a worker that joins for it; every token that is handed out on the way. */
async function doTasks(
  client: RawConnection,
  worker: RawConnection,
  swarmId: string,
  count: number,
): Promise<{ readonly secrets: string[]; readonly lastTask: string }> {
  const secrets: string[] = [];
  const { joinToken } = await client.call('agent_spawn', { swarmId, agentType: 'doer', requestId: `spawn ${count}` });
  const join = await worker.call('swarm_join', { swarmId, token: joinToken, requestId: `join ${count}` });
  secrets.push(joinToken, join.resumeToken);
  let lastTask = '';
  for (let i = 0; i < count; i++) {
    const { taskId } = await client.call('task_orchestrate', {
      swarmId,
      task: `task ${i}`,
      requestId: `task ${count} ${i}`,
    });
    const claim = { agentId: join.agentId, waitSeconds: 60, requestId: `next ${count} ${i}` };
    const { assignmentId, leaseToken } = (await worker.call('task_next', claim)).assignment;
    secrets.push(leaseToken);
    await worker.call('task_update', { agentId: join.agentId, assignmentId, leaseToken, progress: { done: i } });
    await worker.call('task_complete', { agentId: join.agentId, assignmentId, leaseToken, result: { i } });
    lastTask = taskId;
  }
  return { secrets, lastTask };
}

const endOf = (taskId: string) => (event: Event) => event.type === 'task_ended' && event['taskId'] === taskId;

test('subscriptions', async (t) => {
  const server = await startServer(t);
  const client = await connectRaw(t, server.port);

  await t.test('subscribers at different positions see the same events, while they happen', async (t) => {
    const worker = await connectRaw(t, server.port);
    const initialAgents = [{ type: 'idler', name: 'never comes' }];
    const { swarmId } = await client.call('swarm_init', { initialAgents, requestId: 'the swarm' });
    const first = await subscribe(t, server, { swarmId, from: 0 });
    const done = await doTasks(client, worker, swarmId, 20);

    const second = await subscribe(t, server, { swarmId, from: 7 });
    const latest = await subscribe(t, server, { swarmId });
    assert.ok(latest.from > 20);
    const more = doTasks(client, worker, swarmId, 30);
    const midway = await subscribe(t, server, { swarmId, from: 11 });
    const { secrets, lastTask } = await more;

    const all = await first.readUntil(endOf(lastTask));
    for (const other of [second, latest, midway]) {
      assert.deepEqual(await other.readUntil(endOf(lastTask)), all.slice(other.from));
    }
    assert.equal(all[0]!.type, 'swarm_created');
    const ends = all.filter(({ type }) => type === 'task_ended');
    assert.deepEqual([ends.length, new Set(ends.map((event) => event['taskId'])).size], [50, 50]);
    for (const event of all) assert.equal(event['swarmId'], swarmId);

    // Whoever reads events must not be able to act as somebody else.
    const text = JSON.stringify(all);
    for (const secret of [...done.secrets, ...secrets]) assert.ok(secret.length >= 16 && !text.includes(secret));
    assert.doesNotMatch(text, /[tT]oken"/);
  });

  await t.test('following goes on where it was left, on another connection', async (t) => {
    const worker = await connectRaw(t, server.port);
    const { swarmId } = await client.call('swarm_init');
    const early = await subscribe(t, server, { swarmId, from: 0 });
    await early.readUntil(({ type }) => type === 'swarm_created');
    early.connection.socket.destroy();
    const { lastTask } = await doTasks(client, worker, swarmId, 10);
    const seen: Event[] = [...early.events];
    for (let last = false; !last;) {
      const next = await subscribe(t, server, { swarmId, from: seen.at(-1)!.version });
      let read = 0;
      await next.readUntil((event) => (last = endOf(lastTask)(event)) || ++read === 7);
      next.connection.socket.destroy();
      seen.push(...next.events);
    }
    assert.deepEqual(
      seen.map(({ version }) => version),
      seen.map((_, index) => index + 1),
    );
  });

  await t.test('after unsubscribe nothing comes any more', async (t) => {
    const worker = await connectRaw(t, server.port);
    const { swarmId } = await client.call('swarm_init');
    const other = (await client.call('swarm_init')).swarmId;
    const connection = await connectRaw(t, server.port);
    const ids: string[] = [];
    for (const of of [swarmId, swarmId, other]) {
      ids.push((await connection.request('subscribe', { swarmId: of, from: 0 })).result.subscriptionId);
    }
    assert.equal(new Set(ids).size, 3);
    const working = doTasks(client, worker, swarmId, 20);
    const unsubscribed = async (params: object): Promise<void> => {
      connection.send({ jsonrpc: '2.0', id: 'unsubscribe', method: 'unsubscribe', params });
      for (let reply; reply?.id !== 'unsubscribe';) {
        reply = await connection.message();
        if (reply.id === 'unsubscribe') assert.deepEqual(reply.result, { ended: 1 });
      }
    };
    await unsubscribed({ subscriptionId: ids[0] });
    await connection.message();
    await unsubscribed({ swarmId });
    await working;
    assert.deepEqual((await connection.request('unsubscribe', { swarmId })).result, { ended: 0 });
    assert.deepEqual((await connection.request('unsubscribe', { subscriptionId: ids[0] })).result, { ended: 0 });
    connection.socket.end();
    // The other swarm's may have been on its way.
    for (let line; (line = await connection.line()) !== undefined;) assert.ok(line.includes(ids[2]!), line);
  });

  await t.test('a subscription can be made by a batch', async (t) => {
    const { swarmId } = await client.call('swarm_init');
    const connection = await connectRaw(t, server.port);
    const { result } = await connection.request('batch', [{ method: 'subscribe', params: { swarmId, from: 0 } }]);
    const event = eventIn(await connection.message(), result[0].result.subscriptionId);
    assert.deepEqual([event.version, event.type], [1, 'swarm_created']);
  });

  await t.test('a destroyed swarm tells its end', async (t) => {
    const { swarmId } = await client.call('swarm_init', { initialAgents: [{ type: 'a' }] });
    await client.call('task_orchestrate', { swarmId, task: 'x' });
    const subscriber = await subscribe(t, server, { swarmId, from: 0 });
    await client.call('swarm_destroy', { swarmId });
    const types = (await subscriber.readUntil(({ type }) => type === 'swarm_destroyed')).map(({ type }) => type);
    assert.ok(types.includes('task_accepted'));
  });

  await t.test('a connection has at most 100, however fast it asks', async (t) => {
    const { swarmId } = await client.call('swarm_init');
    const connection = await connectRaw(t, server.port);
    const ask = Array.from({ length: 150 }, () => connection.request('subscribe', { swarmId }));
    const refused = (await Promise.all(ask)).filter(({ error }) => error !== undefined);
    assert.equal(refused.length, 50);
    for (const { error } of refused) assert.deepEqual([error!.code, error!.data.reason], [-32003, 'wait_limit']);
    assert.deepEqual((await connection.request('unsubscribe', { swarmId })).result, { ended: 100 });
    assert.equal((await connection.request('subscribe', { swarmId })).error, undefined);
  });
});

test('a subscriber that does not read holds up nobody, costs little, and misses nothing', async (t) => {
  const server = await startServer(t);
  const client = await connectRaw(t, server.port);
  const worker = await connectRaw(t, server.port);
  const rssBytes = async (): Promise<number> => {
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
  };
  const { swarmId } = await client.call('swarm_init');
  const { agentId } = await worker.call('swarm_join', { swarmId });
  const { taskId } = await client.call('task_orchestrate', { swarmId, task: 'listen' });
  const { assignmentId, leaseToken } = (await worker.call('task_next')).assignment;
  const lazy = await subscribe(t, server, { swarmId, from: 0 });
  lazy.connection.socket.pause();
  const eager = await subscribe(t, server, { swarmId, from: 0 });
  const before = await rssBytes();

  // 150 MB of events, far more than sockets hold; the swarm itself keeps only what was not acknowledged yet.
  const count = 3_000;
  const text = 'x'.repeat(50 * 1024);
  const read = eager.readUntil(endOf(taskId));
  for (let i = 0; i < count; i += 100) {
    const sent = Array.from({ length: 100 }, (_, k) =>
      client.call('agent_message', { swarmId, agentId, message: { step: i + k, text } }),
    );
    await Promise.all(sent);
    await worker.call('message_ack', { cursor: i + 100 });
  }
  await worker.call('task_complete', { assignmentId, leaseToken, result: null });
  const all = await read;
  assert.equal(all.filter(({ type }) => type === 'message_sent').length, count);
  // And one that would read all of it many times over, if it read at all.
  const hoarder = await connectRaw(t, server.port);
  hoarder.socket.pause();
  for (let i = 0; i < 50; i++) {
    hoarder.send({ jsonrpc: '2.0', id: i, method: 'subscribe', params: { swarmId, from: 0 } });
  }
  for (let i = 0; i < 100; i++) await client.request('ping');
  const grown = (await rssBytes()) - before;
  assert.ok(grown < 384 * 1024 * 1024, `grew by ${Math.round(grown / 1024 / 1024)} MiB`);

  lazy.connection.socket.resume();
  assert.equal((await lazy.readUntil(endOf(taskId))).length, all.length);
  assert.deepEqual(lazy.events.at(-2), all.at(-2));
});

test('following goes on over a restart of the server', async (t) => {
  const dataDir = await temporaryFolder();
  const before = await startServer(t, { dataDir });
  const client = await connectRaw(t, before.port);
  const { swarmId } = await client.call('swarm_init');
  await client.call('agent_spawn', { swarmId, agentType: 'a' });
  const first = await subscribe(t, before, { swarmId, from: 0 });
  const seen = await first.readUntil(({ type }) => type === 'agent_spawned');
  await client.call('agent_spawn', { swarmId, agentType: 'b' });
  before.kill('SIGKILL');
  await before.ended;

  const after = await startServer(t, { dataDir });
  const second = await subscribe(t, after, { swarmId, from: seen.at(-1)!.version });
  const again = await connectRaw(t, after.port);
  await again.call('agent_spawn', { swarmId, agentType: 'c' });
  const more = await second.readUntil((event) => event['agentType'] === 'c');
  const spawned = more.filter(({ type }) => type === 'agent_spawned').map((event) => event['agentType']);
  assert.deepEqual(spawned, ['b', 'c']);
});
