/**
 * A language model on loopback that says what a test tells it to, in the words of each vendor's endpoint.
 *
 * What it says is a function of the conversation so far, as with a real one: it does not matter who asks or how often, and
 * several agents can talk to it at once. A function that does not resolve is a model that thinks for ever.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { anthropic } from './anthropic.ts';
import { gemini } from './gemini.ts';
import { openai } from './openai.ts';

export interface Conversation {
  /** What users have said. */
  readonly prompt: string;
  /** The names of the tools that the agent offers, unless only programs can find them. */
  readonly tools: readonly string[] | 'found by programs';
  /** What each call of a tool has returned, in order. */
  readonly results: readonly string[];
}

/** What the model says: a text, which ends its turn, or the call of a tool, which need not be named in full. */
export type Answer =
  | { readonly text: string }
  | { readonly tool: string; readonly args: Readonly<Record<string, unknown>> }
  | { readonly error: string };

export type Model = (conversation: Conversation) => Answer | Promise<Answer>;

/** What each answer uses. */
export const tokens = { input: 1000, output: 100 };

/** Server-sent events, or one JSON value for who does not want a stream. */
export type Body = { readonly events: readonly object[] } | { readonly json: object };

/** How requests of a vendor's agents are read and answered. Only what its agent uses is here. */
export interface Wire {
  readonly path: RegExp;
  readonly read: (request: any) => Conversation;
  readonly write: (answer: Exclude<Answer, { error: string }>, request: any, path: string) => Body;
}

/** Resolves with its address; the test ends it. */
export async function startModel(t: TestContext, model: Model): Promise<string> {
  const server = createServer((request, response) => {
    // What does not fit is a mistake of the test. Agents would try a 500 again for minutes.
    answer(model, request, response).catch((error: Error) => sendJson(response, 400, refusal(String(error.stack))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function answer(model: Model, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url!.split('?')[0]!;
  const wire = [anthropic, openai, gemini].find((of) => of.path.test(path));
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (wire === undefined || request.method !== 'POST') return sendJson(response, 404, refusal(path));

  const body = JSON.parse(Buffer.concat(chunks).toString());
  const conversation = wire.read(body);
  // Who offers no tools is not at work: it asks for a title of the conversation.
  const said = conversation.tools.length === 0 ? { text: 'A title' } : await model(conversation);
  if ('error' in said) return sendJson(response, 400, refusal(said.error));

  const written = wire.write('tool' in said ? inFull(said, conversation) : said, body, path);
  if ('json' in written) return sendJson(response, 200, written.json);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of written.events) {
    const name = 'type' in event ? `event: ${event.type}\n` : '';
    response.write(`${name}data: ${JSON.stringify(event)}\n\n`);
  }
  response.end();
}

/** An error as all of them understand it. */
const refusal = (message: string): object => ({ type: 'error', error: { code: 400, message } });

/** Each agent has its own way to say that swarm_join is a tool of the MCP server skein. */
function inFull<Call extends { readonly tool: string }>(call: Call, { tools }: Conversation): Call {
  if (tools === 'found by programs') return call;
  const name = tools.find((each) => each === call.tool) ?? tools.find((each) => each.endsWith(call.tool));
  if (name === undefined) throw new Error(`there is no tool ${call.tool} among ${tools.join(', ')}`);
  return { ...call, tool: name };
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
