/**
 * Replays a transcript against a real server over real TCP. Beside what the transcript shows it checks what holds for
 * every message: one reply to each request, replies and events as the schemas have them, errors as `errors.json` has
 * them, and nothing that was not asked for.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { errors, events, methods, tools, validate, type ErrorSpec, type Schema } from '../../src/spec.ts';
import { connectRaw, type RawConnection } from '../server-process.ts';
import { difference, parsePattern, substitute, type Bindings, type Step, type Transcript } from './transcript.ts';

/** The server of a transcript, which may have it killed and started again. */
export interface Target {
  readonly port: () => number;
  readonly restart: () => Promise<void>;
}

interface Asked {
  readonly method: string;
  readonly params: unknown;
}

interface Connection {
  readonly raw: RawConnection;
  /** It speaks MCP, so its replies are not those of `methods/`. */
  readonly mcp: boolean;
  /** By the text of the id: requests that have not been answered. */
  readonly asked: Map<string, Asked[]>;
  /** Lines that came before a step wanted them. */
  readonly early: string[];
  /** What was sent of a line that has not ended. */
  begun: string;
}

/** Far beyond what anything here takes. */
const patienceMs = 60_000;

export async function replay(t: TestContext, { name, steps }: Transcript, target: Target): Promise<void> {
  const connections = new Map<string, Connection>();
  const bindings: Bindings = new Map();

  const connection = async (by: string): Promise<Connection> => {
    let found = connections.get(by);
    if (found === undefined) {
      const raw = await connectRaw(t, target.port());
      found = { raw, mcp: by.startsWith('mcp'), asked: new Map(), early: [], begun: '' };
      connections.set(by, found);
    }
    return found;
  };

  const perform = async (step: Step): Promise<void> => {
    switch (step.kind) {
      case 'send': {
        const to = await connection(step.by);
        const text = substitute(step.text, bindings);
        for (let i = 0; i < step.times; i += 1) {
          remember(to, text);
          to.raw.send(text);
        }
        break;
      }
      case 'expect':
        for (let i = 0; i < step.times; i += 1) await expect(await connection(step.by), step.text, bindings);
        break;
      case 'bytes': {
        const to = await connection(step.by);
        const lines = (to.begun + step.bytes.toString()).split('\n');
        to.begun = lines.pop()!;
        for (const line of lines) remember(to, line);
        to.raw.socket.write(step.bytes);
        break;
      }
      case 'half_close': {
        const to = await connection(step.by);
        remember(to, to.begun);
        to.raw.socket.end();
        break;
      }
      case 'close':
        (await connection(step.by)).raw.socket.destroy();
        connections.delete(step.by);
        break;
      case 'closed':
        await ended(await connection(step.by));
        connections.delete(step.by);
        break;
      case 'restart':
        await target.restart();
        connections.clear();
        break;
      case 'until':
        throw new Error('there is no exchange after -- until it is answered so');
    }
  };

  for (let index = 0; index < steps.length; index += 1) {
    const step = steps[index]!;
    const place = `protocol/transcripts/${name}:${step.line}`;
    try {
      if (step.kind === 'until') {
        const [asking, showing] = [steps[(index += 1)]!, steps[(index += 1)]!];
        await inTime(
          until(
            () => perform(asking),
            () => perform(showing),
          ),
        );
      } else await inTime(perform(step));
    } catch (error) {
      throw new Error(`${place}: ${(error as Error).message}`, { cause: error });
    }
  }
  for (const [by, each] of connections) {
    each.raw.socket.end();
    await inTime(ended(each)).catch((error: Error) => {
      throw new Error(`protocol/transcripts/${name}: connection ${by}: ${error.message}`);
    });
  }
}

