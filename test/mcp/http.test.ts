/** MCP over HTTP where it differs from TCP: who is served, what is refused, sessions, and agents that name themselves. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { createConnection } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connectRaw, startServer, type RawConnection, type ServerProcess } from '../server-process.ts';
import { call, modernMeta, newestOverHttp, v2ModernHttp, type Way } from './clients.ts';

const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

interface Sent {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The message in the body, or in its only event. */
  readonly message: any;
}

/** One request as it is; `fetch` would not let us choose the Host. */
async function send(
  server: ServerProcess,
  { method = 'POST', path = '/mcp', headers = {}, body }: SendOptions,
): Promise<Sent> {
  const request = httpRequest({
    host: '127.0.0.1',
    port: server.httpPort,
    method,
    path,
    headers: { ...json, ...headers },
  });
  request.end(typeof body === 'object' && !Buffer.isBuffer(body) ? JSON.stringify(body) : body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  const [data = text] = /^data: (.*)$/m.exec(text)?.slice(1) ?? [];
  const flat = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const message = data.startsWith('{') ? JSON.parse(data) : undefined;
  return { status: response.statusCode!, headers: new Headers(flat), text, message };
}

interface SendOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: object | string | Buffer;
}

/** The same for a connection that is the test's own. */
function written({ headers, body }: SendOptions): string {
  const text = JSON.stringify(body);
  const all = { host: 'localhost', 'content-length': text.length, ...json, ...headers };
  const lines = Object.entries(all).map(([header, value]) => `${header}: ${value}\r\n`);
  return `POST /mcp HTTP/1.1\r\n${lines.join('')}\r\n${text}`;
}

const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

/** The headers of a session's requests. */
async function beginSession(server: ServerProcess, path = '/mcp'): Promise<Record<string, string>> {
  const { status, headers } = await send(server, { path, body: initialize });
  assert.equal(status, 200);
  return { 'mcp-session-id': headers.get('mcp-session-id')! };
}

const toolCall = (id: number, name: string, args: object = {}): object => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});

/** A request of 2026-07-28, with the headers that it has to have. */
function modern(id: number, method: string, params: object & { readonly name?: string } = {}): SendOptions {
  return {
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(params.name !== undefined && { 'mcp-name': params.name }),
    },
    body: { jsonrpc: '2.0', id, method, params: { ...params, ...modernMeta } },
  };
}

async function callModern(server: ServerProcess, name: string, args: object = {}): Promise<any> {
  const { message } = await send(server, modern(1, 'tools/call', { name, arguments: args } as { name: string }));
  const { structuredContent, isError, content } = message.result;
  if (isError === true) throw new Error(content[0].text);
  return structuredContent;
}

test('who is served', async (t) => {
  const server = await startServer(t, { env: { MCP_ALLOWED_HOSTS: 'skein.example, other.example' } });
  const served = async (headers: Record<string, string>): Promise<Sent> => send(server, { headers, body: initialize });

  for (const host of ['127.0.0.1', 'localhost:1', 'LOCALHOST', '[::1]:80', 'skein.example', 'other.example:9501']) {
    await t.test(`Host ${host} is`, async () => assert.equal((await served({ host })).status, 200));
  }
  for (const host of ['evil.example', '127.0.0.1.evil.example', '10.0.0.1', 'evil.example#localhost']) {
    await t.test(`Host ${JSON.stringify(host)} is not`, async () => {
      const { status, message } = await served({ host });
      assert.equal(status, 403);
      assert.match(message.error.message, /Host is .*localhost, 127\.0\.0\.1.*MCP_ALLOWED_HOSTS/);
    });
  }
  for (const origin of ['http://localhost:3000', 'https://skein.example']) {
    await t.test(`Origin ${origin} is`, async () => assert.equal((await served({ origin })).status, 200));
  }
  for (const origin of ['http://evil.example', 'null', 'http://localhost.evil.example', 'about:blank']) {
    await t.test(`Origin ${origin} is not, with any method`, async () => {
      for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS']) {
        const { status, message } = await send(server, { method, headers: { origin } });
        assert.equal(status, 403);
        assert.match(message.error.message, /Origin is/);
      }
    });
  }
  await t.test('health is for everybody', async () => {
    const { status } = await send(server, { method: 'GET', path: '/health', headers: { host: 'evil.example' } });
    assert.equal(status, 200);
  });
});

