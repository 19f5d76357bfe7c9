/**
 * Ballots: the comparable part of a result. Pure functions of values, which know nothing of swarms.
 */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { isObject, type Json, type JsonObject } from './json.ts';
import type { Ballot } from './state.ts';

/** The package's types describe an ES module, which it is not. */
const canonicalJson = canonicalize as unknown as (value: Json) => string;

/** Longer keys are replaced by their digest: they need to be comparable, not readable. */
const ballotKeyMax = 512;

/**
 * The comparable part of a result, the first that applies: the vote given with it (or as its member `vote`); what
 * `voteKey` points to; the canonical JSON (RFC 8785) of the result; for plain text its normal form. null: an
 * abstention, when there is nothing at `voteKey`.
 */
export function ballotOf(result: Json, vote: Json | undefined, voteKey: string | null): Ballot | null {
  const explicit = vote ?? (isObject(result) ? result['vote'] : undefined);
  if (explicit !== undefined) return { key: ballotKey(explicit), source: 'vote' };
  if (voteKey !== null) {
    const found = at(result, voteKey);
    return found === undefined ? null : { key: ballotKey(found), source: 'voteKey' };
  }
  return { key: ballotKey(result), source: typeof result === 'string' ? 'text' : 'json' };
}

/** What a JSON pointer (RFC 6901) points to: only what was in the JSON, and nothing that objects have by nature. */
function at(value: Json, pointer: string): Json | undefined {
  let found: Json | undefined = value;
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    if (Array.isArray(found) && name === 'length') return undefined;
    found = (found as JsonObject)[name];
  }
  return found;
}

/** A part of a result, null where there is nothing; worked out when the reply is written and all of it is there. */
export function partOf(result: unknown, pointer: string): { toJSON(): Json } {
  return { toJSON: () => at(JSON.parse(JSON.stringify(result)) as Json, pointer) ?? null };
}

function ballotKey(value: Json): string {
  const key = typeof value === 'string' ? normalText(value) : canonicalJson(value);
  return key.length <= ballotKeyMax ? key : `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/** NFC, white space collapsed, lower case. Different prose never merges any further than this. */
function normalText(text: string): string {
  return text.normalize('NFC').replace(/\s+/gu, ' ').trim().toLowerCase();
}
