/** The Messages API of Anthropic, for Claude Code. */
import { randomUUID } from 'node:crypto';
import { tokens, type Wire } from './fake-model.ts';

const textOf = (content: any): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text = '' }: any) => text).join('\n');

export const anthropic: Wire = {
  path: /^\/v1\/messages$/,
  read: ({ messages, tools = [] }) => {
    const blocks = messages
      .filter(({ role }: any) => role === 'user')
      .flatMap(({ content }: any) => (typeof content === 'string' ? [{ type: 'text', text: content }] : content));
    return {
      prompt: textOf(blocks),
      tools: tools.map(({ name }: any) => name),
      results: blocks.filter(({ type }: any) => type === 'tool_result').map(({ content }: any) => textOf(content)),
    };
  },
  write: (answer, { model, stream }) => {
    const isText = 'text' in answer;
    const usage = { input_tokens: tokens.input, output_tokens: tokens.output };
    const stop = { stop_reason: isText ? 'end_turn' : 'tool_use', stop_sequence: null };
    const block = isText
      ? { type: 'text', text: answer.text }
      : { type: 'tool_use', id: `toolu_${randomUUID()}`, name: answer.tool, input: answer.args };
    const message = { id: `msg_${randomUUID()}`, type: 'message', role: 'assistant', model, usage };
    if (stream !== true) return { json: { ...message, ...stop, content: [block] } };
    const [empty, delta] = isText
      ? [
          { ...block, text: '' },
          { type: 'text_delta', text: answer.text },
        ]
      : [
          { ...block, input: {} },
          { type: 'input_json_delta', partial_json: JSON.stringify(answer.args) },
        ];
    return {
      events: [
        { type: 'message_start', message: { ...message, content: [], stop_reason: null, stop_sequence: null } },
        { type: 'content_block_start', index: 0, content_block: empty },
        { type: 'content_block_delta', index: 0, delta },
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: stop, usage },
        { type: 'message_stop' },
      ],
    };
  },
};
