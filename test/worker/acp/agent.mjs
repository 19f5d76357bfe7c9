/**
 * An agent of the Agent Client Protocol for the tests, made with the protocol's own library: what we say is checked by
 * it, and none of it is ours. Its first argument says how it behaves.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { agent, methods, ndJsonStream, RequestError } from '@agentclientprotocol/sdk/unstable';

const [behaviour, argument, about = '{}'] = process.argv.slice(2);
const sessionId = 'session_1';
let loggedIn = false;
let cancelled = () => {};
/** Of the client, as session/new brought them. */
let opened;

const options = [
  { optionId: 'a', kind: 'allow_always', name: 'Always' },
  { optionId: 'b', kind: 'allow_once', name: 'Yes' },
  { optionId: 'c', kind: 'reject_always', name: 'Never' },
  { optionId: 'd', kind: 'reject_once', name: 'No' },
];

/** What it does in its turn, and how that ends. */
const behaviours = {
  async echo({ say, prompt }) {
    await say(prompt);
  },
  async work({ say, update }) {
    await say('I shall look.');
    await update({
      sessionUpdate: 'plan',
      entries: [
        { content: 'Look', priority: 'high', status: 'completed' },
        { content: 'Think\nhard', priority: 'high', status: 'in_progress' },
      ],
    });
    await update({ sessionUpdate: 'tool_call', toolCallId: 't1', title: 'Read notes.txt', kind: 'read' });
    await update({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'hm' } });
    await update({ sessionUpdate: 'usage_update', used: 10, size: 1000, cost: { amount: 0.25, currency: 'USD' } });
    await say('The answer ');
    await say('is 42.\n');
    return {
      stopReason: 'end_turn',
      usage: { totalTokens: 65, inputTokens: 10, outputTokens: 20, cachedReadTokens: 30, thoughtTokens: 5 },
    };
  },
  async gemini({ say }) {
    await say('fine');
    return {
      stopReason: 'end_turn',
      _meta: { quota: { token_count: { input_tokens: 7, output_tokens: 3 }, model_usage: [] } },
    };
  },
  /** Without an argument it asks its model once only. */
  async opencode({ update, say }) {
    const toolCall = { sessionUpdate: 'tool_call', toolCallId: 't1', title: argument };
    if (argument !== undefined) await update(toolCall);
    await update({ sessionUpdate: 'usage_update', used: 10, size: 1000, cost: { amount: 0.5, currency: 'USD' } });
    await say('fine');
    return { stopReason: 'end_turn', usage: { totalTokens: 30, inputTokens: 10, outputTokens: 20 } };
  },
  async tool({ update, say }) {
    await update({ sessionUpdate: 'tool_call', toolCallId: 't1', title: 'Edit', kind: 'edit' });
    await say(' ');
  },
  async silence() {},
  async messages({ update }) {
    for (const [messageId, text] of [
      ['m1', 'first'],
      ['m1', ' message'],
      ['m2', 'last'],
      ['m2', ' one'],
    ]) {
      await update({ sessionUpdate: 'agent_message_chunk', messageId, content: { type: 'text', text } });
    }
  },
  async elsewhere({ say, client }) {
    await say('mine');
    const content = { type: 'text', text: 'of somebody else' };
    await client.notify(methods.client.session.update, {
      sessionId: 'session_2',
      update: { sessionUpdate: 'agent_message_chunk', content },
    });
  },
  async ask({ client, say }) {
    const toolCall = {
      toolCallId: 't1',
      title: 'rm -rf build',
      kind: 'delete',
      rawInput: { path: 'build' },
      ...JSON.parse(about),
    };
    const offered = options.filter(({ kind }) => kind.startsWith(argument ?? ''));
    const { outcome } = await client.request(methods.client.session.requestPermission, {
      sessionId,
      toolCall,
      options: offered,
    });
    await say(JSON.stringify(outcome));
  },
  async read({ client, say }) {
    try {
      await client.request(methods.client.fs.readTextFile, { sessionId, path: '/etc/hostname' });
    } catch (error) {
      await say(`${error.code} ${error.message}`);
    }
  },
  async session({ say }) {
    await say(JSON.stringify(opened));
  },
  /** Uses the MCP server that it was given. */
  async companion({ say }) {
    const [{ command, args, env }] = opened.mcpServers;
    const variables = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    const mcp = new Client({ name: 'test', version: '1' });
    await mcp.connect(new StdioClientTransport({ command, args, env: { ...process.env, ...variables } }));
    await mcp.callTool({ name: 'task_update', arguments: { progress: 'half' } });
    await mcp.close();
    await say('told');
  },
  async stop({ say }) {
    await say('half of it');
    return { stopReason: argument };
  },
  async wait({ update }) {
    // From the moment that it says so.
    const over = new Promise((resolve) => (cancelled = resolve));
    await update({ sessionUpdate: 'tool_call', toolCallId: 't1', title: 'waiting' });
    await over;
    process.stderr.write('gave up\n');
    return { stopReason: 'cancelled' };
  },
  /** Waits for ever, but the second time. */
  async second(turn) {
    if (existsSync(argument)) return turn.say('the second time');
    writeFileSync(argument, '');
    await behaviours.wait(turn);
  },
  async hang({ update }) {
    process.on('SIGTERM', () => {});
    setInterval(() => {}, 1000);
    await update({ sessionUpdate: 'tool_call', toolCallId: 't1', title: 'hanging' });
    await new Promise(() => {});
  },
  async crash({ say }) {
    await say('half of it');
    process.stderr.write('out of luck\n');
    process.exit(Number(argument));
  },
  async fail() {
    throw RequestError.internalError({ details: 'the model is overloaded' }, 'no answer');
  },
  async flood({ say }) {
    for (;;) await say('x'.repeat(1000));
  },
  async long({ update }) {
    await update({ sessionUpdate: 'tool_call', toolCallId: 't1', title: 'x'.repeat(11 * 1024 * 1024) });
  },
  async garbage({ say }) {
    await say('half of it');
    process.stdout.write('Update available! Run npm install\n');
    await new Promise(() => {});
  },
  async stay({ say }) {
    await say('done, and here I stay');
    setInterval(() => {}, 1000);
    process.on('SIGTERM', () => {});
  },
  async login({ say }) {
    await say('logged in');
  },
};

const vars = [{ name: 'AGENT_KEY' }];
const authMethods = [
  { id: 'browser', name: 'Log in with a browser' },
  { type: 'env_var', id: 'key', name: 'Use a key', vars },
];

agent({ name: 'test' })
  .onRequest(methods.agent.initialize, ({ params }) => ({
    protocolVersion: behaviour === 'version' ? Number(argument) : params.protocolVersion,
    agentCapabilities: {},
    authMethods,
    ...(behaviour === 'opencode' && { agentInfo: { name: 'OpenCode', version: '1' } }),
  }))
  .onRequest(methods.agent.authenticate, ({ params }) => {
    loggedIn = params.methodId === 'key';
    return {};
  })
  .onRequest(methods.agent.session.new, ({ params }) => {
    if (behaviour === 'login' && !loggedIn) throw RequestError.authRequired();
    opened = params;
    return { sessionId };
  })
  .onNotification(methods.agent.session.cancel, () => cancelled())
  .onRequest(methods.agent.session.prompt, async ({ params, client }) => {
    const update = (update) => client.notify(methods.client.session.update, { sessionId, update });
    const say = (text) => update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
    const prompt = params.prompt.map(({ text }) => text).join('');
    return (await behaviours[behaviour]({ client, update, say, prompt })) ?? { stopReason: 'end_turn' };
  })
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
