/** Hearing that a resource has changed: resources/subscribe in the legacy era, subscriptions/listen in the modern one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import {
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { connectRaw, startServer } from '../server-process.ts';
import { modernMeta, newestOfEach, newestOverHttp } from './clients.ts';

/** Each call resolves with the next URI that the client is told of. */
function updatesOf(client: Client, isV1: boolean): () => Promise<string> {
  const told: string[] = [];
  const waiting: ((uri: string) => void)[] = [];
  const onUpdate = ({ params }: { params: { uri: string } }): void => {
    const next = waiting.shift();
    if (next === undefined) told.push(params.uri);
    else next(params.uri);
  };
  // The clients differ in what names a notification.
  client.setNotificationHandler(
    (isV1 ? ResourceUpdatedNotificationSchema : 'notifications/resources/updated') as never,
    onUpdate,
  );
  return () => new Promise((resolve) => (told.length > 0 ? resolve(told.shift()!) : waiting.push(resolve)));
}

test('the list of swarms', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);

  for (const { name, revision, connect } of newestOfEach) {
    await t.test(name, async (t) => {
      const { client } = await connect(t, server.port);
      let told = (): void => {};
      const changed = (): Promise<void> => new Promise((resolve) => (told = resolve));
      const method = 'notifications/resources/list_changed';
      const isV1 = name.startsWith('v1');
      client.setNotificationHandler((isV1 ? ResourceListChangedNotificationSchema : method) as never, () => told());
      if (revision === '2026-07-28') await client.listen({ resourcesListChanged: true });
      // Answered: so the handshake before it is over.
      await client.listPrompts();
      const created = changed();
      const { swarmId } = await plain.call('swarm_init');
      await created;
      const has = async (): Promise<boolean> =>
        (await client.listResources()).resources.some(({ uri }) => uri === `skein://${swarmId}/status`);
      assert.ok(await has());
      const destroyed = changed();
      await plain.call('swarm_destroy', { swarmId });
      await destroyed;
      assert.ok(!(await has()));
      await client.close();
    });
  }

  await t.test('nobody else is told', async (t) => {
    const modern = await connectRaw(t, server.port);
    const legacy = await connectRaw(t, server.port);
    const clientInfo = { name: 'test', version: '1' };
    await legacy.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
    modern.send({
      jsonrpc: '2.0',
      id: 'l',
      method: 'subscriptions/listen',
      params: { notifications: { toolsListChanged: true }, ...modernMeta },
    });
    // What never changes cannot be listened to.
    assert.deepEqual((await modern.message()).params.notifications, {});
    await plain.call('swarm_init');
    for (const [connection, meta] of [
      [modern, modernMeta],
      [legacy, {}],
      [plain, {}],
    ] as const) {
      connection.send({ jsonrpc: '2.0', id: 'list', method: 'tools/list', params: meta });
      assert.equal((await connection.message()).id, 'list');
    }
  });
});

test('a server that goes ends what is listened to, and answers it', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  const connection = await connectRaw(t, server.port);
  const filters = { a: { resourceSubscriptions: [`skein://${swarmId}/status`] }, b: { resourcesListChanged: true } };
  for (const [id, notifications] of Object.entries(filters)) {
    connection.send({ jsonrpc: '2.0', id, method: 'subscriptions/listen', params: { notifications, ...modernMeta } });
    assert.equal((await connection.message()).method, 'notifications/subscriptions/acknowledged');
  }
  server.kill('SIGTERM');
  for (const id of Object.keys(filters)) {
    const { id: of, result } = await connection.message();
    assert.deepEqual([of, result.resultType], [id, 'complete']);
    assert.equal(result._meta['io.modelcontextprotocol/subscriptionId'], id);
    assert.equal(result._meta['io.modelcontextprotocol/serverInfo'].name, 'skein');
  }
  assert.equal(await connection.line(), undefined);
  assert.equal(await server.ended, 0);
});

