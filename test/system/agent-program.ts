/**
 * Stands for the command line of an agent: `agent-program.ts NAME ARGUMENT...`, where NAME says which one. It finds its MCP
 * server where that one does, with as little of its environment as that one hands on, uses it, and prints what that one
 * prints. Told to hang in its prompt it prints its success and goes on running, the first time that it is asked.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Client } from '@modelcontextprotocol/client';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { call } from '../mcp/clients.ts';

interface Configured {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const [name, ...given] = process.argv.slice(2);
const valueOf = (variable: string): string => process.env[variable] ?? `no ${variable}`;
const expanded = (env: Readonly<Record<string, string>>, pattern: RegExp): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).map(([key, value]) => [key, value.replace(pattern, (_, of: string) => valueOf(of))]),
  );

const configured: Readonly<Record<string, () => Configured>> = {
  claude() {
    const { mcpServers } = JSON.parse(given[given.indexOf('--mcp-config') + 1]!);
    return { ...mcpServers.skein, env: expanded(mcpServers.skein.env, /^\$\{(\w+)\}$/) };
  },
  codex() {
    const [, table] = /^mcp_servers\.skein=\{(.*)\}$/.exec(given[given.indexOf('-c') + 1]!)!;
    const { command, args, env_vars } = JSON.parse(`{${table!.replace(/(^|,)([a-z_]+)=/g, '$1"$2":')}}`);
    return { command, args, env: Object.fromEntries(env_vars.map((of: string) => [of, valueOf(of)])) };
  },
  gemini() {
    const path = join(process.env['GEMINI_CLI_HOME']!, '.gemini', 'settings.json');
    const { skein } = JSON.parse(readFileSync(path, 'utf8')).mcpServers;
    return { ...skein, env: expanded(skein.env, /^\$(\w+)$/) };
  },
  opencode() {
    const { skein } = JSON.parse(process.env['OPENCODE_CONFIG_CONTENT']!).mcp;
    const [command, ...args] = skein.command;
    return { command, args, env: expanded(skein.environment, /^\{env:(\w+)\}$/) };
  },
};

const printed: Readonly<Record<string, (answer: string) => readonly object[]>> = {
  claude: (answer) => [
    {
      type: 'result',
      subtype: 'success',
      is_error: false,
      result: answer,
      total_cost_usd: 0.25,
      usage: { input_tokens: 10, output_tokens: 5 },
      permission_denials: [],
    },
  ],
  codex: (answer) => [
    { type: 'item.completed', item: { type: 'agent_message', text: answer } },
    { type: 'turn.completed', usage: { input_tokens: 10, output_tokens: 5 } },
  ],
  gemini: (answer) => [
    { response: answer, stats: { models: { m: { tokens: { prompt: 10, candidates: 3, thoughts: 2 } } } } },
  ],
  opencode: (answer) => [
    { type: 'text', part: { messageID: 'm', text: answer } },
    {
      type: 'step_finish',
      part: { messageID: 'm', reason: 'stop', tokens: { input: 10, output: 5 }, cost: 0.25 },
    },
  ],
};

const prompt = (await text(process.stdin)).trim();
const { command, args, env } = configured[name!]!();
const client = new Client({ name: name!, version: '1' });
const transport = new StdioClientTransport({
  command,
  args: [...args],
  env: { ...getDefaultEnvironment(), ...env },
  stderr: 'inherit',
});
await client.connect(transport);

const tools = (await client.listTools()).tools.map((tool) => tool.name);
const { agents } = await call(client, 'agent_list');
const other = agents.find((agent: { name: string | null }) => agent.name === 'listener');
await call(client, 'memory_store', { key: 'note', value: `by ${name}` });
await call(client, 'agent_message', { agentId: other.agentId, message: `from ${name}` });
const refusals: string[] = [];
for (const tool of ['task_next', 'task_complete', 'swarm_leave']) {
  await client.callTool({ name: tool, arguments: {} }).catch((error: Error) => refusals.push(error.message));
}
const answer = JSON.stringify({
  prompt,
  tools,
  refusals,
  secretInArguments: process.argv.some((argument) => argument.includes(valueOf('SKEIN_LEASE_TOKEN'))),
});
const output = printed[name!]!(answer).map((line) => JSON.stringify(line));
const hangs = prompt === 'hang' && process.env['SKEIN_ATTEMPT'] === '1';
await new Promise((resolve) => process.stdout.write(`${output.join('\n')}\n`, resolve));
await call(client, 'task_update', { progress: { pid: process.pid, attempt: process.env['SKEIN_ATTEMPT'] } });
if (hangs) setInterval(() => {}, 1000);
else await client.close();
