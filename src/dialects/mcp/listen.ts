/** `subscriptions/listen` of 2026-07-28, before the library acknowledges it: what its client wants to hear of is watched. */
import { ProtocolErrorCode, type JSONRPCRequest } from '@modelcontextprotocol/server';
import type { ErrorObject } from '../../wire/jsonrpc.ts';
import { declaresTasks, undeclared } from './tasks.ts';
import { listed, type Watched, type Watching } from './watching.ts';

/** All that it wants, or nothing and the error that it is answered with. Whether it is well-formed is the library's to say. */
export function listen({ id, params }: JSONRPCRequest, watching: Watching): ErrorObject | null {
  const { notifications, _meta: meta } = (params ?? {}) as {
    readonly notifications?: { resourceSubscriptions?: unknown; resourcesListChanged?: unknown; taskIds?: unknown };
    readonly _meta?: object;
  };
  if (notifications?.taskIds !== undefined && !declaresTasks(meta)) {
    const { code, message, data } = undeclared();
    return { code, message, data };
  }
  const uris = notifications?.resourceSubscriptions;
  const wanted: Watched[] = Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : [];
  if (notifications?.resourcesListChanged === true) wanted.push(listed);
  const problem = watching.open(id, wanted);
  if (problem === null) return null;
  const { refused: reason, message } = problem;
  return { code: ProtocolErrorCode.InvalidParams, message, data: { reason } };
}
