/**
 * One turn of an agent of the Agent Client Protocol, version 1: hello, a session, the prompt, and what it says, asks
 * and does until its turn has ended.
 *
 * It is offered neither files nor terminals of ours: it runs where the files are, and has its own ways to them.
 */
import type {
  CancelNotification,
  InitializeRequest,
  McpServerStdio,
  NewSessionRequest,
  PromptRequest,
  RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import type { AcpType } from '../../agent-types.ts';
import type { ErrorObject, Params, Response } from '../../wire/jsonrpc.ts';
import type { Ask, Decision } from '../approval.ts';
import type { Failure, FailureReason, Usage } from '../outcome.ts';
import { settlesWithin, type Running } from '../program.ts';
import { collectMessages } from './message-text.ts';
import {
  hasCost,
  hasLoginMethods,
  hasTitle,
  isHello,
  isPermissionRequest,
  isPlan,
  isSession,
  isTextChunk,
  isTurnEnd,
  isUpdate,
  usageOf,
  type LoginMethod,
} from './messages.ts';
import { openPeer, type Answer } from './peer.ts';
import { choose, none } from './permission.ts';

const protocolVersion = 1;
const authenticationRequired = -32000;
const methodNotFound = -32601;
const invalidParams = -32602;
/** How long an agent may take to give up its turn before it is stopped. */
const cancelMs = 2_000;
/** How many of the denied permissions a failure names. */
const denialsMax = 5;
/** Of what is shown to people as progress. */
const progressCharsMax = 200;

/** Why a turn that ends otherwise than with `end_turn` is a failure. */
const stopReasons: Readonly<Record<string, { readonly reason: FailureReason; readonly message: string }>> = {
  refusal: { reason: 'refusal', message: 'refused to go on' },
  max_tokens: { reason: 'max_tokens', message: 'stopped at its limit of tokens, before it had finished' },
  max_turn_requests: {
    reason: 'max_turn_requests',
    message: 'stopped at its limit of requests to its model, before it had finished',
  },
  cancelled: { reason: 'turn_cancelled', message: 'gave up its turn, and nobody here had cancelled it' },
};

export interface TurnOptions {
  readonly type: Pick<AcpType, 'cwd' | 'maxOutputBytes' | 'permissions'>;
  readonly prompt: string;
  readonly mcpServers: readonly McpServerStdio[];
  readonly ask: Ask;
  /** What the agent is doing, in a few words: each time that it says so. */
  readonly onProgress: (text: string) => void;
}

/** Messages of failures continue a sentence that begins with the program's name. */
export type TurnResult = { readonly ok: true; readonly text: string } | ({ readonly ok: false } & Failure);

export interface Turn {
  /** Resolves when the turn has ended; never when the program ends before, or is stopped. */
  readonly ended: Promise<TurnResult>;
  /** What the agent has told so far of what it used. */
  usage(): Usage | undefined;
  /** Asks the agent to give up the turn. Resolves when it has, or `cancelMs` later. */
  cancel(): Promise<void>;
}

export function takeTurn(
  { type, prompt, mcpServers, ask, onProgress }: TurnOptions,
  { stdin, stdout, env, stop, pause }: Omit<Running, 'release'>,
): Turn {
  const messages = collectMessages(type.maxOutputBytes);
  const denied = new Set<string>();
  let sessionId: string | undefined;
  let usedTools = false;
  let costUsd: number | null = null;
  let answer: unknown;
  let over = false;
  const givingUp = new AbortController();

  let doing = '';
  const tell = (text: string): void => {
    const now = shortened(text);
    if (now !== doing) onProgress(now);
    doing = now;
  };

  const breakOff = (reason: FailureReason, message: string): void => {
    over = true;
    peer.close();
    stop(reason, `${message}, and was stopped`);
  };

  const onNotification = (method: string, params: Params | undefined): void => {
    if (method !== 'session/update' || !isUpdate(params) || params.sessionId !== sessionId) return;
    const { update } = params;
    switch (update.sessionUpdate) {
      case 'agent_message_chunk':
        if (!isTextChunk(update) || messages.add(update.content.text, update.messageId ?? null)) return;
        return breakOff('output_too_large', `said more than ${type.maxOutputBytes} bytes`);
      case 'tool_call':
        usedTools = true;
        messages.endMessage();
        if (hasTitle(update)) tell(update.title);
        return;
      case 'tool_call_update':
        if (hasTitle(update)) tell(update.title);
        return;
      case 'plan': {
        if (!isPlan(update)) return;
        const done = update.entries.filter(({ status }) => status === 'completed').length;
        const current = update.entries.find(({ status }) => status === 'in_progress');
        return tell(`${done} of ${update.entries.length} done${current === undefined ? '' : `: ${current.content}`}`);
      }
      case 'usage_update':
        if (hasCost(update)) costUsd = update.cost.amount;
    }
  };

  const decide = async (title: string, input: Readonly<Record<string, unknown>>): Promise<Decision> => {
    if (type.permissions === 'allow') return { allow: true };
    if (type.permissions === 'deny') return { allow: false, message: 'permissions: deny' };
    const resume = pause();
    try {
      return await ask(title, input, givingUp.signal);
    } finally {
      resume();
    }
  };

  const onRequest = async (method: string, params: Params | undefined): Promise<Answer> => {
    if (method !== 'session/request_permission') {
      return { error: { code: methodNotFound, message: `this client has no method ${method}` } };
    }
    if (!isPermissionRequest(params)) {
      return { error: { code: invalidParams, message: 'params must have toolCall and a list of options' } };
    }
    const { title, toolCallId: _id, _meta, ...input } = params.toolCall;
    const tool = shortened(title || 'a tool without a title');
    const decision = await decide(tool, input);
    if (givingUp.signal.aborted) return { result: { outcome: none } satisfies RequestPermissionResponse };
    const outcome = choose(params.options, decision.allow ? 'allow' : 'deny');
    if (!decision.allow) denied.add(`${tool}: ${decision.message}`);
    else if (outcome === none) denied.add(`${tool}: it offered no answer that allows it`);
    return { result: { outcome } satisfies RequestPermissionResponse };
  };

  const peer = openPeer(stdin, stdout, {
    onRequest,
    onNotification,
    onBroken: (message) => breakOff('bad_output', message),
  });

  const openSession = (): Promise<Response> =>
    peer.request('session/new', {
      cwd: type.cwd,
      mcpServers: [...mcpServers],
    } satisfies NewSessionRequest);

  const converse = async (): Promise<TurnResult> => {
    const hello = await peer.request('initialize', {
      protocolVersion,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    } satisfies InitializeRequest);
    if (hello.error !== undefined) return errorOf('initialize', hello.error, []);
    if (!isHello(hello.result)) return odd('initialize', 'protocolVersion');
    if (hello.result.protocolVersion !== protocolVersion) {
      const found = hello.result.protocolVersion;
      return bad(`speaks version ${found} of the Agent Client Protocol; this worker speaks ${protocolVersion}`);
    }
    const logins = hasLoginMethods(hello.result) ? hello.result.authMethods : [];

    let session = await openSession();
    const login = loginByVariable(logins, env);
    if (session.error?.code === authenticationRequired && login !== undefined) {
      const loggedIn = await peer.request('authenticate', { methodId: login.id });
      if (loggedIn.error !== undefined) return errorOf('authenticate', loggedIn.error, logins);
      session = await openSession();
    }
    if (session.error !== undefined) return errorOf('session/new', session.error, logins);
    if (!isSession(session.result)) return odd('session/new', 'sessionId');
    ({ sessionId } = session.result);

    const end = await peer.request('session/prompt', {
      sessionId,
      prompt: [{ type: 'text', text: prompt }],
    } satisfies PromptRequest);
    over = true;
    if (end.error !== undefined) return errorOf('session/prompt', end.error, logins);
    if (!isTurnEnd(end.result)) return odd('session/prompt', 'stopReason');
    answer = end.result;
    return judge(end.result.stopReason);
  };

  const judge = (stopReason: string): TurnResult => {
    if (denied.size > 0) return { ok: false, reason: 'permission_denied', message: denial(denied) };
    if (stopReason !== 'end_turn') {
      const known = Object.hasOwn(stopReasons, stopReason) ? stopReasons[stopReason] : undefined;
      return known === undefined
        ? bad(`ended its turn with the unknown reason ${stopReason}`)
        : { ok: false, ...known };
    }
    const text = messages.last();
    if (text === '' && !usedTools) return bad('ended its turn without an answer: it said nothing and used no tool');
    return { ok: true, text };
  };

  const ended = converse();
  return {
    ended,
    usage: () => usageOf(answer, costUsd),
    async cancel() {
      if (sessionId === undefined || over) return;
      givingUp.abort();
      peer.notify('session/cancel', { sessionId } satisfies CancelNotification);
      await settlesWithin(ended, cancelMs);
    },
  };
}

/** One for which everything that it needs is there. */
function loginByVariable(logins: readonly LoginMethod[], env: Running['env']): LoginMethod | undefined {
  return logins.find(({ type, vars }) => type === 'env_var' && vars?.every(({ name }) => env[name] !== undefined));
}

function errorOf(method: string, error: ErrorObject, logins: readonly LoginMethod[]): TurnResult {
  const said = `${shortened(error.message)}${error.data === undefined ? '' : ` (${shortened(JSON.stringify(error.data))})`}`;
  if (error.code !== authenticationRequired) {
    return { ok: false, reason: 'agent_error', message: `answered ${method} with error ${error.code}: ${said}` };
  }
  const ways = logins.map(({ name, vars = [] }) => {
    return vars.length === 0 ? name : `${name} (${vars.map((variable) => variable.name).join(', ')})`;
  });
  const known = ways.length === 0 ? '' : `; it knows: ${ways.join(', ')}`;
  return {
    ok: false,
    reason: 'authentication_required',
    message:
      `wants a login: ${said}${known}. Log in with its own command line as the user that runs the worker, ` +
      `or name the variable that holds its key in env of skein.yaml`,
  };
}

function denial(denied: ReadonlySet<string>): string {
  const what = [...denied].slice(0, denialsMax).map(shortened).join('; ');
  return (
    `was denied permission (${what}): permissions: allow in skein.yaml gives it, ask lets a person decide, ` +
    `and what the agent's own settings allow it does not ask for`
  );
}

function odd(method: string, member: string): TurnResult {
  return bad(`answered ${method} without a ${member}`);
}

function bad(message: string): TurnResult {
  return { ok: false, reason: 'bad_output', message };
}

function shortened(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length > progressCharsMax ? `${line.slice(0, progressCharsMax)}...` : line;
}
