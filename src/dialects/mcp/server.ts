/**
 * An instance of the MCP library for one connection: tools, prompts and resources.
 *
 * What a tool turns down is a result that says so (`isError`), since models see results and not protocol errors; it says
 * what to do next. Protocol errors are left for what a model cannot mend: a tool that there is not, a bug of ours.
 */
import {
  CLIENT_INFO_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type CallToolResult,
  type GetPromptResult,
  type RequestId,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server';
import { errors, nearestOf, prompts, tools, version, type ProfileName } from '../../spec.ts';
import type { TurnedDown } from '../dialect.ts';
import { excerpt } from '../excerpt.ts';
import type { Era } from './era.ts';
import { listingOf, promptText, type Listing } from './listing.ts';
import type { ClientInfo, WaitSecondsMax } from './patience.ts';
import { tellWhileWaiting } from './progress.ts';
import { listResources, readResource, refusal, templates, type ReadEvents } from './resources.ts';
import { declaresTasks, handing, handleOf, serveTasks, tasksExtension } from './tasks.ts';
import { listed, type Watch, type Watching, type WatchList } from './watching.ts';

/** What becomes of the answers of one instance of the library. */
export interface Answers {
  /** The revision that `initialize` agreed on. */
  readonly revision: string | null;
  /** What to do if the answer to a request that is being made cannot be delivered. */
  owes(id: RequestId, undelivered: (() => void) | null): void;
}

/** How tools are called, whatever the dialect. */
export type CallTool = (
  name: string,
  args: object,
  by: {
    /** Aborted when nobody waits for the answer any more. */
    readonly signal: AbortSignal;
    /** Called when the call begins to wait for something to happen. */
    readonly onWait: ((seconds: number) => void) | null;
    /** The longest that the caller survives. */
    readonly waitSecondsMax: number;
  },
) => Promise<{ readonly answer: object | TurnedDown; readonly undelivered: (() => void) | null }>;

export const serverInfo = { name: 'skein', title: 'skein', version };

/** What it tells its client comes from here. */
export interface Sources {
  readonly callTool: CallTool;
  readonly watch: Watch;
  readonly watchList: WatchList;
  readonly readEvents: ReadEvents;
}

/** Newest first: what is offered to a client that asks for another one. */
export const legacyRevisions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

/** What is listed does not change while the server runs. */
const unchanging = { ttlMs: 300_000, cacheScope: 'public' } as const;

export interface ServerOptions {
  readonly era: Era;
  readonly profile: ProfileName;
  readonly waitSecondsMax: WaitSecondsMax;
  readonly callTool: CallTool;
  readonly readEvents: ReadEvents;
}

export function mcpServer(
  answers: Answers,
  watching: Watching,
  { era, profile, waitSecondsMax, callTool, readEvents }: ServerOptions,
): Server {
  const listing = listingOf(profile);
  const server = new Server(serverInfo, {
    capabilities: {
      tools: { listChanged: false },
      prompts: { listChanged: false },
      resources: { subscribe: true, listChanged: true },
      ...(era === 'modern' && { extensions: { [tasksExtension]: {} } }),
    },
    instructions: listing.instructions,
    supportedProtocolVersions: legacyRevisions,
    cacheHints: {
      'tools/list': unchanging,
      'prompts/list': unchanging,
      'resources/templates/list': unchanging,
      'server/discover': unchanging,
    },
  });
  /** How a request calls tools, none of which waits. */
  const callFor =
    ({ signal }: ServerContext['mcpReq']) =>
    async (name: string, args: object): Promise<object | TurnedDown> =>
      (await callTool(name, args, { signal, onWait: null, waitSecondsMax: 0 })).answer;
  server.setRequestHandler('tools/list', (_, { mcpReq }) =>
    era === 'modern' && declaresTasks(mcpReq.envelope)
      ? { tools: listing.handingTools, cacheScope: 'private' }
      : { tools: toolsFor(listing, answers.revision) },
  );
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const { name, arguments: args = {} } = params;
    if (!listing.names.has(name)) throw unknownTool(name, listing, profile);
    const isHanded = era === 'modern' && handing.has(name) && declaresTasks(mcpReq.envelope);
    const progress = progressOf(mcpReq);
    try {
      const { answer, undelivered } = await callTool(name, patient(name, args), {
        signal: mcpReq.signal,
        onWait: progress.begin,
        waitSecondsMax: isHanded ? 0 : waitSecondsMax(clientOf(server, mcpReq)),
      });
      answers.owes(mcpReq.id, undelivered);
      if ('refused' in answer) return turnedDown(answer as TurnedDown);
      const handle = isHanded ? await handleOf(answer as { taskId: string; ended?: boolean }, callFor(mcpReq)) : null;
      if (handle !== null) return handle;
      try {
        return succeeded(name, answer, answers.revision);
      } catch (error) {
        // What cannot be written down is not delivered either.
        undelivered?.();
        throw error;
      }
    } finally {
      progress.end();
    }
  });
  if (era === 'modern') serveTasks(server, callFor, (fields) => succeeded('task_wait', fields, null));
  server.fallbackRequestHandler = async ({ method }) => {
    throw new ProtocolError(ProtocolErrorCode.MethodNotFound, `there is no method ${quoted(method)} in MCP`);
  };
  server.setRequestHandler('prompts/list', () => ({ prompts: listing.prompts }));
  server.setRequestHandler('prompts/get', ({ params }) => promptOf(listing, params.name, params.arguments ?? {}));
  server.setRequestHandler('resources/list', async (_, { mcpReq }) => ({
    resources: await listResources({ call: callFor(mcpReq), events: readEvents }),
  }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: templates }));
  server.setRequestHandler('resources/read', ({ params }, { mcpReq }) =>
    readResource(params.uri, { call: callFor(mcpReq), events: readEvents }),
  );
  server.setRequestHandler('resources/subscribe', ({ params: { uri } }) => {
    const problem = watching.open(uri, [uri]);
    if (problem !== null) throw refusal(uri, problem);
    return {};
  });
  server.setRequestHandler('resources/unsubscribe', ({ params }) => {
    watching.close(params.uri);
    return {};
  });
  // The legacy era has no way to ask for it.
  server.oninitialized = () => void watching.open(listed, [listed]);
  return server;
}