test('subscribing to resources', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);

  for (const way of [...newestOfEach, ...newestOverHttp]) {
    const { name, revision, connect } = way;
    await t.test(name, async (t) => {
      const { swarmId } = await plain.call('swarm_init');
      const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'watched' });
      const { swarmId: otherSwarmId } = await plain.call('swarm_init');
      const { client } = await connect(t, newestOverHttp.includes(way) ? server.httpPort : server.port);
      const next = updatesOf(client, name.startsWith('v1'));
      const task = `skein://${swarmId}/tasks/${taskId}`;
      const memory = `skein://${swarmId}/memory/key`;
      const isModern = revision === '2026-07-28';
      const subscribe = async (uri: string): Promise<() => Promise<unknown>> => {
        if (isModern) {
          const subscription = await client.listen({ resourceSubscriptions: [uri] });
          return () => subscription.close();
        }
        await client.subscribeResource({ uri });
        return () => client.unsubscribeResource({ uri });
      };

      await assert.rejects(subscribe(memory), /cannot be subscribed to/);
      await assert.rejects(subscribe('skein://swarm_1_x/status'), /swarm_1_x/);
      await assert.rejects(subscribe(`skein://${swarmId}/tasks/task_1_x`), /no task task_1_x/);
      await assert.rejects(subscribe(`skein://${otherSwarmId}/tasks/${taskId}`), /no task/);
      await assert.rejects(subscribe('file:///etc/passwd'), /no resource of this server/);

      const end = await subscribe(task);
      // What is about another task is not told.
      await plain.call('task_orchestrate', { swarmId, task: 'not watched' });
      await plain.call('task_cancel', { taskId });
      assert.equal(await next(), task);
      await end();

      const { taskId: later } = await plain.call('task_orchestrate', { swarmId, task: 'later' });
      const endEvents = await subscribe(`skein://${swarmId}/events`);
      await plain.call('swarm_pause', { swarmId });
      assert.equal(await next(), `skein://${swarmId}/events`);
      await endEvents();

      await subscribe(`skein://${swarmId}/status`);
      await plain.call('task_cancel', { taskId: later });
      assert.equal(await next(), `skein://${swarmId}/status`);
      await client.close();
    });
  }

  await t.test('a subscription of 2026-07-28 is told by its id, until it is cancelled', async (t) => {
    const { swarmId } = await plain.call('swarm_init');
    const uri = `skein://${swarmId}/status`;
    const connection = await connectRaw(t, server.port);
    const listen = (id: unknown, notifications: object) =>
      connection.send({ jsonrpc: '2.0', id, method: 'subscriptions/listen', params: { notifications, ...modernMeta } });
    const idKey = 'io.modelcontextprotocol/subscriptionId';
    listen('a', { resourceSubscriptions: [uri] });
    const acknowledged = await connection.message();
    assert.equal(acknowledged.method, 'notifications/subscriptions/acknowledged');
    assert.deepEqual(acknowledged.params, { notifications: { resourceSubscriptions: [uri] }, _meta: { [idKey]: 'a' } });
    await plain.call('swarm_pause', { swarmId });
    const updated = await connection.message();
    assert.deepEqual([updated.method, updated.params.uri], ['notifications/resources/updated', uri]);
    assert.equal(updated.params._meta[idKey], 'a');

    connection.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a' } });
    await connection.request('prompts/list', modernMeta);
    await plain.call('swarm_resume', { swarmId });
    // A new one is told at once of what comes next, and is all that is told.
    listen(2, { resourceSubscriptions: [uri] });
    assert.equal((await connection.message()).params._meta[idKey], 2);
    await plain.call('swarm_pause', { swarmId });
    assert.equal((await connection.message()).params._meta[idKey], 2);

    for (const [id, notifications] of [
      [1.5, {}],
      [3, { resourceSubscriptions: 7 }],
      [4, { resourceSubscriptions: Array.from({ length: 101 }, (_, i) => `skein://${swarmId}/tasks/task_${i}`) }],
    ] as const) {
      listen(id, notifications);
      const reply = await connection.message();
      assert.deepEqual([reply.id, reply.error.code], [id, -32602]);
    }
    // Half closed with a subscription that is open: the server ends its side.
    connection.socket.end();
    assert.equal(await connection.line(), undefined);
  });
});
