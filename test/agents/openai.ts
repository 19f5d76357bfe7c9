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

/** To models that Codex knows it gives one tool, for programs that find and call all others; it stands in the input. */
const takesPrograms = ({ input }: any): boolean => input.some(({ type }: any) => type === 'additional_tools');
const programThatCalls = (tool: string, args: object) => `
const { name } = ALL_TOOLS.find(({ name }) => name.endsWith(${JSON.stringify(tool)}));
const { content } = await tools[name](${JSON.stringify(args)});
text(content[0].text);
`;

const isOutput = ({ type }: any): boolean => type === 'function_call_output' || type === 'custom_tool_call_output';

export const openai: Wire = {
  path: /^\/v1\/responses$/,
  read: (request) => ({
    prompt: request.input.map(({ role, content }: any) => (role === 'user' ? textOf(content) : '')).join('\n'),
    tools: takesPrograms(request) ? 'found by programs' : functionsOf(request.tools).map(fullName),
    results: request.input.filter(isOutput).map(({ output }: any) => textOf(output)),
  }),
  write: (answer, request) => {
    const { model, tools } = request;
    const itemId = `item_${randomUUID()}`;
    const called = { id: itemId, call_id: `call_${randomUUID()}`, status: 'completed' };
    const item =
      'text' in answer
        ? {
            type: 'message',
            id: itemId,
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: answer.text, annotations: [] }],
          }
        : takesPrograms(request)
          ? { type: 'custom_tool_call', ...called, name: 'exec', input: programThatCalls(answer.tool, answer.args) }
          : {
              type: 'function_call',
              ...called,
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
