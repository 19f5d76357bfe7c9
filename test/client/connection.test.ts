/** A connection that is made again: what waits for it, and what is known of a request that it did not carry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from '../../src/client/connection.ts';
import { now } from '../../src/client/deadline.ts';
import { SkeinError } from '../../src/client/errors.ts';
import { settingsOf } from '../../src/client/options.ts';
import { send, startScriptedServer, type ScriptedRequest } from './scripted-server.ts';

const settingsFor = (port: number) => settingsOf({ host: '127.0.0.1', port }, {});

async function failure(promise: Promise<unknown>): Promise<SkeinError> {
  const error = await promise.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SkeinError, String(error));
  return error;
}

test('nothing is sent before a connection is prepared, and it is prepared each time', async (t) => {
  const methods: string[] = [];
  let cut = (): void => {};
  const port = await startScriptedServer(t, ({ id, method }, socket) => {
    methods.push(method);
    cut = () => socket.destroy();
    setImmediate(() => send(socket, { id, result: method }));
  });
  let tellLost = (): void => {};
  const lost = new Promise<void>((resolve) => (tellLost = resolve));
  const connection = new Connection(settingsFor(port), {
    prepare: async (request) => void (await request('prepare')),
    onLost: () => tellLost(),
  });
  t.after(() => connection.close());
  const until = now() + 60_000;
  assert.deepEqual(await Promise.all(['a', 'b'].map((method) => connection.request(method, {}, until))), ['a', 'b']);
  cut();
  await lost;
  assert.equal(await connection.request('c', {}, until), 'c');
  assert.deepEqual(methods, ['prepare', 'a', 'b', 'prepare', 'c']);
});

test('a request that waits for the connection until its deadline was never sent', async (t) => {
  const requests: ScriptedRequest[] = [];
  const port = await startScriptedServer(t, (request) => requests.push(request));
  const connection = new Connection(settingsFor(port), { prepare: () => new Promise(() => {}) });
  t.after(() => connection.close());
  const error = await failure(connection.request('tools/call', { name: 'swarm_init' }, now() + 20));
  assert.equal(error.reason, 'deadline_exceeded');
  assert.equal(error.definite, true);
  assert.match(error.message, /^swarm_init could not be sent in time/);
  assert.deepEqual(requests, []);
});

test('a connection that could not be prepared was not made', async (t) => {
  const port = await startScriptedServer(t, ({ id }, socket) => {
    const data = { reason: 'join_token_invalid', definite: true };
    send(socket, { id, error: { code: -32001, message: 'no', data } });
  });
  let lost = 0;
  const connection = new Connection(settingsFor(port), {
    prepare: async (request) => void (await request('tools/call', { name: 'swarm_join' })),
    onLost: () => (lost += 1),
  });
  t.after(() => connection.close());
  assert.equal((await failure(connection.open())).reason, 'join_token_invalid');
  assert.equal((await failure(connection.request('ping', {}, now() + 60_000))).reason, 'join_token_invalid');
  assert.equal(lost, 0);
});

test('closing rejects what was written as in doubt, and what comes later as not sent', async (t) => {
  let tellWritten = (): void => {};
  const written = new Promise<void>((resolve) => (tellWritten = resolve));
  const port = await startScriptedServer(t, () => tellWritten());
  let lost = 0;
  const connection = new Connection(settingsFor(port), { onLost: () => (lost += 1) });
  const request = failure(connection.request('ping', {}, now() + 60_000));
  await written;
  connection.close();
  assert.deepEqual([(await request).reason, (await request).definite], ['closed', false]);
  const later = await failure(connection.request('ping', {}, now() + 60_000));
  assert.deepEqual([later.reason, later.definite], ['closed', true]);
  assert.equal(lost, 0, 'it was not lost, it was closed');
});

test('replies are told apart by their ids, whatever their order', async (t) => {
  const held: (() => void)[] = [];
  const port = await startScriptedServer(t, ({ id, method }, socket) => {
    held.unshift(() => send(socket, { id, result: method }));
    if (held.length === 3) for (const answer of held) answer();
  });
  const connection = new Connection(settingsFor(port));
  t.after(() => connection.close());
  const until = now() + 60_000;
  const methods = ['a', 'b', 'c'];
  assert.deepEqual(await Promise.all(methods.map((method) => connection.request(method, {}, until))), methods);
});
