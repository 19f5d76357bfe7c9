/**
 * Calls of tools: their types, made from those that are generated from `protocol/tools`, and what a call is on its way.
 *
 * Every call that changes something carries an idempotency key (`requestId`), the same in each attempt, so that it can
 * be repeated when its answer was lost.
 */
import { nanoid } from 'nanoid';
import { tools } from '../spec.ts';
import type { Protocol } from '../spec.types.ts';
import { now } from './deadline.ts';
import { turnedDown } from './errors.ts';

/** `taskOrchestrate` to `task_orchestrate`. */
type Snake<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : '';

type Tools = {
  [Key in keyof Protocol as Key extends `${infer Name}Arguments` ? Snake<Uncapitalize<Name>> : never]: {
    readonly arguments: Protocol[Key];
    readonly result: Key extends `${infer Name}Arguments` ? Protocol[`${Name}Result` & keyof Protocol] : never;
  };
};

export type ToolName = keyof Tools;
/** What `call` takes; to join is `Client.join`. */
export type CallableTool = Exclude<ToolName, 'swarm_join'>;
export type Arguments<T extends ToolName> = Tools[T]['arguments'];
export type Result<T extends ToolName> = Tools[T]['result'];

export interface CallOptions {
  /** The call's time, retries included; callTimeoutMs when absent. */
  readonly timeoutMs?: number;
  /** The caller waits no longer once it is aborted. What was sent may still happen. */
  readonly signal?: AbortSignal;
}

/** Arguments may be left out where none is needed. */
export type CallParameters<T extends ToolName> =
  object extends Arguments<T>
    ? [args?: Arguments<T>, options?: CallOptions]
    : [args: Arguments<T>, options?: CallOptions];

export interface ToolCall {
  /** It may be sent again when it is not known whether it happened. */
  readonly repeatable: boolean;
  /** How long the server may take to answer, on top of the usual. */
  readonly waitMs: number;
  /** What to send now. A wait goes on where an earlier attempt left it. */
  params(): { readonly name: string; readonly arguments: object };
}

/** What the server waits when a call that can wait does not say how long. */
const waitSecondsByDefault = 30;

/** @throws SkeinError invalid_arguments for swarm_join, which binds a connection to an agent. */
export function toolCall(name: string, args: object): ToolCall {
  if (name === 'swarm_join') {
    const message =
      'swarm_join makes a connection act as an agent, and those of this client are shared: use client.join';
    throw turnedDown('invalid_arguments', message);
  }
  const tool = tools.get(name);
  const known = (tool?.input['properties'] ?? {}) as Readonly<Record<string, unknown>>;
  const keyed = 'requestId' in known;
  const asked = args as { readonly requestId?: string; readonly waitSeconds?: number };
  const sent = keyed ? { ...asked, requestId: asked.requestId ?? nanoid() } : asked;
  const waitMs = 'waitSeconds' in known ? (asked.waitSeconds ?? waitSecondsByDefault) * 1000 : 0;
  const waitUntil = now() + waitMs;
  let attempts = 0;
  return {
    repeatable: keyed || tool?.annotations.readOnlyHint === true,
    waitMs,
    params: () => {
      attempts += 1;
      if (attempts === 1 || asked.waitSeconds === undefined) return { name, arguments: sent };
      const waitSeconds = Math.max(0, waitUntil - now()) / 1000;
      return { name, arguments: { ...sent, waitSeconds } };
    },
  };
}

/** The tool's fields. Beside them the plain dialect says the same again as text, for other clients. */
export function toolResult<T extends ToolName>(result: unknown): Result<T> {
  const { content: _, ...fields } = result as { readonly content: unknown };
  return fields as Result<T>;
}
