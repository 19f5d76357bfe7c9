/**
 * Gemini CLI (0.61.0): one JSON object; an error is one at the end of standard error. It knows no prices.
 *
 * It reads MCP servers from settings files only: the user's, the work tree's, which is not ours to write, and the system's, which
 * have to belong to root. So a run gets a home of its own (GEMINI_CLI_HOME), where all is a link to what is in the
 * user's but the settings, which are the user's and the server.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  denied,
  failed,
  fieldsOf,
  parsed,
  resultOf,
  sum,
  textOf,
  tokensOf,
  unfinished,
  unknownUsage,
  type Fields,
} from './reading.ts';
import { serverName, type Answer, type McpServer, type Template, type Usage } from './template.ts';

const folder = '.gemini';
const settings = 'settings.json';

export const gemini: Template = {
  // Without a terminal it runs in no folder that it was not told to trust: here `cwd` says so.
  argv: ['gemini', '--output-format', 'json', '--skip-trust'],
  env: [
    'GEMINI_API_KEY',
    'GEMINI_CLI_HOME',
    'GOOGLE_API_KEY',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'GOOGLE_CLOUD_LOCATION',
    'GOOGLE_CLOUD_PROJECT',
    'GOOGLE_GEMINI_BASE_URL',
    'GOOGLE_GENAI_USE_VERTEXAI',
  ],

  parse({ stdout, stderr }): Answer {
    const end = fieldsOf(parsed(stdout) ?? errorAtEnd(stderr));
    const stats = fieldsOf(end['stats']);
    const usage = usageOf(stats);
    if (end['error'] !== undefined) return failed(textOf(fieldsOf(end['error'])['message']), usage);
    const refused = Object.entries(fieldsOf(fieldsOf(stats['tools'])['byName'])).filter(
      ([, tool]) => Number(fieldsOf(fieldsOf(tool)['decisions'])['reject']) > 0,
    );
    if (refused.length > 0) {
      return denied(
        refused.map(([name]) => name),
        usage,
      );
    }
    const { response } = end;
    if (typeof response !== 'string') return unfinished('has printed no JSON object with a response', usage);
    return { ok: true, result: resultOf(response), usage };
  },

  addServer(server, env) {
    const users = join(env['GEMINI_CLI_HOME'] ?? env['HOME'] ?? homedir(), folder);
    const home = mkdtempSync(join(tmpdir(), 'skein-gemini-'));
    const remove = (): void => rmSync(home, { recursive: true, force: true });
    try {
      mkdirSync(join(home, folder));
      for (const name of namesIn(users)) {
        if (name !== settings) symlinkSync(join(users, name), join(home, folder, name));
      }
      const merged = JSON.stringify(withServer(userSettings(join(users, settings)), server));
      writeFileSync(join(home, folder, settings), merged, { mode: 0o600 });
    } catch (error) {
      remove();
      throw error;
    }
    return { args: [], env: { GEMINI_CLI_HOME: home }, remove };
  },
};

/** Between other lines. */
function errorAtEnd(stderr: string): unknown {
  return parsed(stderr.slice(`\n${stderr}`.lastIndexOf('\n{\n'), stderr.lastIndexOf('}') + 1));
}

function usageOf({ models }: Fields): Usage {
  const tokens = Object.values(fieldsOf(models)).map((model) => fieldsOf(fieldsOf(model)['tokens']));
  if (tokens.length === 0) return unknownUsage;
  const total = (names: readonly string[]): number | null =>
    sum(tokens.flatMap((of) => names.map((name) => tokensOf(of[name]))));
  return { inputTokens: total(['prompt', 'tool']), outputTokens: total(['candidates', 'thoughts']), costUsd: null };
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function userSettings(path: string): Fields {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  // They may have comments; what looks like one within a string is none.
  const json = text.replace(/"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (found) =>
    found[0] === '"' ? found : ' ',
  );
  const value = parsed(json);
  if (value === undefined) throw new Error(`${path} is not JSON`);
  return fieldsOf(value);
}

function withServer(users: Fields, { command, args, variables }: McpServer): Fields {
  const env = Object.fromEntries(variables.map((name) => [name, `$${name}`]));
  // Without trust its tools are not shown to the model, as there is nobody to ask.
  const server = { command, args, env, trust: true };
  return { ...users, mcpServers: { ...fieldsOf(users['mcpServers']), [serverName]: server } };
}