/** A model thinks for long between two calls, and its client does not call meanwhile. */
function patient(tool: string, args: Readonly<Record<string, unknown>>): object {
  const joinsAsWorker = tool === 'swarm_join' && args['assignmentId'] === undefined;
  return joinsAsWorker ? { leaseSeconds: leaseSecondsByDefault, ...args } : args;
}

const leaseSecondsByDefault = 900;

/** It has no `structuredContent`: clients of that age find the fields beside `content`. */
const unstructured = '2024-11-05';

function toolsFor({ tools }: Listing, revision: string | null): Tool[] {
  return revision === unstructured ? tools.map(({ outputSchema: _, ...rest }) => rest) : tools;
}

function succeeded(tool: string, fields: object, revision: string | null): CallToolResult {
  const content: CallToolResult['content'] = [{ type: 'text', text: JSON.stringify(fields) }];
  if (tools.get(tool)!.textOnly === true) return { content };
  return revision === unstructured ? { content, ...fields } : { content, structuredContent: fields };
}

function turnedDown({ refused, message, data }: TurnedDown): CallToolResult {
  const known = errors.get(refused);
  if (known === undefined) throw new Error(`protocol/errors.json has no ${refused}`);
  if (known.code === ProtocolErrorCode.InternalError) throw new ProtocolError(known.code, message);
  const details = JSON.stringify({ reason: refused, definite: known.definite, ...data });
  return { isError: true, content: [{ type: 'text', text: `${message}\n${known.next}\n${details}` }] };
}

function unknownTool(name: string, { names }: Listing, profile: ProfileName): ProtocolError {
  const nearest = nearestOf(name, [...names]);
  const hint = nearest === undefined ? 'tools/list shows those that there are' : `did you mean ${nearest}?`;
  const where = profile === 'all' ? '' : ` in the profile ${profile}`;
  return invalidParams(`there is no tool ${quoted(name)}${where}: ${hint}`);
}

function promptOf(
  { prompts: listed }: Listing,
  name: string,
  given: Readonly<Record<string, string>>,
): GetPromptResult {
  const prompt = listed.some((entry) => entry.name === name) ? prompts.get(name) : undefined;
  if (prompt === undefined) {
    throw invalidParams(
      `there is no prompt ${quoted(name)}: known are ${listed.map((entry) => entry.name).join(', ')}`,
    );
  }
  const missing = prompt.arguments.find((parameter) => parameter.required === true && !given[parameter.name]);
  if (missing !== undefined) throw invalidParams(`prompt ${name}: argument ${missing.name} is missing`);
  return {
    description: prompt.description,
    messages: [{ role: 'user', content: { type: 'text', text: promptText(prompt, given) } }],
  };
}

function invalidParams(message: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, message);
}

/** Modern requests say it themselves; in the legacy era `initialize` has. */
function clientOf(server: Server, { envelope }: ServerContext['mcpReq']): ClientInfo | undefined {
  const said = envelope as { readonly [CLIENT_INFO_META_KEY]?: ClientInfo } | undefined;
  return said?.[CLIENT_INFO_META_KEY] ?? server.getClientVersion();
}

function quoted(text: string): string {
  return JSON.stringify(excerpt(text));
}

/** Progress of one request, for a client that has asked for it with a token. */
function progressOf({ _meta: meta, notify }: ServerContext['mcpReq']): {
  readonly begin: ((seconds: number) => void) | null;
  end(): void;
} {
  const token = meta?.progressToken;
  if (token === undefined) return { begin: null, end: () => {} };
  let end = (): void => {};
  return {
    begin: (seconds) => {
      end = tellWhileWaiting((waited, total) => {
        const params = { progressToken: token, progress: waited, total, message: `waiting, for up to ${total} s` };
        // It may come too late, when the connection is gone.
        notify({ method: 'notifications/progress', params }).catch(() => {});
      }, seconds);
    },
    end: () => end(),
  };
}
