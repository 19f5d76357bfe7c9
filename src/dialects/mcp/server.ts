/**
 * An instance of the MCP library for one connection: tools, prompts and resources.
 *
 * What a tool turns down is a result that says so (`isError`), since models see results and not protocol errors; it says
 * what to do next. Protocol errors are left for what a model cannot mend: a tool that there is not, a bug of ours.
 */
import {
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type CallToolResult,
  type GetPromptResult,
  type ServerContext,
  type Tool,
} from '@modelcontextprotocol/server';
import { errors, nearestOf, prompts, tools, version, type ProfileName } from '../../spec.ts';
import type { TurnedDown } from '../dialect.ts';
import type { Channel } from './channel.ts';
import { listingOf, promptText, type Listing } from './listing.ts';
import { tellWhileWaiting } from './progress.ts';
import { listResources, reader, readResource, refusal, templates } from './resources.ts';
import type { Watching } from './watching.ts';

/** How tools are called, whatever the dialect. */
export type CallTool = (
  name: string,
  args: object,
  by: {
    /** Aborted when nobody waits for the answer any more. */
    readonly signal: AbortSignal;
    /** Called when the call begins to wait for something to happen. */
    readonly onWait: ((seconds: number) => void) | null;
  },
) => Promise<{ readonly answer: object | TurnedDown; readonly undelivered: (() => void) | null }>;

/** Newest first: what is offered to a client that asks for another one. */
export const legacyRevisions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

/** What is listed does not change while the server runs. */
const unchanging = { ttlMs: 300_000, cacheScope: 'public' } as const;

export function mcpServer(channel: Channel, watching: Watching, profile: ProfileName, callTool: CallTool): Server {
  const listing = listingOf(profile);
  const server = new Server(
    { name: 'skein', title: 'skein', version },
    {
      capabilities: { tools: {}, prompts: {}, resources: { subscribe: true } },
      instructions: listing.instructions,
      supportedProtocolVersions: legacyRevisions,
      cacheHints: {
        'tools/list': unchanging,
        'prompts/list': unchanging,
        'resources/templates/list': unchanging,
        'server/discover': unchanging,
      },
    },
  );
  server.setRequestHandler('tools/list', () => ({ tools: toolsFor(listing, channel.revision) }));
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const { name, arguments: args = {} } = params;
    if (!listing.names.has(name)) throw unknownTool(name, listing, profile);
    const progress = progressOf(mcpReq);
    try {
      const { answer, undelivered } = await callTool(name, args, { signal: mcpReq.signal, onWait: progress.begin });
      channel.owes(mcpReq.id, undelivered);
      if ('refused' in answer) return turnedDown(answer as TurnedDown);
      try {
        return succeeded(name, answer, channel.revision);
      } catch (error) {
        // What cannot be written down is not delivered either.
        undelivered?.();
        throw error;
      }
    } finally {
      progress.end();
    }
  });
  server.fallbackRequestHandler = async ({ method }) => {
    throw new ProtocolError(ProtocolErrorCode.MethodNotFound, `there is no method ${quoted(method)} in MCP`);
  };
  server.setRequestHandler('prompts/list', () => ({ prompts: listing.prompts }));
  server.setRequestHandler('prompts/get', ({ params }) => promptOf(listing, params.name, params.arguments ?? {}));
  server.setRequestHandler('resources/list', async (_, { mcpReq }) => ({
    resources: await listResources(reader(callTool, mcpReq.signal)),
  }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: templates }));
  server.setRequestHandler('resources/read', ({ params }, { mcpReq }) =>
    readResource(params.uri, reader(callTool, mcpReq.signal)),
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
  return server;
}

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

/** A client's own words, short enough to be repeated to it. */
function quoted(text: string): string {
  return JSON.stringify(text.length <= 64 ? text : `${text.slice(0, 64)}...`);
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