test('what is refused', async (t) => {
  const server = await startServer(t, { env: { MCP_MAX_MESSAGE_BYTES: '4096' } });
  const large = Buffer.alloc(5_000, 0x20);

  for (const [name, options, status, code] of [
    ['garbage', { body: 'garbage' }, 400, -32700],
    ['nothing', { body: '' }, 400, -32700],
    ['what is not UTF-8', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400, -32700],
    ['what is no message', { body: { jsonrpc: '1.0', id: 1, method: 'ping' } }, 400, -32600],
    ['what is nested too deep', { body: '['.repeat(100) + ']'.repeat(100) }, 400, -32600],
    ['an empty batch', { body: '[]' }, 400, -32600],
    ['a body that says that it is too large', { body: large, headers: { 'content-length': '5000' } }, 413, -32600],
    ['a body that turns out so', { body: large, headers: { 'transfer-encoding': 'chunked' } }, 413, -32600],
    ['another media type', { body: initialize, headers: { 'content-type': 'text/plain' } }, 415, -32000],
    ['a client that takes no events', { body: initialize, headers: { accept: 'application/json' } }, 406, -32000],
    ['a request without a session', { body: toolCall(1, 'swarm_list') }, 400, -32600],
    ['one of a session that is not', { body: toolCall(1, 'x'), headers: { 'mcp-session-id': 'x' } }, 404, -32600],
    ['a profile that is not', { path: '/mcp?profile=nobody', body: initialize }, 400, -32600],
    ['one that objects have', { path: '/mcp?profile=constructor', body: initialize }, 400, -32600],
    ['another method', { method: 'PUT', body: initialize }, 405, -32600],
    ['listening without a session', { method: 'GET' }, 400, -32600],
  ] satisfies [string, SendOptions, number, number][]) {
    await t.test(`${name}: ${status}`, async () => {
      const sent = await send(server, options);
      assert.deepEqual([sent.status, sent.message.error.code], [status, code]);
      assert.ok(sent.message.error.message.length > 10);
    });
  }

  await t.test('a request that is broken off is no trouble', async () => {
    const socket = createConnection({ port: server.httpPort, host: '127.0.0.1' });
    socket.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"json');
    await once(socket, 'connect');
    socket.destroy();
    assert.equal((await send(server, { body: initialize })).status, 200);
  });

  await t.test('nothing of it is in the log as an error', () =>
    assert.deepEqual(
      server.log.filter(({ level }) => level === 'error'),
      [],
    ),
  );
});

test('a connection that sends too much has to wait, and nobody else has', async (t) => {
  const server = await startServer(t, { env: { MCP_RATE_LIMIT: '5' } });
  const socket = createConnection({ port: server.httpPort, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  // So many that a machine which takes its time does not take them at that rate.
  socket.write(written({ body: { jsonrpc: '2.0', id: 1, method: 'ping' } }).repeat(100));
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) {
    text += chunk;
    if (text.includes(' 429 ')) break;
  }
  assert.match(text, /"reason":"rate_limited","definite":true,"retryAfterMs":\d+/);
  assert.equal((await send(server, { body: initialize })).status, 200);
});

test('a client that asks for the end of its connection gets it, after a stream too', async (t) => {
  const server = await startServer(t);
  const asked = modern(1, 'tools/call', { name: 'task_wait', arguments: { taskId: 'x' } } as { name: string });
  const { headers } = await send(server, { ...asked, headers: { ...asked.headers, connection: 'close' } });
  assert.equal(headers.get('content-type'), 'text/event-stream');
  assert.equal(headers.get('connection'), 'close');
});

test('requests of one connection are answered one after the other, and those that are left are not begun', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  const { resumeToken: token } = await callModern(server, 'swarm_join', { swarmId });
  const calling = (id: number, name: string, args: object): string =>
    written(modern(id, 'tools/call', { name, arguments: args } as { name: string }));
  const store = (id: number): string => calling(id, 'memory_store', { swarmId, key: 'k', value: id });
  const socket = createConnection({ port: server.httpPort, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  socket.write(store(1) + calling(2, 'task_next', { token, waitSeconds: 600 }) + store(3));
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  // The comments of the stream that waits: what came before it is answered.
  while (!/"version":1\b[\s\S]*text\/event-stream/.test(text)) await once(socket, 'data');
  await callModern(server, 'server_info');
  assert.equal((await plain.call('memory_retrieve', { swarmId, key: 'k' })).value, 1);
  socket.destroy();
  await once(socket, 'close');
  // Nobody waits any more, so what is submitted is for who asks next.
  const other = await connectRaw(t, server.port);
  await other.call('swarm_join', { swarmId });
  const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'x' });
  assert.equal((await other.call('task_next', { waitSeconds: 600 })).assignment.taskId, taskId);
  assert.equal((await plain.call('memory_retrieve', { swarmId, key: 'k' })).value, 1);
});

