/** HTTP for whoever keeps containers running, the lines that say where the server listens, and what it logs of clients. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, startServer } from '../server-process.ts';

test('health and log', async (t) => {
  const server = await startServer(t, { env: { MCP_LOG_LEVEL: 'debug' } });
  const at = (path: string): string => `http://127.0.0.1:${server.httpPort}${path}`;

  await t.test('port 0 picks free ones, and the log says which', async () => {
    const tcp = server.log.find(({ msg }) => msg === 'listening')!;
    const http = server.log.find(({ msg }) => msg === 'http listening')!;
    for (const { level, host, port } of [tcp, http]) {
      assert.deepEqual([level, host], ['info', '127.0.0.1']);
      assert.ok(Number.isInteger(port) && (port as number) > 0);
    }
    assert.notEqual(tcp['port'], http['port']);
    assert.equal(tcp['dataDir'], server.dataDir);
    assert.equal((await (await connectRaw(t, server.port)).request('ping')).result.status, 'ok');
  });

  await t.test('/health', async () => {
    for (const path of ['/health', '/health?verbose']) {
      const response = await fetch(at(path));
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'application/json');
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.deepEqual(await response.json(), {
        status: 'ok',
        journal: 'ok',
        memory: 'ok',
        swarms: 0,
        quarantined: [],
      });
    }
    const connection = await connectRaw(t, server.port);
    await connection.call('swarm_init');
    assert.equal(((await (await fetch(at('/health'))).json()) as { swarms: number }).swarms, 1);
  });

  await t.test('HEAD has no body', async () => {
    const response = await fetch(at('/health'), { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '');
  });

  await t.test('anything else', async () => {
    for (const path of ['/', '/healthy', '/health/', '/metrics']) {
      const response = await fetch(at(path));
      assert.equal(response.status, 404);
      assert.equal(response.headers.get('content-type'), 'application/json');
      await response.json();
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await fetch(at('/health'), { method });
      assert.equal(response.status, 405);
      assert.equal(response.headers.get('allow'), 'GET, HEAD');
      await response.json();
    }
  });

  await t.test('one line a connection; what clients do wrong is for debugging, and no stack is shown', async (t) => {
    const connected = () => server.log.filter(({ msg }) => msg === 'connected').length;
    const before = connected();
    const connection = await connectRaw(t, server.port);
    const from = `127.0.0.1:${connection.socket.localPort}`;
    const line = await server.logged((entry) => entry.msg === 'connected' && entry['from'] === from);
    assert.equal(line.level, 'info');
    await connection.request('initialize', { clientInfo: { name: 'x'.repeat(1_000) } });
    await connection.request('tools/call', { name: 'agent_status', arguments: { agentId: 'agent_1' } });
    connection.send('garbage');
    await connection.message();
    connection.socket.destroy();
    await server.logged((entry) => entry.msg === 'disconnected' && entry['connection'] === line['connection']);
    const own = server.log.filter((entry) => entry['connection'] === line['connection']);
    assert.deepEqual(
      own.map(({ level, msg, reason }) => [level, msg, reason]),
      [
        ['info', 'connected', undefined],
        ['debug', 'initialized', undefined],
        ['debug', 'refused', 'agent_not_found'],
        ['debug', 'refused', 'parse_error'],
        ['debug', 'disconnected', undefined],
      ],
    );
    assert.ok(JSON.stringify(own).length < 2_000 && !JSON.stringify(own).includes('stack'));
    assert.equal(connected(), before + 1);
  });
});

test('a server that is told to stop says so to those who wait, and ends with 0', async (t) => {
  const server = await startServer(t);
  const connection = await connectRaw(t, server.port);
  await connection.call('swarm_init');
  const { taskId } = await connection.call('task_orchestrate', { task: 'nobody does it' });
  const waiting = connection.request('tools/call', { name: 'task_wait', arguments: { taskId, waitSeconds: 600 } });
  await connection.request('ping');
  server.kill('SIGTERM');
  const { error } = await waiting;
  assert.deepEqual([error!.code, error!.data.reason], [-32000, 'shutting_down']);
  assert.equal(await connection.line(), undefined);
  connection.socket.end();
  assert.equal(await server.ended, 0);
  await assert.rejects(fetch(`http://127.0.0.1:${server.httpPort}/health`));
});
