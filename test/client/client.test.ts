/** Calls over the pool: one effect each, whatever happens on the way, and errors that say what is known. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { connect, SkeinError, type Client, type ClientOptions } from '../../src/client/client.ts';
import { freePort } from '../ports.ts';
import { startServer } from '../server-process.ts';
import { startProxy, toolsOf, type Proxy } from './proxy.ts';
import { send, startScriptedServer } from './scripted-server.ts';

function client(t: TestContext, port: number, options: ClientOptions = {}): Client {
  const connected = connect({ host: '127.0.0.1', port, poolMin: 0, retryDelayMs: 1, ...options });
  t.after(() => connected.close());
  return connected;
}

/** The SkeinError that the call ends with. */
async function failure(call: Promise<unknown>): Promise<SkeinError> {
  const error = await call.then(
    (result) => assert.fail(`it succeeded with ${JSON.stringify(result)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SkeinError, String(error));
  return error;
}

function only(proxy: Proxy, tool: string, fate: Proxy['fate']): void {
  proxy.fate = (request) => (request.params?.name === tool ? fate(request) : 'pass');
}

/** A fate for the first request only. */
function first<F>(fate: F): () => F | 'pass' {
  let times = 0;
  return () => (times++ === 0 ? fate : 'pass');
}

test('calls of a client', async (suite) => {
  const server = await startServer(suite);

  await suite.test('the fields of a tool come back flat, and nothing beside them', async (t) => {
    const skein = client(t, server.port);
    assert.equal((await skein.ping()).status, 'ok');
    const swarm = await skein.call('swarm_init', { name: 'first', maxAgents: 3 });
    assert.equal(swarm.maxAgents, 3);
    assert.ok(!('content' in swarm));
    const { agents } = await skein.call('agent_list', { swarmId: swarm.swarmId });
    assert.deepEqual(agents, []);
  });

  await suite.test('a call that waits does not hold up those after it on the same connection', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port, { poolSize: 1 });
    const { swarmId } = await skein.call('swarm_init');
    const { taskId } = await skein.call('task_orchestrate', { swarmId, task: 'nobody does this' });
    const waiting = skein.call('task_wait', { swarmId, taskId, waitSeconds: 600 });
    await proxy.until(() => toolsOf(proxy).includes('task_wait'));
    assert.equal((await skein.call('task_list', { swarmId })).tasks.length, 1);
    await skein.call('task_cancel', { swarmId, taskId });
    assert.equal((await waiting).status, 'cancelled');
    assert.equal(proxy.made, 1);
  });

  await suite.test('a refusal is an error with its code, reason and data, and is not tried again', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port);
    const { swarmId } = await skein.call('swarm_init');
    const error = await failure(skein.call('task_status', { swarmId, taskId: 'task_0_none' }));
    assert.equal(error.code, -32002);
    assert.equal(error.reason, 'task_not_found');
    assert.equal(error.definite, true);
    assert.equal(error.temporary, false);
    assert.equal(error.data['taskId'], 'task_0_none');
    assert.match(error.message, /no task task_0_none/);
    assert.equal(toolsOf(proxy).filter((tool) => tool === 'task_status').length, 1);
  });

  await suite.test('a mutation whose answer is lost has one effect, and its answer comes', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port);
    for (const tool of ['swarm_init', 'agent_spawn', 'task_orchestrate', 'memory_store'] as const) {
      only(proxy, tool, first('lose_reply'));
      const before = proxy.requests.length;
      if (tool === 'swarm_init') {
        const { swarmId } = await skein.call('swarm_init', { name: 'once' });
        const { swarms } = await skein.call('swarm_list');
        assert.deepEqual(
          swarms.filter(({ name }) => name === 'once').map((swarm) => swarm.swarmId),
          [swarmId],
        );
      } else {
        const { swarmId } = await skein.call('swarm_init');
        if (tool === 'agent_spawn') {
          const { agentId } = await skein.call(tool, { swarmId, agentType: 'someone' });
          const { agents } = await skein.call('agent_list', { swarmId });
          assert.deepEqual(
            agents.map((agent) => agent.id),
            [agentId],
          );
        } else if (tool === 'task_orchestrate') {
          const { taskId } = await skein.call(tool, { swarmId, task: 'once' });
          const { tasks } = await skein.call('task_list', { swarmId });
          assert.deepEqual(
            tasks.map((task) => task.taskId),
            [taskId],
          );
        } else {
          assert.equal((await skein.call(tool, { swarmId, key: 'k', value: { a: 1 } })).version, 1);
        }
      }
      const sent = proxy.requests.slice(before).filter(({ params }) => params?.name === tool);
      assert.equal(sent.length, 2, tool);
      const [key, again] = sent.map(({ params }) => params.arguments?.['requestId']);
      assert.equal(typeof key, 'string');
      assert.equal(again, key);
    }
  });

  await suite.test('calls have keys of their own, and a key that the caller names is used', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port);
    const one = await skein.call('swarm_init', { requestId: 'mine-1' });
    const same = await skein.call('swarm_init', { requestId: 'mine-1' });
    assert.equal(same.swarmId, one.swarmId);
    await skein.call('task_orchestrate', { swarmId: one.swarmId, task: 'a' });
    await skein.call('task_orchestrate', { swarmId: one.swarmId, task: 'a' });
    const keys = proxy.requests.map(({ params }) => params.arguments?.['requestId']);
    assert.equal(new Set(keys).size, 3);
  });

  await suite.test('a read whose answer is lost is asked again', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port);
    const { swarmId } = await skein.call('swarm_init');
    only(proxy, 'swarm_status', first('lose_reply'));
    assert.equal((await skein.call('swarm_status', { swarmId })).swarmId, swarmId);
    assert.equal(toolsOf(proxy).filter((tool) => tool === 'swarm_status').length, 2);
  });

  await suite.test('what neither reads nor has a key is not repeated once it was written', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port);
    proxy.fate = () => 'lose_reply';
    // @ts-expect-error no tool of this release has the name
    const error = await failure(skein.call('tool_of_the_future', {}));
    assert.equal(error.reason, 'connection_lost');
    assert.equal(error.code, null);
    assert.equal(error.definite, false);
    assert.equal(proxy.requests.length, 1);
  });

  await suite.test('a call is given up after its retries, and is in doubt when one attempt was', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port, { retryAttempts: 2 });
    only(proxy, 'swarm_init', () => 'lose_reply');
    const lost = await failure(skein.call('swarm_init'));
    assert.equal(lost.reason, 'connection_lost');
    assert.equal(lost.definite, false);
    assert.equal(toolsOf(proxy).length, 3);

    only(proxy, 'swarm_init', () => {
      void proxy.close();
      return 'swallow';
    });
    const refused = await failure(skein.call('swarm_init'));
    assert.equal(refused.reason, 'connect_failed');
    assert.equal(refused.definite, false, 'the first attempt was written');
  });

  await suite.test('a deadline passes without an answer, and the silent connection is replaced', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port, { poolSize: 1 });
    const { swarmId } = await skein.call('swarm_init');
    only(proxy, 'swarm_status', () => 'swallow');
    // The time passes when the request has come: of one that was not sent in time more would be known.
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const late = failure(skein.call('swarm_status', { swarmId }, { timeoutMs: 50 }));
    await proxy.until(() => toolsOf(proxy).includes('swarm_status'));
    t.mock.timers.tick(50);
    t.mock.timers.reset();
    const error = await late;
    assert.equal(error.reason, 'deadline_exceeded');
    assert.equal(error.definite, false);
    assert.equal(toolsOf(proxy).filter((tool) => tool === 'swarm_status').length, 1);
    await skein.ping();
    assert.equal(proxy.made, 2);
  });

  await suite.test('a caller can stop waiting', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port);
    const { swarmId } = await skein.call('swarm_init');
    const { taskId } = await skein.call('task_orchestrate', { swarmId, task: 'nobody does this' });
    const stop = new AbortController();
    const waiting = failure(skein.call('task_wait', { taskId, waitSeconds: 600 }, { signal: stop.signal }));
    await proxy.until(() => toolsOf(proxy).includes('task_wait'));
    stop.abort();
    const error = await waiting;
    assert.equal(error.reason, 'aborted');
    assert.equal(error.definite, false);
    const before = proxy.requests.length;
    const unsent = await failure(skein.call('swarm_init', {}, { signal: stop.signal }));
    assert.equal(unsent.definite, true);
    assert.equal(proxy.requests.length, before);
  });

  await suite.test('a request that is too long is refused here, and harms no other', async (t) => {
    const proxy = await startProxy(t, server.port);
    const skein = client(t, proxy.port, { poolSize: 1, lineBytesMax: 1024 });
    const { swarmId } = await skein.call('swarm_init');
    const error = await failure(skein.call('task_orchestrate', { swarmId, task: 'ä'.repeat(600) }));
    assert.equal(error.reason, 'too_large');
    assert.equal(error.code, -32600);
    assert.equal(error.definite, true);
    await skein.ping();
    assert.equal(proxy.made, 1);
  });

  await suite.test('a request that only the server finds too long ends in doubt', async (t) => {
    const small = await startServer(t, { env: { MCP_MAX_MESSAGE_BYTES: '1024' } });
    const skein = client(t, small.port, { retryAttempts: 0 });
    const { swarmId } = await skein.call('swarm_init');
    const error = await failure(skein.call('task_orchestrate', { swarmId, task: 'a'.repeat(2000) }));
    assert.equal(error.reason, 'too_large');
    assert.equal(error.definite, false, 'another request of the connection may have been meant');
    await skein.ping();
  });

  await suite.test('to join over the shared connections is refused, and says what to use', async (t) => {
    // @ts-expect-error to join has a method of its own
    const error = await failure(client(t, server.port).call('swarm_join', {}));
    assert.equal(error.reason, 'invalid_arguments');
    assert.match(error.message, /client\.join/);
  });
});

test('nobody listens: the call definitely did not happen', async (t) => {
  const port = await freePort();
  const error = await failure(client(t, port).call('swarm_init'));
  assert.equal(error.reason, 'connect_failed');
  assert.equal(error.code, null);
  assert.equal(error.definite, true);
  assert.equal(error.temporary, true);
  assert.match(error.message, new RegExp(`127.0.0.1:${port} \\(ECONNREFUSED\\).*skein serve`));
});

test('kill -9 of the coordinator in the middle: calls go on when it is back', async (t) => {
  const server = await startServer(t, { port: await freePort() });
  const skein = client(t, server.port, { retryAttempts: 12, retryDelayMs: 20, callTimeoutMs: 120_000 });
  const { swarmId } = await skein.call('swarm_init');
  server.kill('SIGKILL');
  await server.ended;
  const stored = skein.call('memory_store', { swarmId, key: 'k', value: { a: 1 } });
  await startServer(t, { port: server.port, dataDir: server.dataDir });
  assert.equal((await stored).version, 1);
  const { swarms } = await skein.call('swarm_list');
  assert.deepEqual(
    swarms.map((swarm) => swarm.swarmId),
    [swarmId],
  );
});

test('the rate limit only slows down, and does not count as a retry', async (t) => {
  const perSecond = 50;
  const calls = 3 * perSecond;
  const server = await startServer(t, { env: { MCP_RATE_LIMIT: String(perSecond) } });
  const proxy = await startProxy(t, server.port);
  const skein = client(t, proxy.port, { poolSize: 1, retryAttempts: 0, callTimeoutMs: 120_000 });
  const began = performance.now();
  await Promise.all(Array.from({ length: calls }, () => skein.call('server_info')));
  const seconds = (performance.now() - began) / 1000;
  assert.ok(seconds > (calls - perSecond) / perSecond - 0.1, `${seconds} s are less than the limit allows`);
  assert.ok(proxy.requests.length < 3 * calls, `${proxy.requests.length} requests for ${calls} calls`);
});

test('a rate limit that outlasts the deadline ends the call before it was taken', async (t) => {
  const port = await startScriptedServer(t, ({ id }, socket) => {
    const data = { reason: 'rate_limited', definite: true, retryAfterMs: 60_000 };
    send(socket, { id, error: { code: -32003, message: 'too many', data } });
  });
  const error = await failure(client(t, port).call('swarm_init'));
  assert.equal(error.reason, 'deadline_exceeded');
  assert.equal(error.definite, true);
  assert.equal((error.cause as SkeinError).reason, 'rate_limited');
});

test('what is temporary is tried again after the pause that the server asks for', async (t) => {
  let asked = 0;
  let before = 0;
  const retryAfterMs = 30;
  const port = await startScriptedServer(t, ({ id }, socket) => {
    asked += 1;
    const data = { reason: 'swarm_busy', definite: true, retryAfterMs };
    if (asked === 1) {
      before = performance.now();
      send(socket, { id, error: { code: -32003, message: 'busy', data } });
      return;
    }
    assert.ok(performance.now() - before >= retryAfterMs - 1);
    send(socket, { id, result: { content: [] } });
  });
  await client(t, port).call('swarm_init');
  assert.equal(asked, 2);
});

test('a failure of the server whose outcome is not known is not taken for a refusal', async (t) => {
  let asked = 0;
  const port = await startScriptedServer(t, ({ id }, socket) => {
    asked += 1;
    const data = { reason: 'internal_error', definite: false };
    send(socket, { id, error: { code: -32603, message: 'a bug', data } });
  });
  const error = await failure(client(t, port).call('swarm_init'));
  assert.equal(error.definite, false);
  assert.equal(asked, 1);
});

test('a server that takes no more connections has done nothing', async (t) => {
  const server = await startServer(t, { env: { MCP_MAX_CONNECTIONS: '1' } });
  await client(t, server.port).ping();
  const error = await failure(client(t, server.port, { retryAttempts: 0 }).call('swarm_init'));
  assert.equal(error.reason, 'connection_limit');
  assert.equal(error.definite, true);
  assert.equal(error.temporary, true);
});

test('what does not speak JSON-RPC is no coordinator', async (t) => {
  const port = await startScriptedServer(t, (_request, socket) => {
    socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  const error = await failure(client(t, port).ping());
  assert.equal(error.reason, 'protocol_error');
  assert.match(error.message, /does not speak as a coordinator does/);
});