test('sessions', async (t) => {
  const server = await startServer(t);

  await t.test('each acts as its own agent', async () => {
    const [one, other] = [await beginSession(server), await beginSession(server)];
    const join = async (headers: Record<string, string>): Promise<string> => {
      const { message } = await send(server, { headers, body: toolCall(1, 'swarm_join') });
      return message.result.structuredContent.agentId;
    };
    await send(server, { headers: one, body: toolCall(1, 'swarm_init') });
    const agents = [await join(one), await join(other)];
    assert.notEqual(agents[0], agents[1]);
    const left = await send(server, { headers: other, body: toolCall(2, 'swarm_leave', { agentId: agents[0] }) });
    assert.match(left.message.result.content[0].text, /"reason":"not_joined"/);
  });

  await t.test('a profile is of a session', async () => {
    const names = async (path: string): Promise<string[]> => {
      const headers = await beginSession(server, path);
      const { message } = await send(server, { headers, body: { jsonrpc: '2.0', id: 1, method: 'tools/list' } });
      return message.result.tools.map(({ name }: { name: string }) => name);
    };
    assert.equal((await names('/mcp?profile=worker')).length, 16);
    assert.ok((await names('/mcp')).length > 16);
  });

  await t.test('two requests under way have different ids', async () => {
    const headers = await beginSession(server);
    const twice = [toolCall(7, 'swarm_list'), toolCall(7, 'swarm_list')];
    assert.equal((await send(server, { headers, body: twice })).status, 400);
    assert.equal((await send(server, { headers, body: toolCall(7, 'swarm_list') })).status, 200);
  });

  await t.test('the response to a request that is cancelled ends, without an answer', async () => {
    const headers = await beginSession(server);
    await send(server, { headers, body: toolCall(1, 'swarm_join') });
    let ended: Sent | undefined;
    const waiting = send(server, { headers, body: toolCall(2, 'task_next', { waitSeconds: 600 }) });
    void waiting.then((sent) => (ended = sent));
    // What comes before the request that it means is ignored.
    const params = { requestId: 2 };
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params };
    while (ended === undefined) assert.equal((await send(server, { headers, body: cancelled })).status, 202);
    assert.deepEqual([ended.status, ended.message], [200, undefined]);
    assert.equal((await send(server, { headers, body: toolCall(2, 'swarm_list') })).status, 200);
  });

  await t.test('DELETE ends one, and its agents are lost', async () => {
    const headers = await beginSession(server);
    const { message } = await send(server, { headers, body: toolCall(1, 'swarm_join') });
    const { agentId } = message.result.structuredContent;
    assert.equal((await send(server, { method: 'DELETE', headers })).status, 200);
    assert.equal((await send(server, { headers, body: toolCall(2, 'swarm_list') })).status, 404);
    const plain = await connectRaw(t, server.port);
    assert.equal((await plain.call('agent_status', { agentId })).status, 'offline');
  });
});

test('who is silent for too long is lost', async (t) => {
  const server = await startServer(t, { env: { MCP_SESSION_IDLE: '1' } });
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  await plain.request('subscribe', { swarmId });
  const seen = async (type: string, agentId: string): Promise<void> => {
    for (;;) {
      const { params } = await plain.message();
      if (params.event.type === type && params.event.agentId === agentId) return;
    }
  };
  const lost = (agentId: string): Promise<void> => seen('agent_offline', agentId);
  /** A session that was used in time; `use` resolves with the status. On a busy machine its second may be over before. */
  const session = async (use: (headers: Record<string, string>) => Promise<number | undefined>) => {
    for (;;) {
      const headers = await beginSession(server);
      if ((await use(headers)) !== 404) return headers;
    }
  };

  await t.test('a session', async () => {
    let joined: any;
    const headers = await session(async (headers) => {
      joined = await send(server, { headers, body: toolCall(1, 'swarm_join', { swarmId }) });
      return joined.status;
    });
    await lost(joined.message.result.structuredContent.agentId);
    assert.equal((await send(server, { headers, body: toolCall(2, 'swarm_list') })).status, 404);
  });

  await t.test('not one that listens', async () => {
    let listening!: ClientRequest;
    const headers = await session(async (headers) => {
      listening = httpRequest({
        host: '127.0.0.1',
        port: server.httpPort,
        path: '/mcp',
        headers: { ...headers, ...json },
      });
      listening.on('error', () => {}).end();
      const [response] = (await once(listening, 'response')) as [IncomingMessage];
      return response.statusCode;
    });
    // Another one that is silent from now on has been lost by then.
    const { agentId } = await callModern(server, 'swarm_join', { swarmId });
    await lost(agentId);
    assert.equal((await send(server, { headers, body: toolCall(1, 'swarm_list') })).status, 200);
    listening.destroy();
  });

  await t.test('an agent that named itself, until it does so again', async () => {
    const { agentId, resumeToken: token } = await callModern(server, 'swarm_join', { swarmId });
    await lost(agentId);
    assert.equal((await callModern(server, 'task_next', { token, waitSeconds: 0 })).assignment, null);
    await seen('agent_joined', agentId);
  });
});

