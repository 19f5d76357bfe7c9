/**
 * The command lines under test: how each is told of its model and of its MCP server, and how it is run. Each has an empty
 * home of its own, so nothing of the machine's user is read or written, and is told to tell nobody of its use.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const installed = fileURLToPath(new URL('./programs/node_modules/.bin', import.meta.url));

export type Environment = Readonly<Record<string, string>>;
export type Server = { readonly command: string; readonly args: readonly string[] } | { readonly url: string };

export interface Program {
  readonly name: string;
  /** Its name in skein.yaml. */
  readonly template: string;
  /** Headless, with the prompt on standard input, and allowed to use the tools of skein. */
  readonly argv: readonly [string, ...string[]];
  /** What it needs beside what its template in skein.yaml gives it. */
  readonly more: readonly string[];
  /** What tells it, with files in its home and variables, to ask the model at this address. */
  readonly prepare: (home: string, model: string) => Promise<Environment>;
  /** Configures it with this MCP server, the way the README says. */
  readonly addServer: (home: string, server: Server, environment: Environment) => Promise<void>;
}

async function write(path: string, content: string | object): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content), { flag: 'a' });
}

const claude: Program = {
  name: 'claude',
  template: 'claude',
  argv: ['claude', '-p', '--output-format', 'json', '--allowedTools', 'mcp__skein'],
  more: [],
  prepare: async (_home, model) => ({
    ANTHROPIC_BASE_URL: model,
    ANTHROPIC_API_KEY: 'dummy',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  }),
  addServer: async (_home, server, env) => {
    const json = JSON.stringify({ type: 'url' in server ? 'http' : 'stdio', ...server, alwaysLoad: true });
    await promisify(execFile)('claude', ['mcp', 'add-json', '--scope', 'user', 'skein', json], { env });
  },
};

const codexConfig = (home: string) => join(home, '.codex', 'config.toml');
const codex = (name: string, model: string): Program => ({
  name,
  template: 'codex',
  argv: ['codex', 'exec', '--json', '--skip-git-repo-check', '-'],
  more: [],
  prepare: async (home, url) => {
    await write(
      codexConfig(home),
      `${model}
model_provider = "fake"

[model_providers.fake]
name = "fake"
base_url = "${url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"

[analytics]
enabled = false
`,
    );
    return { OPENAI_API_KEY: 'dummy' };
  },
  addServer: (home, server) => {
    const table = { ...server, required: true, default_tools_approval_mode: 'approve' };
    // Strings and lists are written in TOML as in JSON.
    const lines = Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
    return write(codexConfig(home), `\n[mcp_servers.skein]\n${lines.join('')}`);
  },
});
// To a model that it knows it offers its tools in another way.
const codexModels = [codex('codex', ''), codex('codex with an unknown model', 'model = "fake"')];

const gemini: Program = {
  name: 'gemini',
  template: 'gemini',
  // Without a model it asks another one which to use.
  argv: ['gemini', '--output-format', 'json', '--model', 'gemini-2.5-pro'],
  more: ['--model', 'gemini-2.5-pro'],
  prepare: async (home, model) => {
    await write(join(home, '.gemini', 'settings.json'), {
      security: { auth: { selectedType: 'gemini-api-key' } },
      privacy: { usageStatisticsEnabled: false },
    });
    return { GOOGLE_GEMINI_BASE_URL: model, GEMINI_API_KEY: 'dummy', GEMINI_CLI_TRUST_WORKSPACE: 'true' };
  },
  addServer: async (_home, server, env) => {
    const where =
      'url' in server ? ['--transport', 'http', 'skein', server.url] : ['skein', server.command, ...server.args];
    await promisify(execFile)('gemini', ['mcp', 'add', '--scope', 'user', '--trust', ...where], { env });
  },
};

const opencode: Program = {
  name: 'opencode',
  template: 'opencode',
  argv: ['opencode', 'run', '--format', 'json'],
  more: [],
  prepare: async (home, model) => {
    const options = { baseURL: `${model}/v1`, apiKey: 'dummy' };
    const models = { one: { cost: { input: 1, output: 10 } } };
    const provider = { fake: { npm: '@ai-sdk/openai', options, models } };
    await write(join(home, '.config', 'opencode', 'opencode.jsonc'), { provider, model: 'fake/one' });
    return { OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' };
  },
  // Its own `mcp add` takes the port for a number, and then refuses what it has written.
  addServer: (home, server) => {
    const skein =
      'url' in server ? { type: 'remote', ...server } : { type: 'local', command: [server.command, ...server.args] };
    return write(join(home, 'opencode.json'), { mcp: { skein } });
  },
};

export const programs: readonly Program[] = [claude, ...codexModels, gemini, opencode];

/** All of its environment. */
export async function environmentOf({ prepare }: Program, home: string, model: string): Promise<Environment> {
  return { PATH: `${installed}${delimiter}${process.env['PATH']}`, HOME: home, ...(await prepare(home, model)) };
}

/** Of each test: one that hangs is ended with all that it has started. What is tested takes seconds. */
export const orHangs = { timeout: 300_000 };

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it to its end, which a failing test brings about with all that it has started. */
export async function run(t: TestContext, { argv }: Program, prompt: string, env: Environment): Promise<Run> {
  const [program, ...args] = argv;
  const child = spawn(program, args, { cwd: env['HOME'], env, detached: true });
  t.after(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  });
  child.stdin.end(prompt);
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const [[code], stdout, stderr] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}
