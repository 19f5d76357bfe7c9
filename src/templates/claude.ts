/** Claude Code (2.1.330): one JSON object, or a stream of them (`stream-json`) of which the last one of type `result` counts. */
import {
  costOf,
  denied,
  failed,
  fieldsOf,
  jsonLines,
  listOf,
  resultOf,
  sum,
  textOf,
  tokensOf,
  unfinished,
  unknownUsage,
  type Fields,
} from './reading.ts';
import { serverName, type Answer, type Json, type Template, type Usage } from './template.ts';

export const claude: Template = {
  argv: ['claude', '-p', '--output-format', 'json'],
  env: [
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_AUTH_TOKEN',
    'ANTHROPIC_BASE_URL',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDE_CONFIG_DIR',
  ],

  parse({ stdout }): Answer {
    const end = jsonLines(stdout).findLast(({ type }) => type === 'result');
    if (end === undefined) return unfinished('has printed no JSON object of type result', unknownUsage);
    const usage = usageOf(end);
    // An error of the model's API is of subtype success, too.
    if (end['is_error'] === true || end['subtype'] !== 'success') {
      const errors = listOf(end['errors']).flatMap((error) => textOf(error) ?? []);
      return failed(textOf(end['result']) ?? textOf(errors.join('; ')) ?? textOf(end['subtype']), usage);
    }
    const denials = listOf(end['permission_denials']).map(fieldsOf);
    if (denials.length > 0) {
      return denied(
        denials.map((denial) => `${denial['tool_name']} ${JSON.stringify(denial['tool_input'])}`),
        usage,
      );
    }
    // With --json-schema.
    if (end['structured_output'] !== undefined) return { ok: true, result: end['structured_output'] as Json, usage };
    const { result } = end;
    if (typeof result !== 'string') return unfinished('has printed a result without its text', usage);
    return { ok: true, result: resultOf(result), usage };
  },

  addServer({ command, args, variables }) {
    const env = Object.fromEntries(variables.map((name) => [name, `\${${name}}`]));
    // Without alwaysLoad the model has to search for the tools first, and may begin before the server is there.
    const servers = { mcpServers: { [serverName]: { command, args, env, alwaysLoad: true } } };
    // What it may not do by itself it asks a person, and waits.
    const asking = ['--permission-prompt-tool', `mcp__${serverName}__approve`];
    return {
      args: ['--mcp-config', JSON.stringify(servers), '--allowedTools', `mcp__${serverName}`, ...asking],
      env: {},
    };
  },
};

/** By model, since only that has what subagents used; it is empty when none was asked. */
function usageOf(end: Fields): Usage {
  const models = Object.values(fieldsOf(end['modelUsage'])).map(fieldsOf);
  const own = fieldsOf(end['usage']);
  const total = (ofModel: readonly string[], ofRun: readonly string[]): number | null =>
    models.length > 0
      ? sum(models.flatMap((model) => ofModel.map((name) => tokensOf(model[name]))))
      : sum(ofRun.map((name) => tokensOf(own[name])));
  // Of a model that it does not know it invents the price.
  const isPriced = models.every(({ costBasis }) => costBasis !== 'unknown');
  return {
    inputTokens: total(
      ['inputTokens', 'cacheReadInputTokens', 'cacheCreationInputTokens'],
      ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'],
    ),
    outputTokens: total(['outputTokens'], ['output_tokens']),
    costUsd: isPriced ? costOf(end['total_cost_usd']) : null,
  };
}