/** A whole piece of work by MCP over HTTP only; `own`: what names the agent in each call. */
async function work(t: TestContext, server: ServerProcess, way: Way, plain: RawConnection) {
  const { client } = await way.connect(t, server.httpPort, '?profile=worker');
  const { swarmId } = await plain.call('swarm_init');
  const colleague = await connectRaw(t, server.port);
  await colleague.call('swarm_join', { swarmId });
  const { agentId, resumeToken: token } = await call(client, 'swarm_join', { swarmId, name: 'by HTTP' });
  const own = way === v2ModernHttp ? { token } : {};
  const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'to be done' });
  const { assignment } = await call(client, 'task_next', { ...own, waitSeconds: 600 });
  assert.equal(assignment.taskId, taskId);
  const { assignmentId, leaseToken } = assignment;
  await call(client, 'task_update', { ...own, assignmentId, leaseToken, progress: 'half' });
  await call(client, 'agent_message', { ...own, broadcast: true, message: 'hello' });
  assert.equal((await colleague.call('message_next')).messages[0].from, agentId);
  await call(client, 'task_complete', { ...own, assignmentId, leaseToken, result: 42 });
  const results = await plain.call('task_results', { taskId });
  assert.deepEqual([results.status, results.result, results.results[0].agentId], ['completed', 42, agentId]);
  await client.close();
}

test('workers', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  for (const way of newestOverHttp) {
    await t.test(`${way.name}: joins, works, delivers`, (t) => work(t, server, way, plain));

    await t.test(`${way.name}: a call that is cancelled claims nothing`, async (t) => {
      const { swarmId } = await plain.call('swarm_init');
      const { client, transport } = await way.connect(t, server.httpPort);
      const { resumeToken: token } = await call(client, 'swarm_join', { swarmId });
      const own = way === v2ModernHttp ? { token } : {};
      const { send } = transport;
      const sent: Promise<void>[] = [];
      transport.send = (...message) => {
        const sending = send.apply(transport, message);
        sent.push(sending);
        return sending;
      };
      const cancel = new AbortController();
      const waits = { name: 'task_next', arguments: { ...own, waitSeconds: 600 } };
      const onprogress = () => cancel.abort('changed my mind');
      await assert.rejects(client.callTool(waits, { onprogress, signal: cancel.signal }), /changed my mind/);
      // A cancellation that was posted has been answered, so what is submitted after that finds nobody waiting.
      await Promise.allSettled(sent);
      const other = await connectRaw(t, server.port);
      const { agentId } = await other.call('swarm_join', { swarmId });
      await call(client, 'agent_message', { ...own, agentId, message: 'x' });
      const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'for the other one' });
      const { assignment } = await other.call('task_next', { waitSeconds: 600 });
      assert.equal(assignment.taskId, taskId);
      await client.close();
    });

    await t.test(`${way.name}: what a killed client waited for goes to another`, async (t) => {
      const { swarmId } = await plain.call('swarm_init');
      const { client, transport } = await way.connect(t, server.httpPort);
      const { resumeToken: token, agentId } = await call(client, 'swarm_join', { swarmId });
      const own = way === v2ModernHttp ? { token } : {};
      const begun = new Promise<void>((resolve) => {
        const waits = { name: 'task_next', arguments: { ...own, waitSeconds: 600 } };
        client.callTool(waits, { onprogress: () => resolve() }).catch(() => {});
      });
      await begun;
      transport.break();
      const other = await connectRaw(t, server.port);
      await other.call('swarm_join', { swarmId });
      const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'for the other one' });
      const { assignment } = await other.call('task_next', { waitSeconds: 600 });
      assert.equal(assignment.taskId, taskId);
      // It may come back: a request that is broken off ends no session.
      assert.equal((await plain.call('agent_status', { agentId })).status, 'active');
    });
  }
});

