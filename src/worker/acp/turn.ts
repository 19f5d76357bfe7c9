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
} from '@agentclientprotocol/sdk';
import type { AcpType } from '../../agent-types.ts';
import type { Usage } from '../../templates/index.ts';
import type { ErrorObject, Response } from '../../wire/jsonrpc.ts';
import type { Ask } from '../approval.ts';
import type { Failure, FailureReason } from '../outcome.ts';
import { settlesWithin, type Running } from '../program.ts';
import { hasLoginMethods, isHello, isSession, isTurnEnd, usageOf, type LoginMethod } from './messages.ts';
import { openPeer } from './peer.ts';
import { permission } from './permission.ts';
import { shortened } from './shortened.ts';
import { follow, type Telling } from './telling.ts';

const protocolVersion = 1;
const authenticationRequired = -32000;
const methodNotFound = -32601;
/** How long an agent may take to give up its turn before it is stopped. */
const cancelMs = 2_000;

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
  /** The program's. */
  readonly env: NodeJS.ProcessEnv;
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
  usage(): Usage | null;
  /** Asks the agent to give up the turn. Resolves when it has, or `cancelMs` later. */
  cancel(): Promise<void>;
}

export function takeTurn(
  { type, env, prompt, mcpServers, ask, onProgress }: TurnOptions,
  { stdin, stdout, stop, pause }: Omit<Running, 'release'>,
): Turn {
  const asking = permission({ policy: type.permissions, hasOwnTools: mcpServers.length > 0, ask, pause });
  let sessionId: string | undefined;
  let telling: Telling | undefined;
  let answer: unknown;
  let over = false;

  const breakOff = (reason: FailureReason, message: string): void => {
    over = true;
    peer.close();
    stop(reason, `${message}, and was stopped`);
  };
  const peer = openPeer(stdin, stdout, {
    onRequest(method, params) {
      if (method === 'session/request_permission') return asking.answer(params);
      return { error: { code: methodNotFound, message: `this client has no method ${method}` } };
    },
    onNotification(method, params) {
      if (method !== 'session/update' || telling?.hear(params) !== false) return;
      breakOff('output_too_large', `said more than ${type.maxOutputBytes} bytes`);
    },
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
    telling = follow(sessionId, type.maxOutputBytes, onProgress);

    const end = await peer.request('session/prompt', {
      sessionId,
      prompt: [{ type: 'text', text: prompt }],
    } satisfies PromptRequest);
    over = true;
    if (end.error !== undefined) return errorOf('session/prompt', end.error, logins);
    if (!isTurnEnd(end.result)) return odd('session/prompt', 'stopReason');
    answer = end.result;
    return resultOf(end.result.stopReason, telling.answer(), asking.denial());
  };

  const ended = converse();
  return {
    ended,
    usage: () => usageOf(answer, telling?.costUsd() ?? null),
    async cancel() {
      if (sessionId === undefined || over) return;
      asking.giveUp();
      peer.notify('session/cancel', { sessionId } satisfies CancelNotification);
      await settlesWithin(ended, cancelMs);
    },
  };
}

function resultOf(stopReason: string, text: string | null, denial: string | null): TurnResult {
  if (denial !== null) {
    const remedy =
      `permissions: allow in skein.yaml gives it, ask lets a person decide, ` +
      `and what the agent's own settings allow it does not ask for`;
    return { ok: false, reason: 'permission_denied', message: `was denied permission (${denial}): ${remedy}` };
  }
  if (stopReason !== 'end_turn') {
    const known = Object.hasOwn(stopReasons, stopReason) ? stopReasons[stopReason] : undefined;
    return known === undefined ? bad(`ended its turn with the unknown reason ${stopReason}`) : { ok: false, ...known };
  }
  if (text === null) return bad('ended its turn without an answer: it said nothing and used no tool');
  return { ok: true, text };
}

/** One for which everything that it needs is there. */
function loginByVariable(logins: readonly LoginMethod[], env: NodeJS.ProcessEnv): LoginMethod | undefined {
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

function odd(method: string, member: string): TurnResult {
  return bad(`answered ${method} without a ${member}`);
}

function bad(message: string): TurnResult {
  return { ok: false, reason: 'bad_output', message };
}
