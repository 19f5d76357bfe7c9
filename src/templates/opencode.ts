/** opencode (1.18.33): JSON Lines, in steps with what each used; the text of the last one counts, if it came to its end. */
import { costOf, denied, failed, fieldsOf, jsonLines, resultOf, sum, textOf, tokensOf, unfinished } from './reading.ts';
import { serverName, type Answer, type Template, type Usage } from './template.ts';

export const opencode: Template = {
  argv: ['opencode', 'run', '--format', 'json'],
  env: [
    'ANTHROPIC_API_KEY',
    'GEMINI_API_KEY',
    'GOOGLE_GENERATIVE_AI_API_KEY',
    'OPENAI_API_KEY',
    'OPENCODE_API_KEY',
    'OPENCODE_CONFIG',
    'OPENROUTER_API_KEY',
    'XDG_CONFIG_HOME',
    'XDG_DATA_HOME',
  ],

  parse({ stdout }): Answer {
    const events = jsonLines(stdout).map(({ type, part, error }) => ({ type, part: fieldsOf(part), error }));
    const ends = events.filter(({ type }) => type === 'step_finish').map(({ part }) => part);
    const usage = usageOf(ends);
    const failure = events.findLast(({ type }) => type === 'error');
    if (failure !== undefined) {
      const { name, data } = fieldsOf(failure.error);
      return failed(textOf(fieldsOf(data)['message']) ?? textOf(name), usage);
    }
    const refused = events.filter(({ type, part }) => type === 'tool_use' && isRefused(fieldsOf(part['state'])));
    if (refused.length > 0) {
      return denied(
        refused.map(({ part }) => `${part['tool']} ${JSON.stringify(fieldsOf(part['state'])['input'])}`),
        usage,
      );
    }
    const last = ends.at(-1);
    if (last?.['reason'] !== 'stop') return unfinished('has printed no step that ends with reason stop', usage);
    const texts = events.flatMap(({ type, part }) =>
      type === 'text' && part['messageID'] === last['messageID'] ? (textOf(part['text']) ?? []) : [],
    );
    return { ok: true, result: resultOf(texts.join('\n\n')), usage };
  },

  addServer({ command, args, variables }) {
    const environment = Object.fromEntries(variables.map((name) => [name, `{env:${name}}`]));
    const server = { type: 'local', command: [command, ...args], environment, enabled: true };
    // It is put over the files that the user has.
    return { args: [], env: { OPENCODE_CONFIG_CONTENT: JSON.stringify({ mcp: { [serverName]: server } }) } };
  },
};

/** By the user, who is not there, or by a rule. */
function isRefused({ status, error }: { readonly status?: unknown; readonly error?: unknown }): boolean {
  return status === 'error' && /rejected permission|a rule which prevents/.test(textOf(error) ?? '');
}

function usageOf(steps: readonly Readonly<Record<string, unknown>>[]): Usage {
  const tokens = steps.map((step) => fieldsOf(step['tokens']));
  const cost = sum(steps.map((step) => costOf(step['cost'])));
  return {
    inputTokens: sum(
      tokens.flatMap((of) => {
        const { read, write } = fieldsOf(of['cache']);
        return [tokensOf(of['input']), tokensOf(read), tokensOf(write)];
      }),
    ),
    outputTokens: sum(tokens.flatMap((of) => [tokensOf(of['output']), tokensOf(of['reasoning'])])),
    // It says 0 of a model whose price it does not know.
    costUsd: cost === 0 ? null : cost,
  };
}