test('a claim is delivered or given back, whenever the client goes', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  const { resumeToken: token } = await callModern(server, 'swarm_join', { swarmId });
  const session = await beginSession(server);
  await send(server, { headers: session, body: toolCall(1, 'swarm_join', { swarmId }) });
  const other = await connectRaw(t, server.port);
  await other.call('swarm_join', { swarmId });
  const args = { waitSeconds: 600 };
  for (let round = 2; round < 42; round++) {
    const asked: SendOptions =
      round % 2 === 0
        ? { headers: session, body: toolCall(round, 'task_next', args) }
        : modern(round, 'tools/call', { name: 'task_next', arguments: { ...args, token } } as { name: string });
    const socket = createConnection({ port: server.httpPort, host: '127.0.0.1' });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const gone = once(socket, 'close');
    socket.write(written(asked));
    const submitted = plain.call('task_orchestrate', { swarmId, task: 'x' });
    // Nobody knows when the claim is made: so the client goes a little later each time.
    for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
    // It reads what is on its way to it: of what nobody has read, only the system knew that it was not delivered.
    socket.end();
    await gone;
    const { taskId } = await submitted;
    if (text.includes('leaseToken')) {
      await plain.call('task_cancel', { taskId });
      continue;
    }
    const { assignment } = await other.call('task_next', args);
    assert.equal(assignment.taskId, taskId);
    const { assignmentId, leaseToken } = assignment;
    await other.call('task_complete', { assignmentId, leaseToken, result: round });
  }
});

test('an agent that names itself by its token', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');

  await t.test('has to', async () => {
    await callModern(server, 'swarm_join', { swarmId });
    await assert.rejects(callModern(server, 'task_next', { waitSeconds: 0 }), /give its resumeToken as token/);
    await assert.rejects(callModern(server, 'task_next', { token: 'made up' }), /"reason":"join_token_invalid"/);
  });

  await t.test('has joined before: its join token is not used up by another call', async () => {
    const { agentId, joinToken } = await plain.call('agent_spawn', { swarmId, agentType: 'somebody' });
    await assert.rejects(
      callModern(server, 'task_next', { token: joinToken, waitSeconds: 0 }),
      /the resumeToken that it/,
    );
    const { resumeToken: token } = await callModern(server, 'swarm_join', { token: joinToken });
    assert.equal((await callModern(server, 'task_next', { token, waitSeconds: 0 })).assignment, null);
    assert.equal((await plain.call('agent_status', { agentId })).status, 'active');
  });

  await t.test('goes on after a restart of the coordinator', async (t) => {
    const { agentId, resumeToken: token } = await callModern(server, 'swarm_join', { swarmId });
    const { taskId } = await plain.call('task_orchestrate', { swarmId, task: 'in two halves' });
    const { assignment } = await callModern(server, 'task_next', { token });
    server.kill('SIGKILL');
    await server.ended;
    const again = await startServer(t, { dataDir: server.dataDir });
    const { assignmentId, leaseToken } = assignment;
    // At once and twice: who comes first brings the agent back for both.
    await Promise.all(
      [1, 2].map((progress) => callModern(again, 'task_update', { token, assignmentId, leaseToken, progress })),
    );
    await callModern(again, 'task_complete', { token, assignmentId, leaseToken, result: 'whole' });
    const status = await callModern(again, 'task_status', { taskId });
    assert.equal(status.status, 'completed');
    assert.equal((await callModern(again, 'agent_status', { agentId })).status, 'active');
    await callModern(again, 'swarm_leave', { token });
    await assert.rejects(callModern(again, 'task_next', { token }), /"reason":"join_token_invalid"/);
  });
});

test('a token names the agent on a connection, too', async (t) => {
  const server = await startServer(t);
  const plain = await connectRaw(t, server.port);
  const { swarmId } = await plain.call('swarm_init');
  const [one, other] = [await plain.call('swarm_join', { swarmId }), await plain.call('swarm_join', { swarmId })];
  await plain.call('task_next', { token: one.resumeToken, waitSeconds: 0 });
  await plain.call('agent_message', { token: one.resumeToken, broadcast: true, message: 'from one' });
  const { messages } = await plain.call('message_next', { token: other.resumeToken });
  assert.equal(messages[0].from, one.agentId);
  const mixed = { token: one.resumeToken, agentId: other.agentId, waitSeconds: 0 };
  await assert.rejects(plain.call('task_next', mixed), /leave one of them out/);
  await assert.rejects(plain.call('task_next', { token: 'another' }), /not joined with this token/);
});
