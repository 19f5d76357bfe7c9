/**
 * Which messages are MCP's, told one by one: a connection may begin in plain and turn to MCP, and revisions without a
 * handshake say with each request what they are. Protocol: section "Dialects" of protocol/README.md.
 */
import { isObject, type Notification, type Request } from '../../wire/jsonrpc.ts';

/** `legacy`: revisions that begin with `initialize`. `modern`: 2026-07-28, where each request stands for itself. */
export type Era = 'legacy' | 'modern';

/** null: the message is plain. `spoken`: what its connection has spoken before, which a message that says nothing follows. */
export function eraOf(message: Request | Notification, spoken: ReadonlySet<Era>): Era | null {
  if (revisionOf(message) !== undefined) return 'modern';
  const { kind, method, params } = message;
  if (method === 'initialize' && isObject(params) && isObject(params['capabilities'])) return 'legacy';
  if (spoken.has('legacy')) return 'legacy';
  // Only requests have to say what they are, and plain has no notification of such a name.
  return spoken.has('modern') && kind === 'notification' && method.startsWith('notifications/') ? 'modern' : null;
}

/** Which revision a message says that it is of; undefined: it does not say. */
export function revisionOf({ params }: Request | Notification): unknown {
  const meta = isObject(params) ? params['_meta'] : undefined;
  return isObject(meta) ? meta['io.modelcontextprotocol/protocolVersion'] : undefined;
}
