/** What an answer over HTTP had to deliver is delivered, or given back, exactly once, whenever its client goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Server } from '@modelcontextprotocol/server';
import { Exchange } from '../../src/dialects/mcp/exchange.ts';
import { McpHttp, type Peer, type Serve } from '../../src/dialects/mcp/http.ts';
import { mcpServer } from '../../src/dialects/mcp/server.ts';
import { modernMeta } from './clients.ts';

/** An endpoint whose only tool call is answered when the test says so. */
function endpoint(serve: Serve = mcpServer) {
  let isCalled!: (signal: AbortSignal) => void;
  const called = new Promise<AbortSignal>((resolve) => (isCalled = resolve));
  let answer!: () => void;
  const mayAnswer = new Promise<void>((resolve) => (answer = resolve));
  let givenBack = 0;
  const peer = (): Peer => ({
    callTool: async (_name, _args, { signal }) => {
      isCalled(signal);
      await mayAnswer;
      return { answer: { swarms: [] }, undelivered: () => (givenBack += 1) };
    },
    watch: () => () => {},
    watchList: () => () => {},
    readEvents: () => assert.fail('nobody reads'),
    end: () => {},
  });
  const mcp = new McpHttp({
    serve,
    newSession: peer,
    newRequest: peer,
    waitSecondsMax: () => 60,
    subscriptionsMax: 1,
    sessionsMax: 1,
    sessionIdleMs: 1_000_000,
    onError: () => {},
  });
  return { mcp, called, answer, givenBack: () => givenBack };
}

const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const exchange = (): Exchange => new Exchange(() => Promise.resolve());

function ask(mcp: McpHttp, message: object, more: Record<string, string>, over: Exchange): Promise<Response> {
  const request = new Request('http://localhost/mcp', {
    method: 'POST',
    headers: { ...headers, ...more },
    signal: over.signal,
  });
  return mcp.handle(request, { profile: 'all', body: { jsonrpc: '2.0', ...message } }, over);
}

const params = { name: 'swarm_list', arguments: {} };
const eras = {
  legacy: async (mcp: McpHttp) => {
    const clientInfo = { name: 'test', version: '1' };
    const handshake = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    const begun = exchange();
    const response = await ask(mcp, { id: 0, method: 'initialize', params: handshake }, {}, begun);
    await response.text();
    begun.ended(true);
    const session = { 'mcp-session-id': response.headers.get('mcp-session-id')! };
    return (over: Exchange) => ask(mcp, { id: 1, method: 'tools/call', params }, session, over);
  },
  modern: async (mcp: McpHttp) => {
    const named = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': params.name };
    const message = { id: 1, method: 'tools/call', params: { ...params, ...modernMeta } };
    return (over: Exchange) => ask(mcp, message, named, over);
  },
};

for (const [era, begin] of Object.entries(eras)) {
  test(`${era}: a response that is sent in full owes nothing`, async (t) => {
    const { mcp, answer, givenBack } = endpoint();
    t.after(() => mcp.close());
    const over = exchange();
    answer();
    const response = await (await begin(mcp))(over);
    assert.match(await response.text(), /swarms/);
    over.ended(true);
    assert.equal(givenBack(), 0);
  });

  test(`${era}: the client goes while its response is sent`, async (t) => {
    const { mcp, answer, givenBack } = endpoint();
    t.after(() => mcp.close());
    const over = exchange();
    answer();
    const response = await (await begin(mcp))(over);
    assert.match(await response.text(), /swarms/);
    over.ended(false);
    over.ended(false);
    assert.equal(givenBack(), 1);
  });

  test(`${era}: the client goes before there is an answer`, async (t) => {
    const { mcp, called, answer, givenBack } = endpoint();
    t.after(() => mcp.close());
    const over = exchange();
    const response = (await begin(mcp))(over);
    const signal = await called;
    over.ended(false);
    await (await response).text();
    assert.equal(signal.aborted, true);
    answer();
    // The answer is made a few turns later, and nobody waits for it.
    while (givenBack() === 0) await new Promise(setImmediate);
    assert.equal(givenBack(), 1);
  });
}

test('a session that ends gives back what its answers had to deliver', async () => {
  const { mcp, called, answer, givenBack } = endpoint();
  const over = exchange();
  const response = await (await eras.legacy(mcp))(over);
  await called;
  mcp.close();
  assert.equal(await response.text(), '');
  over.ended(true);
  answer();
  while (givenBack() === 0) await new Promise(setImmediate);
  assert.equal(mcp.sessions, 0);
});

for (const [name, end] of [
  ['its session ends', ({ mcp }: { mcp: McpHttp }) => mcp.close()],
  ['its client goes', ({ over }: { over: Exchange }) => over.ended(false)],
] as const) {
  test(`an answer that is made and not sent is given back when ${name}`, async (t) => {
    let givenBack = 0;
    let made!: () => void;
    const isMade = new Promise<void>((resolve) => (made = resolve));
    const { mcp } = endpoint((answers) => {
      const server = new Server({ name: 'test', version: '1' }, { capabilities: { tools: {} } });
      server.setRequestHandler('tools/call', async (_, { mcpReq }) => {
        answers.owes(mcpReq.id, () => (givenBack += 1));
        made();
        await new Promise(() => {});
        return { content: [] };
      });
      return server;
    });
    t.after(() => mcp.close());
    const over = exchange();
    const response = await (await eras.legacy(mcp))(over);
    await isMade;
    end({ mcp, over });
    assert.equal(givenBack, 1);
    assert.equal(await response.text(), '');
    over.ended(true);
    assert.equal(givenBack, 1);
  });
}
