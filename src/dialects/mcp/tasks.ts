/**
 * The extension io.modelcontextprotocol/tasks, as of 2026-07-28: a client that declares it gets a handle where it would have
 * to wait for a task of a swarm, and asks for it again and again. The handle is the id of that task, so nothing is kept
 * here, and a handle lasts as long as the task does. Who does not declare it sees nothing of it.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type Server,
  type ServerContext,
  type StandardSchemaV1,
} from '@modelcontextprotocol/server';
import type { TurnedDown } from '../dialect.ts';

export const tasksExtension = 'io.modelcontextprotocol/tasks';

/** Tools that answer with a handle. */
export const handing: ReadonlySet<string> = new Set(['task_orchestrate', 'task_wait']);

/** How often a client should ask. */
const pollIntervalMs = 1_000;

type Call = (tool: string, args: object) => Promise<object | TurnedDown>;

/** As task_wait shows it. */
interface ShownTask {
  readonly taskId: string;
  readonly status: 'orchestrating' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
  readonly reason: string | null;
  readonly progress: { readonly done: number; readonly total: number };
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly ended: boolean;
}

/** `meta`: of a request. */
export function declaresTasks(meta: object | undefined): boolean {
  const said = meta as
    | { readonly [CLIENT_CAPABILITIES_META_KEY]?: { readonly extensions?: Readonly<Record<string, unknown>> } }
    | undefined;
  return said?.[CLIENT_CAPABILITIES_META_KEY]?.extensions?.[tasksExtension] !== undefined;
}

/** What a call is answered with instead; null: with its own answer, since there is nothing to be asked for later. */
export async function handleOf(
  { taskId, ended = false }: { readonly taskId: string; readonly ended?: boolean },
  call: Call,
): Promise<(CallToolResult & { readonly resultType: 'task' }) | null> {
  const shown = ended ? null : await call('task_wait', { taskId, waitSeconds: 0 });
  if (shown === null || 'refused' in shown) return null;
  return Object.assign({ resultType: 'task' as const, content: [] }, described(shown as ShownTask));
}

/** Makes a server answer `tasks/...`; `callFor`: how a request calls tools. */
export function serveTasks(
  server: Server,
  callFor: (mcpReq: ServerContext['mcpReq']) => Call,
  resultOf: (fields: object) => CallToolResult,
): void {
  const serve = (method: string, answer: (taskId: string, call: Call) => Promise<object>): void => {
    server.setRequestHandler(method, { params: taskParams }, async ({ taskId }, { mcpReq }) => {
      if (!declaresTasks(mcpReq.envelope)) throw undeclared();
      return (await answer(taskId, callFor(mcpReq))) as Record<string, unknown>;
    });
  };
  serve('tasks/get', async (taskId, call) => {
    const task = await shownTask(taskId, call);
    const { status } = task;
    if (status !== 'completed' && status !== 'failed') return described(task);
    const result = { resultType: 'complete', ...resultOf(task), ...(status === 'failed' && { isError: true }) };
    return { ...described(task), result };
  });
  serve('tasks/cancel', async (taskId, call) => {
    const answer = await call('task_cancel', { taskId, reason: 'cancelled by its MCP client' });
    // What has ended has nothing left to be cancelled.
    if ('refused' in answer && answer.refused !== 'task_ended') throw turnedDown(answer as TurnedDown);
    return {};
  });
  // No task of ours asks its client for anything, so no answer is one that is waited for.
  serve('tasks/update', async (taskId, call) => {
    await shownTask(taskId, call);
    return {};
  });
}

async function shownTask(taskId: string, call: Call): Promise<ShownTask> {
  const answer = await call('task_wait', { taskId, waitSeconds: 0 });
  if ('refused' in answer) throw turnedDown(answer as TurnedDown);
  return answer as ShownTask;
}

/** `failed` is for errors of the protocol only: a task that has failed is a result that says so. */
function described({ taskId, status, reason, progress, createdAt, startedAt, endedAt }: ShownTask): object {
  const isOver = status === 'completed' || status === 'failed';
  const stands = endedAt === null ? `${status}, ${progress.done} of ${progress.total} done` : status;
  return {
    taskId,
    status: isOver ? 'completed' : status === 'cancelled' ? 'cancelled' : 'working',
    statusMessage: reason === null ? stands : `${stands}: ${reason}`,
    createdAt,
    // The last time that it began something; what has happened within it meanwhile is not counted.
    lastUpdatedAt: endedAt ?? startedAt ?? createdAt,
    ttlMs: null,
    pollIntervalMs,
  };
}

function turnedDown({ refused, message, data }: TurnedDown): ProtocolError {
  const isUnknown = refused.endsWith('_not_found') || refused === 'invalid_arguments';
  const code = isUnknown ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(code, message, { reason: refused, ...data });
}

/** For who asks for what is of the extension without declaring it. */
export function undeclared(): ProtocolError {
  return new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [tasksExtension]: {} } } });
}

const taskParams: StandardSchemaV1<unknown, { readonly taskId: string }> = {
  '~standard': {
    version: 1,
    vendor: 'skein',
    validate: (params) =>
      typeof (params as { taskId?: unknown }).taskId === 'string'
        ? { value: params as { readonly taskId: string } }
        : { issues: [{ message: 'taskId must be a string' }] },
  },
};
