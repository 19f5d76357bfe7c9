/**
 * What of an agent's messages is read, as schemas: the rest of them is its own business. Pure.
 *
 * The names are those of version 1 of the Agent Client Protocol, and of what agents send beside it: `usage` in the
 * answer to a prompt, which the protocol calls unstable; Gemini CLI's token counts in `_meta`; and the logins of codex-acp
 * that need nothing but an environment variable.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Usage } from '../../templates/index.ts';

export interface LoginMethod {
  readonly id: string;
  readonly name: string;
  readonly type?: string;
  readonly vars?: readonly { readonly name: string }[];
}

export interface PermissionOption {
  readonly optionId: string;
  readonly kind: string;
}

export interface PermissionRequest {
  readonly options: readonly PermissionOption[];
  readonly toolCall: { readonly title?: string | null; readonly [member: string]: unknown };
}

interface TokenCounts {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedReadTokens?: number | null;
  readonly cachedWriteTokens?: number | null;
  readonly thoughtTokens?: number | null;
}

const ajv = new Ajv2020({ strict: false });

const text = { type: 'string' };
const number = { type: 'number', minimum: 0, maximum: 1e9 };
const count = { type: 'integer', minimum: 0, maximum: 1e9 };
const maybeCount = { type: ['integer', 'null'], minimum: 0, maximum: 1e9 };
const maybeText = { type: ['string', 'null'] };
const list = (items: object) => ({ type: 'array', items });

/** Of these properties those with a `?` may be absent. */
function object(properties: Readonly<Record<string, object>>): object {
  const entries = Object.entries(properties).map(([name, schema]) => [name.replace('?', ''), schema] as const);
  const required = Object.keys(properties).filter((name) => !name.endsWith('?'));
  return { type: 'object', properties: Object.fromEntries(entries), required };
}

const loginMethod = object({ id: text, name: text, 'type?': text, 'vars?': list(object({ name: text })) });

export const isHello = ajv.compile<{ readonly protocolVersion: number }>(object({ protocolVersion: count }));

export const hasLoginMethods = ajv.compile<{ readonly authMethods: readonly LoginMethod[] }>(
  object({ authMethods: list(loginMethod) }),
);

export const isSession = ajv.compile<{ readonly sessionId: string }>(object({ sessionId: text }));

export const isTurnEnd = ajv.compile<{ readonly stopReason: string }>(object({ stopReason: text }));

export const isPermissionRequest = ajv.compile<PermissionRequest>(
  object({ options: list(object({ optionId: text, kind: text })), toolCall: object({ 'title?': maybeText }) }),
);

export const isUpdate = ajv.compile<{
  readonly sessionId: string;
  readonly update: { readonly sessionUpdate: string };
}>(object({ sessionId: text, update: object({ sessionUpdate: text }) }));

export const isTextChunk = ajv.compile<{
  readonly content: { readonly text: string };
  readonly messageId?: string | null;
}>(object({ content: object({ type: { const: 'text' }, text }), 'messageId?': maybeText }));

export const hasTitle = ajv.compile<{ readonly title: string }>(object({ title: text }));

export const isPlan = ajv.compile<{
  readonly entries: readonly { readonly content: string; readonly status: string }[];
}>(object({ entries: list(object({ content: text, status: text })) }));

export const hasCost = ajv.compile<{ readonly cost: { readonly amount: number } }>(
  object({ cost: object({ amount: number, currency: { const: 'USD' } }) }),
);

const hasTokenCounts = ajv.compile<{ readonly usage: TokenCounts }>(
  object({
    usage: object({
      inputTokens: count,
      outputTokens: count,
      'cachedReadTokens?': maybeCount,
      'cachedWriteTokens?': maybeCount,
      'thoughtTokens?': maybeCount,
    }),
  }),
);

const hasGeminiTokenCounts = ajv.compile<{
  readonly _meta: {
    readonly quota: { readonly token_count: { readonly input_tokens: number; readonly output_tokens: number } };
  };
}>(
  object({ _meta: object({ quota: object({ token_count: object({ input_tokens: count, output_tokens: count }) }) }) }),
);

/** Of an answer to a prompt, and the cost that was told before; null when the agent told nothing. */
export function usageOf(answer: unknown, costUsd: number | null): Usage | null {
  if (hasTokenCounts(answer)) {
    const { inputTokens, outputTokens, cachedReadTokens, cachedWriteTokens, thoughtTokens } = answer.usage;
    // The protocol counts what came from a cache, and thoughts, apart.
    const input = inputTokens + (cachedReadTokens ?? 0) + (cachedWriteTokens ?? 0);
    return measured(input, outputTokens + (thoughtTokens ?? 0), costUsd);
  }
  if (hasGeminiTokenCounts(answer)) {
    const { input_tokens: inputTokens, output_tokens: outputTokens } = answer._meta.quota.token_count;
    return measured(inputTokens, outputTokens, costUsd);
  }
  return costUsd === null ? null : { inputTokens: null, outputTokens: null, costUsd };
}

/** No turn takes no tokens: opencode says so of one that it gave up. */
function measured(inputTokens: number, outputTokens: number, costUsd: number | null): Usage {
  const none = inputTokens + outputTokens === 0;
  return { inputTokens: none ? null : inputTokens, outputTokens: none ? null : outputTokens, costUsd };
}
