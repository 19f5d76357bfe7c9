/** The Gemini API of Google, for Gemini CLI. */
import { tokens, type Wire } from './fake-model.ts';

export const gemini: Wire = {
  path: /^\/v1beta\/models\/[^/]+:(generateContent|streamGenerateContent)$/,
  read: ({ contents, tools = [] }) => {
    const parts = contents.flatMap(({ role, parts }: any) => (role === 'model' ? [] : parts));
    return {
      prompt: parts.map(({ text = '' }: any) => text).join('\n'),
      tools: tools.flatMap(({ functionDeclarations = [] }: any) => functionDeclarations.map(({ name }: any) => name)),
      results: parts.flatMap(({ functionResponse }: any) =>
        functionResponse === undefined ? [] : [functionResponse.response.output ?? functionResponse.response.error],
      ),
    };
  },
  write: (answer, _request, path) => {
    const part = 'text' in answer ? answer : { functionCall: { name: answer.tool, args: answer.args } };
    const json = {
      candidates: [{ index: 0, content: { role: 'model', parts: [part] }, finishReason: 'STOP' }],
      usageMetadata: {
        promptTokenCount: tokens.input,
        candidatesTokenCount: tokens.output,
        totalTokenCount: tokens.input + tokens.output,
      },
    };
    return path.endsWith(':generateContent') ? { json } : { events: [json] };
  },
};
