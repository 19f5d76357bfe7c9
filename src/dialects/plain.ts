/**
 * The plain dialect: the messages of the reference document, with flat results, for `nc` and for clients that speak
 * JSON-RPC and nothing else. Protocol: section "Dialects" of protocol/README.md.
 */
import { errors, tools, version } from '../spec.ts';
import type { Dialect } from './dialect.ts';

/** The handshake does not depend on anything, nor does the list of tools. */
const initialized = JSON.stringify({
  protocolVersion: '2024-11-05',
  serverInfo: { name: 'skein', version },
  capabilities: { tools: [...tools.keys()], resources: ['memory_bank', 'task_queue'] },
});

const listed = JSON.stringify({
  tools: [...tools.values()].map(({ name, title, description, input, output, annotations }) => ({
    name,
    title,
    description,
    inputSchema: input,
    outputSchema: output,
    annotations,
  })),
});

export const plain: Dialect = {
  name: 'plain',
  initialize: () => initialized,
  ping: (now) => `{"status":"ok","timestamp":${now}}`,
  toolsList: () => listed,

  /** The tool's fields, and beside them the same as text: clients in the field read either. */
  toolResult(fields) {
    const text = JSON.stringify(fields);
    const content = `"content":[{"type":"text","text":${JSON.stringify(text)}}]}`;
    return text === '{}' ? `{${content}` : `${text.slice(0, -1)},${content}`;
  },

  error({ refused, message, data }) {
    const known = errors.get(refused);
    if (known === undefined) throw new Error(`protocol/errors.json has no ${refused}`);
    return { code: known.code, message, data: { reason: refused, definite: known.definite, ...data } };
  },
};
