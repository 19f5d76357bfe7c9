/** Hearing that a resource has changed: resources/subscribe in the legacy era, subscriptions/listen in the modern one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
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

test('subscribing to resources', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);

  for (const way of [...newestOfEach, ...newestOverHttp]) {
    const { name, revision, connect } = way;
    await t.test(name, async (t) => {
      const { swarmId } = await plain.call('swarm_init');
      const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'watched' });
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
      await assert.rejects(subscribe('file:///etc/passwd'), /no resource of this server/);

      const end = await subscribe(task);
      // What is about another task is not told.
      await plain.call('task_orchestrate', { swarmId, task: 'not watched' });
      await plain.call('task_cancel', { taskId });
      assert.equal(await next(), task);
      await end();

      const { taskId: later } = await plain.call('task_orchestrate', { swarmId, task: 'later' });
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
