/** The Responses API of OpenAI, for Codex and opencode. */
import { randomUUID } from 'node:crypto';
import { tokens, type Wire } from './fake-model.ts';

const textOf = (content: any): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text = '' }: any) => text).join('\n');

/** Codex has a namespace for the tools of each MCP server, which a call names apart. */
const functionsOf = (tools: any[] = []) =>
  tools.flatMap(({ type, name, tools: inside }): { name: string; namespace?: string }[] => {
    if (type === 'namespace') return inside.map((tool: any) => ({ name: tool.name, namespace: name }));
    return type === 'function' ? [{ name }] : [];
  });
const fullName = ({ name, namespace = '' }: { name: string; namespace?: string }) => namespace + name;

export const openai: Wire = {
  path: /^\/v1\/responses$/,
  read: ({ input, tools }) => ({
    prompt: input.map(({ role, content }: any) => (role === 'user' ? textOf(content) : '')).join('\n'),
    tools: functionsOf(tools).map(fullName),
    results: input.filter(({ type }: any) => type === 'function_call_output').map(({ output }: any) => textOf(output)),
  }),
  write: (answer, { model, tools }) => {
    const itemId = `item_${randomUUID()}`;
    const item =
      'text' in answer
        ? {
            type: 'message',
            id: itemId,
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: answer.text, annotations: [] }],
          }
        : {
            type: 'function_call',
            id: itemId,
            call_id: `call_${randomUUID()}`,
            status: 'completed',
            ...functionsOf(tools).find((tool) => fullName(tool) === answer.tool),
            arguments: JSON.stringify(answer.args),
          };
    const usage = {
      input_tokens: tokens.input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: tokens.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: tokens.input + tokens.output,
    };
    const response = { id: `resp_${randomUUID()}`, object: 'response', created_at: 0, model };
    const inItem = { output_index: 0, content_index: 0, item_id: itemId };
    return {
      events: [
        { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
        { type: 'response.output_item.added', output_index: 0, item },
        ...('text' in answer ? [{ type: 'response.output_text.delta', ...inItem, delta: answer.text }] : []),
        { type: 'response.output_item.done', output_index: 0, item },
        { type: 'response.completed', response: { ...response, status: 'completed', output: [item], usage } },
      ],
    };
  },
};