/** The state that is waited for sends no message, so it is asked for again. */
async function until(ask: () => Promise<void>, show: () => Promise<void>): Promise<void> {
  for (const deadline = Date.now() + patienceMs; ;) {
    await ask();
    try {
      return await show();
    } catch (error) {
      if (!(error instanceof Different) || Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${patienceMs / 1000} s`)), patienceMs);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** A message came, and it is not the one shown. */
class Different extends Error {}

// ---- asking

function remember(to: Connection, text: string): void {
  let sent: unknown;
  try {
    sent = JSON.parse(text);
  } catch {
    return;
  }
  if (Array.isArray(sent)) for (const entry of sent) remember(to, JSON.stringify(entry));
  else if (typeof sent === 'object' && sent !== null)
    rememberOne(to, sent as { readonly [key: string]: unknown }, text);
}

/** Whatever has a usable id and is no response is owed a reply, be it a proper request or not. */
function rememberOne({ asked }: Connection, sent: { readonly [key: string]: unknown }, text: string): void {
  const { id, method, params } = sent;
  if (method === 'notifications/cancelled') asked.delete(JSON.stringify((params as { requestId: unknown }).requestId));
  const usable = typeof id === 'string' || typeof id === 'number' || id === null;
  if (!usable || 'result' in sent || 'error' in sent) return;
  const key = idText(text) ?? JSON.stringify(id);
  asked.set(key, [...(asked.get(key) ?? []), { method: typeof method === 'string' ? method : '', params }]);
}

/** The id as it stands there: ids come back textually unchanged. undefined: a notification, or a batch. */
function idText(text: string): string | undefined {
  return /^\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|[^\s,}]+)/.exec(text)?.[1];
}

// ---- being answered

async function expect(from: Connection, shownText: string, bindings: Bindings): Promise<void> {
  const text = substitute(shownText, bindings);
  const line = await lineLike(from, text);
  const found = difference(parsePattern(text), withoutRepetition(check(from, line), text), bindings);
  if (found !== null) throw new Different(`${found}\n  shown: ${text}\n  came:  ${line}`);
}

/** Replies may come in any order, so a reply is found by its id; events and batches by their turn. */
async function lineLike({ raw, early }: Connection, shown: string): Promise<string> {
  const wanted = kindOf(shown);
  const at = early.findIndex((line) => kindOf(line) === wanted);
  if (at !== -1) return early.splice(at, 1)[0]!;
  for (;;) {
    const line = await raw.line();
    if (line === undefined) throw new Error(`the server closed the connection instead of: ${shown}`);
    if (kindOf(line) === wanted) return line;
    early.push(line);
  }
}

function kindOf(text: string): string {
  return text.startsWith('[') ? 'batch' : (idText(text) ?? 'notification');
}

/** What holds for every line of a server, whatever it answers. */
function check({ asked, mcp }: Connection, line: string): unknown {
  const message = JSON.parse(line) as unknown;
  if (mcp) checkMcp(asked, message as Reply, idText(line));
  else if (!Array.isArray(message)) checkMessage(asked, message as Reply, idText(line));
  // The ids of a batch's entries are read anew: a transcript does not write them in an odd way.
  else for (const entry of message) checkMessage(asked, entry as Reply, JSON.stringify((entry as Reply).id));
  return message;
}

interface Reply {
  readonly jsonrpc?: unknown;
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: { readonly event?: { readonly type: string } };
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data: ErrorData };
}

interface ErrorData {
  readonly reason: string;
  readonly definite: boolean;
}

function checkMessage(asked: Connection['asked'], message: Reply, id: string | undefined): void {
  assert.equal(message.jsonrpc, '2.0');
  if (message.method !== undefined) return checkNotification(message);
  const requests = asked.get(id!);
  const request = requests?.shift() ?? null;
  if (requests?.length === 0) asked.delete(id!);
  if (request === null)
    assert.ok(message.error !== undefined && id === 'null', `nobody asked: ${JSON.stringify(message)}`);
  checkAnswer(request, message);
}

/** The official clients check the rest, in test/mcp. */
function checkMcp(asked: Connection['asked'], { method, result, error }: Reply, id: string | undefined): void {
  if (method !== undefined) return;
  const [request] = asked.get(id!) ?? [];
  assert.ok(request !== undefined, `nobody asked: ${id}`);
  asked.delete(id!);
  assert.notEqual(error?.code, -32002);
  const { structuredContent } = (result ?? {}) as { readonly structuredContent?: unknown };
  if (structuredContent !== undefined) {
    const tool = (request.params as { readonly name: string }).name;
    conforms(tools.get(tool)!.output, structuredContent, tool);
  }
}

function checkNotification({ method, params }: Reply): void {
  const { notifications } = methods.get('subscribe')!;
  conforms(notifications![method!]!.params, params, `the notification ${method}`);
  if (method === 'event')
    assert.ok(Object.hasOwn(events, params!.event!.type), `events.json has no ${params!.event!.type}`);
}

function checkAnswer(request: Asked | null, { result, error }: Pick<Reply, 'result' | 'error'>): void {
  if (error !== undefined) return checkError(request, error);
  const { method, params } = request!;
  conforms(methods.get(method)!.output, result, method);
  if (method === 'tools/call') checkToolResult((params as { name: string }).name, result as ToolResult);
  if (method === 'batch') {
    for (const [index, entry] of (result as Reply[]).entries()) checkAnswer((params as Asked[])[index]!, entry);
  }
}

interface ToolResult {
  readonly content: readonly [{ readonly text: string }];
  readonly [field: string]: unknown;
}

/** The tool's fields are there twice: flat, and as the text of `content`. */
function checkToolResult(tool: string, { content, ...fields }: ToolResult): void {
  conforms(tools.get(tool)!.output, fields, tool);
  assert.deepEqual(JSON.parse(content[0].text), fields, `the text of ${tool} is not the same as its fields`);
}

function conforms(schema: Schema, value: unknown, what: string): void {
  const problem = validate(schema, value);
  assert.equal(problem, null, `${what} is not as its schema has it: ${problem?.message}: ${JSON.stringify(value)}`);
}

/** The table says what is usual for these; where the outcome of one is not known, the reply says so. */
const sometimesIndefinite: ReadonlySet<string> = new Set([
  'batch_reply_too_large',
  'journal_failed',
  'memory_unavailable',
]);

interface ScopedError extends ErrorSpec {
  readonly scope: 'line' | 'request' | 'named';
}

function checkError(request: Asked | null, { code, message, data }: NonNullable<Reply['error']>): void {
  const known = errors.get(data.reason) as ScopedError | undefined;
  assert.ok(known !== undefined, `errors.json has no ${data.reason}`);
  assert.equal(code, known.code);
  assert.ok(
    data.definite === known.definite || (!data.definite && sometimesIndefinite.has(data.reason)),
    `${data.reason} says definite: ${data.definite}`,
  );
  assert.ok(message.length > 0);
  const tool = request?.method === 'tools/call' ? (request.params as { name?: string } | undefined)?.name : undefined;
  const declared = [methods.get(request?.method ?? ''), tools.get(tool ?? '')].flatMap((spec) => spec?.errors ?? []);
  assert.ok(
    known.scope !== 'named' || declared.includes(data.reason),
    `${tool ?? request?.method} was refused with ${data.reason}, which is not among its errors`,
  );
}

/** The `content` of a tool has been checked; a transcript shows it only to show that it is there. */
function withoutRepetition(message: unknown, shown: string): unknown {
  if (shown.includes('"content"') || typeof message !== 'object' || message === null) return message;
  if (Array.isArray(message)) return message.map((entry) => withoutRepetition(entry, shown));
  const { result, ...rest } = message as Reply;
  if (result === undefined) return message;
  if (Array.isArray(result)) return { ...rest, result: withoutRepetition(result, shown) };
  const { content: _, ...fields } = result as ToolResult;
  return { ...rest, result: fields };
}

// ---- the end

async function ended({ raw, asked, early }: Connection): Promise<void> {
  const line = early[0] ?? (await raw.line());
  assert.equal(line, undefined, `the transcript does not show: ${line}`);
  assert.deepEqual([...asked.keys()], [], 'these requests were not answered');
}
