/** Clients of every kind beside each other: each gets what section "Connections" promises, and the others notice nothing. */
import { Buffer } from 'node:buffer';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connectRaw, startServer, type RawConnection, type ServerProcess } from '../server-process.ts';

/** Resolves when the server has no other connections than this many: those that ended have been noticed. */
async function settled(connection: RawConnection, connections: number): Promise<void> {
  while ((await connection.call('server_info')).connections !== connections);
}

async function rssBytes({ pid }: ServerProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

const openFiles = async ({ pid }: ServerProcess): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length;

/** Asks one question after the other, until it is told to stop; every one must be answered. */
function pingAlong(connection: RawConnection): { stop(): Promise<number> } {
  let on = true;
  const pinging = (async () => {
    let count = 0;
    for (; on; count++) assert.equal((await connection.request('ping')).result.status, 'ok');
    return count;
  })();
  return {
    stop: () => {
      on = false;
      return pinging;
    },
  };
}

/** Follows a swarm, and resolves with its next event of a type. */
async function eventOf(
  t: TestContext,
  server: ServerProcess,
  swarmId: string,
  type: string,
): Promise<() => Promise<any>> {
  const watcher = await connectRaw(t, server.port);
  await watcher.request('subscribe', { swarmId });
  return async () => {
    for (;;) {
      const { params } = await watcher.message();
      if (params.event.type === type) return params.event;
    }
  };
}

test('connections', async (t) => {
  const server = await startServer(t);
  const beside = await connectRaw(t, server.port);
  const alone = 1;

  await t.test('two clients with the same ids get their own answers', async (t) => {
    const clients = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
    await beside.call('swarm_init');
    for (const [who, client] of clients.entries()) await client.call('memory_store', { key: `of ${who}`, value: who });
    for (let id = 0; id < 200; id++) {
      for (const [who, client] of clients.entries()) {
        const params = { name: 'memory_retrieve', arguments: { key: `of ${who}` } };
        client.send({ jsonrpc: '2.0', id, method: 'tools/call', params });
      }
    }
    for (const [who, client] of clients.entries()) {
      const ids = new Set<number>();
      for (let i = 0; i < 200; i++) {
        const { id, result } = await client.message();
        assert.equal(result.value, who);
        ids.add(id);
      }
      assert.equal(ids.size, 200);
      client.socket.destroy();
    }
    await settled(beside, alone);
  });

  await t.test('500 short connections in a row leave nothing behind', async () => {
    const before = await openFiles(server);
    const along = pingAlong(beside);
    for (let i = 0; i < 500; i++) {
      const socket = createConnection({ port: server.port, host: '127.0.0.1' });
      socket.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      assert.match(Buffer.concat(chunks).toString(), /^{"jsonrpc":"2.0","id":1,"result":{"status":"ok",[^\n]*}\n$/);
    }
    assert.ok((await along.stop()) > 0);
    await settled(beside, alone);
    assert.ok((await openFiles(server)) <= before);
  });

  await t.test('clients that leave at once, in every way', async () => {
    const along = pingAlong(beside);
    const leave: ((socket: ReturnType<typeof createConnection>) => void)[] = [
      (socket) => socket.destroy(),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.write('{"jsonrpc"', () => socket.resetAndDestroy()),
      (socket) => socket.write('{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n'.repeat(50), () => socket.destroy()),
      (socket) =>
        socket.write('{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n'.repeat(50), () => socket.resetAndDestroy()),
    ];
    for (let i = 0; i < 200; i++) {
      const socket = createConnection({ port: server.port, host: '127.0.0.1' });
      socket.on('error', () => {});
      await once(socket, 'connect');
      const closed = new Promise((resolve) => socket.once('close', resolve));
      leave[i % leave.length]!(socket);
      await closed;
    }
    assert.ok((await along.stop()) > 0);
    await settled(beside, alone);
    assert.deepEqual(
      server.log.filter(({ level }) => level !== 'info'),
      [],
    );
  });

  await t.test('a half-closed client is answered in full, and then our side ends', async (t) => {
    const { swarmId } = await beside.call('swarm_init');
    const { taskId } = await beside.call('task_orchestrate', { swarmId, task: 'wait for it' });
    const client = await connectRaw(t, server.port);
    const call = (id: number, name: string, args: object): string =>
      `${JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } })}\n`;
    client.socket.end(
      call(1, 'task_wait', { taskId, waitSeconds: 600 }) +
        call(2, 'memory_store', { swarmId, key: 'k', value: 1 }) +
        '{"jsonrpc":"2.0","id":3,"method":"ping"}',
    );
    assert.deepEqual(new Set([(await client.message()).id, (await client.message()).id]), new Set([2, 3]));

    const worker = await connectRaw(t, server.port);
    await worker.call('swarm_join', { swarmId });
    const { assignment } = await worker.call('task_next');
    const { assignmentId, leaseToken } = assignment;
    await worker.call('task_complete', { assignmentId, leaseToken, result: 'done' });
    const { id, result } = await client.message();
    assert.deepEqual([id, result.status, result.ended], [1, 'completed', true]);
    assert.equal(await client.line(), undefined);
    for (const { socket } of [client, worker]) socket.destroy();
    await settled(beside, alone);
  });

  await t.test('a worker that has closed its half is lost, although it still waits for work', async (t) => {
    const { swarmId } = await beside.call('swarm_init');
    const offline = await eventOf(t, server, swarmId, 'agent_offline');
    const worker = await connectRaw(t, server.port);
    const { agentId } = await worker.call('swarm_join', { swarmId });
    // This is all that is seen of a worker that is killed while it waits for work.
    worker.send({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'task_next', arguments: { waitSeconds: 600 } },
    });
    worker.socket.end();
    assert.equal((await offline()).agentId, agentId);
  });

  await t.test('a worker may close its half behind its last words', async (t) => {
    const { swarmId } = await beside.call('swarm_init');
    const worker = await connectRaw(t, server.port);
    await worker.call('swarm_join', { swarmId });
    const { taskId } = await beside.call('task_orchestrate', { swarmId, task: 'say it and go' });
    const { assignmentId, leaseToken } = (await worker.call('task_next')).assignment;
    const args = { assignmentId, leaseToken, result: 'said' };
    const completed = worker.call('task_complete', args);
    worker.socket.end();
    await completed;
    assert.equal((await beside.call('task_status', { taskId })).status, 'completed');
  });

  await t.test('a claim whose reply nobody can hear is given back at once', async (t) => {
    const { swarmId } = await beside.call('swarm_init');
    const released = await eventOf(t, server, swarmId, 'assignment_released');
    const worker = await connectRaw(t, server.port);
    await worker.call('swarm_join', { swarmId });
    await beside.call('task_orchestrate', { swarmId, task: 'hear me' });
    worker.send({ jsonrpc: '2.0', method: 'tools/call', params: { name: 'task_next', arguments: {} } });
    assert.equal((await released()).reason, 'reply_undelivered');
    assert.equal((await worker.call('task_next')).assignment.attempt, 2);
  });
});

test('a client that reads none of its 5,000 replies of 100 KB', async (t) => {
  const server = await startServer(t);
  const beside = await connectRaw(t, server.port);
  const { swarmId } = await beside.call('swarm_init');
  const value = 'x'.repeat(100 * 1024);
  await beside.call('memory_store', { key: 'k', value });
  const count = 5_000;
  const rssMax = (await rssBytes(server)) + 256 * 1024 * 1024;
  const along = pingAlong(beside);

  const lazy = createConnection({ port: server.port, host: '127.0.0.1' });
  t.after(() => lazy.destroy());
  await once(lazy, 'connect');
  const params = JSON.stringify({ name: 'memory_retrieve', arguments: { swarmId, key: 'k' } });
  const requests = Array.from({ length: count }, (_, id) => {
    return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}\n`;
  });
  lazy.write(requests.join(''));

  await t.test('costs the server little, and the others nothing', async (t) => {
    const other = await connectRaw(t, server.port);
    for (let i = 0; i < 1_000; i++) {
      await other.request('ping');
      if (i % 50 === 0) assert.ok((await rssBytes(server)) < rssMax);
    }
  });

  await t.test('gets all of them in full when it reads at last', async () => {
    const ids = new Set<number>();
    let after: Buffer | undefined;
    let started: Buffer[] = [];
    const take = (line: Buffer): void => {
      const idEnd = line.indexOf(',', '{"jsonrpc":"2.0","id":'.length);
      ids.add(Number(line.toString('latin1', '{"jsonrpc":"2.0","id":'.length, idEnd)));
      const rest = line.subarray(idEnd);
      if (after === undefined) {
        after = Buffer.from(rest);
        const { result } = JSON.parse(line.toString());
        assert.equal(result.value, value);
        assert.equal(JSON.parse(result.content[0].text).value, value);
      }
      assert.ok(rest.equals(after), 'a reply differs from the first');
    };
    reading: for await (const piece of lazy) {
      const chunk = piece as Buffer;
      let from = 0;
      for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, from)) {
        started.push(chunk.subarray(from, end));
        take(Buffer.concat(started));
        started = [];
        from = end + 1;
        if (ids.size === count) break reading;
      }
      started.push(chunk.subarray(from));
    }
    assert.equal(ids.size, count);
    assert.ok((await rssBytes(server)) < rssMax);
    assert.ok((await along.stop()) > 1_000);
  });
});

test('limits of a real server', async (t) => {
  const server = await startServer(t, { env: { MCP_MAX_CONNECTIONS: '3', MCP_RATE_LIMIT: '20' } });
  const first = await connectRaw(t, server.port);

  await t.test('20 requests a second are taken; more are told when to come again, and come', async () => {
    const replies = await Promise.all(Array.from({ length: 100 }, () => first.request('ping')));
    const refused = replies.filter(({ error }) => error !== undefined);
    assert.ok(refused.length > 0 && refused.length <= 80, `${refused.length} were refused`);
    for (const { error } of refused) {
      assert.equal(error!.code, -32003);
      assert.deepEqual([error!.data.reason, error!.data.definite], ['rate_limited', true]);
      assert.ok(error!.data.retryAfterMs > 0 && error!.data.retryAfterMs <= 1_000);
    }
    while ((await first.request('ping')).error !== undefined);
  });

  await t.test('the fourth connection of three is told so, and there is room again when one leaves', async (t) => {
    const others = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
    for (const connection of others) assert.equal((await connection.request('ping')).result.status, 'ok');
    const fourth = await connectRaw(t, server.port);
    const { jsonrpc, id, error } = await fourth.message();
    assert.deepEqual([jsonrpc, id, error.code, error.data.reason], ['2.0', null, -32003, 'connection_limit']);
    assert.match(error.message, /3 connections.*MCP_MAX_CONNECTIONS/);
    assert.equal(await fourth.line(), undefined);

    others.pop()!.socket.destroy();
    for (;;) {
      const next = await connectRaw(t, server.port);
      next.send('{"jsonrpc":"2.0","id":1,"method":"ping"}');
      const answer = await next.message();
      next.socket.destroy();
      if (answer.error === undefined) break;
      assert.equal(answer.error.data.reason, 'connection_limit');
    }
  });
});
