/**
 * What every memory bank decides alike: which addresses are valid, what fits a quota, and how refusals read.
 *
 * An invalid address is the caller's to refuse: the tools ask the `*Fault` functions, the banks throw.
 */
import { Buffer } from 'node:buffer';
import { refuse, type Refusal } from '../core/refusal.ts';
import type { Address, BankLimits, ListQuery, Usage } from './bank.ts';

export const swarmIdBytesMax = 128;
export const namespaceBytesMax = 128;
export const keyBytesMax = 512;
export const requestIdBytesMax = 512;
export const listEntriesMax = 1_000;
/** A hundred years. */
export const ttlMsMax = 100 * 365 * 24 * 3_600_000;

/** What is wrong with the address, or null. */
export function addressFault(at: Address): string | null {
  return (
    swarmIdFault(at.swarmId) ??
    textFault('namespace', at.namespace, 0, namespaceBytesMax) ??
    textFault('key', at.key, 1, keyBytesMax)
  );
}

export function swarmIdFault(swarmId: string): string | null {
  return textFault('swarmId', swarmId, 1, swarmIdBytesMax);
}

export function requestIdFault(requestId: string): string | null {
  return textFault('requestId', requestId, 1, requestIdBytesMax);
}

export function listFault(swarmId: string, namespace: string, query: ListQuery): string | null {
  const { prefix, limit, cursor } = query;
  return (
    swarmIdFault(swarmId) ??
    textFault('namespace', namespace, 0, namespaceBytesMax) ??
    textFault('prefix', prefix, 0, keyBytesMax) ??
    (cursor === undefined ? null : textFault('cursor', cursor, 1, keyBytesMax)) ??
    (cursor === undefined || cursor.startsWith(prefix) ? null : 'cursor belongs to a list with another prefix') ??
    (Number.isInteger(limit) && limit >= 1 && limit <= listEntriesMax
      ? null
      : `limit must be an integer from 1 to ${listEntriesMax}, not ${limit}`)
  );
}

export function ttlFault(ttlMs: number): string | null {
  return Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ttlMsMax
    ? null
    : `ttlMs must be an integer from 1 to ${ttlMsMax}, not ${ttlMs}`;
}

export function assertValid(fault: string | null): void {
  if (fault !== null) throw new RangeError(fault);
}

// Half of a surrogate pair has no UTF-8: two such keys would be stored as one.
const unpairedSurrogate = /\p{Surrogate}/u;

function textFault(what: string, text: string, bytesMin: number, bytesMax: number): string | null {
  const bytes = Buffer.byteLength(text);
  if (bytes < bytesMin) return `${what} must not be empty`;
  if (bytes > bytesMax) return `${what} must be at most ${bytesMax} bytes of UTF-8, not ${bytes}`;
  if (unpairedSurrogate.test(text)) return `${what} must be well-formed Unicode, without unpaired surrogates`;
  return null;
}

/** Whether usage may become `next`. What does not grow always may, so that a swarm over a lowered limit can shrink. */
export function fits(next: Usage, held: Usage, limits: BankLimits): boolean {
  return (
    (next.keys <= limits.memoryKeysMax || next.keys <= held.keys) &&
    (next.bytes <= limits.memoryBytesMax || next.bytes <= held.bytes)
  );
}

/** `current` 0: the key holds no live value. */
export function versionConflict(at: Address, expected: number, current: number): Refusal {
  const is = current === 0 ? 'it holds no value' : `its version is ${current}`;
  const wanted = expected === 0 ? 'ifVersion 0 stores only where there is none' : `ifVersion is ${expected}`;
  return refuse(
    'memory_version_conflict',
    `${place(at)} was not changed: ${is}, and ${wanted}. Retrieve it, and repeat with the version that you then see.`,
    { expectedVersion: expected, currentVersion: current },
  );
}

export function quotaExceeded(at: Address, bytes: number, held: Usage, limits: BankLimits): Refusal {
  const { memoryKeysMax, memoryBytesMax } = limits;
  return refuse(
    'memory_quota',
    `${place(at)} was not stored: its ${bytes} bytes (key and value) do not fit. Swarm ${at.swarmId} holds ` +
      `${held.keys} of ${memoryKeysMax} keys and ${held.bytes} of ${memoryBytesMax} bytes. ` +
      'Delete what is no longer needed, store with a ttl, or raise the limits.',
    { keys: held.keys, bytes: held.bytes, memoryKeysMax, memoryBytesMax, bytesAsked: bytes },
  );
}

export function requestIdReused(at: Address, requestId: string): Refusal {
  return refuse(
    'request_id_reused',
    `${place(at)} was not changed: requestId ${JSON.stringify(requestId)} was used for something else. ` +
      'Use a new one for each change, and the same one only to repeat that change.',
    { requestId },
  );
}

/** `definite` false: the change may have happened. */
export function unavailable(why: string, definite: boolean, retryAfterMs?: number): Refusal {
  const outcome = definite ? 'Nothing was changed.' : 'The change may or may not have happened.';
  return refuse('memory_unavailable', `The memory bank is unavailable: ${why}. ${outcome}`, {
    definite,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function place(at: Address): string {
  const key = `Key ${JSON.stringify(at.key)}`;
  return at.namespace === '' ? key : `${key} in namespace ${JSON.stringify(at.namespace)}`;
}
