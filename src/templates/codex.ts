/** Codex (0.169.0): JSON Lines, of which the last message of the agent counts, once its turn is completed. It knows no prices. */
import {
  denied,
  failed,
  fieldsOf,
  jsonLines,
  resultOf,
  textOf,
  tokensOf,
  unfinished,
  unknownUsage,
} from './reading.ts';
import { serverName, type Answer, type Template } from './template.ts';

export const codex: Template = {
  // It reads its prompt from standard input when no argument is one.
  argv: ['codex', 'exec', '--json', '--skip-git-repo-check'],
  env: ['CODEX_API_KEY', 'CODEX_HOME', 'OPENAI_API_KEY', 'OPENAI_BASE_URL'],

  parse({ stdout }): Answer {
    const events = jsonLines(stdout);
    const completed = events.findLast(({ type }) => type === 'turn.completed');
    const counts = fieldsOf(completed?.['usage']);
    const usage = {
      inputTokens: tokensOf(counts['input_tokens']),
      outputTokens: tokensOf(counts['output_tokens']),
      costUsd: null,
    };
    const failure = events.findLast(({ type }) => type === 'turn.failed');
    if (failure !== undefined) return failed(textOf(fieldsOf(failure['error'])['message']), usage);
    if (completed === undefined) {
      // It also tells so of what it then got over; with no end of the turn it did not.
      const error = events.findLast(({ type }) => type === 'error');
      return error === undefined
        ? unfinished('has printed no event turn.completed', unknownUsage)
        : failed(textOf(error['message']), unknownUsage);
    }
    const items = events.flatMap(({ type, item }) => (type === 'item.completed' ? [fieldsOf(item)] : []));
    const refused = items.filter(
      ({ status, error }) =>
        status === 'declined' || /requires approval/.test(textOf(fieldsOf(error)['message']) ?? ''),
    );
    if (refused.length > 0) {
      return denied(
        refused.map(({ type, server, tool, command }) => String(command ?? (tool ? `${server}.${tool}` : type))),
        usage,
      );
    }
    const text = items.findLast(({ type }) => type === 'agent_message')?.['text'];
    if (typeof text !== 'string') return unfinished('has completed its turn without a message', usage);
    return { ok: true, result: resultOf(text), usage };
  },

  addServer({ command, args, variables }) {
    // Strings and lists are written in TOML as in JSON. It does not begin before a required server is there.
    const server = [
      `command=${JSON.stringify(command)}`,
      `args=${JSON.stringify(args)}`,
      `env_vars=${JSON.stringify(variables)}`,
      'required=true',
      'default_tools_approval_mode="approve"',
    ];
    return { args: ['-c', `mcp_servers.${serverName}={${server.join(',')}}`], env: {} };
  },
};
