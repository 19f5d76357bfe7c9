/**
 * Reading what programs print, of which nothing may be taken for granted. Pure.
 */
import type { Answer, Json, Usage } from './template.ts';

export type Fields = Readonly<Record<string, unknown>>;

const nothing: Fields = {};
/** As the protocol has them. */
const tokensMax = 1e10;
const costMax = 1e9;
const deniedMax = 5;
const deniedCharsMax = 200;

export const unknownUsage: Usage = { inputTokens: null, outputTokens: null, costUsd: null };

/** An object without fields for anything that is none. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : nothing;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function tokensOf(value: unknown): number | null {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= tokensMax ? (value as number) : null;
}

export function costOf(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value <= costMax ? value : null;
}

/** Of what is known; null when nothing is. */
export function sum(parts: readonly (number | null)[]): number | null {
  return parts.reduce((total, part) => (part === null ? total : (total ?? 0) + part), null);
}

/** The objects of JSON Lines. What is none is passed over: a run that was stopped may end in half a line. */
export function jsonLines(text: string): Fields[] {
  return text.split('\n').flatMap((line) => {
    const value = line.startsWith('{') ? parsed(line) : undefined;
    return value === undefined ? [] : [fieldsOf(value)];
  });
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** An answer that is a JSON object or list, also in a fence as models like to write them, is that value; else text. */
export function resultOf(text: string): Json {
  const trimmed = text.trim();
  const isFenced = trimmed.startsWith('```') && trimmed.endsWith('```') && trimmed.includes('\n');
  const inner = isFenced ? trimmed.slice(trimmed.indexOf('\n') + 1, -3).trim() : trimmed;
  const value = inner.startsWith('{') || inner.startsWith('[') ? parsed(inner) : undefined;
  return value === undefined ? text : (value as Json);
}

/** Providers put their own error, as JSON, into the message. */
export function failed(message: string | null, usage: Usage): Answer {
  const inner = textOf(fieldsOf(fieldsOf(message === null ? null : parsed(message))['error'])['message']);
  return {
    ok: false,
    reason: 'agent_error',
    message: `has failed: ${inner ?? message ?? 'it does not say why'}`,
    usage,
  };
}

export function denied(tools: readonly string[], usage: Usage): Answer {
  const shown = [...new Set(tools)].slice(0, deniedMax).map((tool) => tool.slice(0, deniedCharsMax));
  const more = tools.length > deniedMax ? `, and ${tools.length - deniedMax} more` : '';
  return { ok: false, reason: 'permission_denied', message: `was denied ${shown.join(', ')}${more}`, usage };
}

export function unfinished(what: string, usage: Usage): Answer {
  return { ok: false, reason: 'bad_output', message: `${what}, so it has not finished`, usage };
}
