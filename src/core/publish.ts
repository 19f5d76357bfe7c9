/**
 * An event as subscribers see it: without its secrets, with the values of users that are small enough to be in it.
 */
import type { Event, PhasePlan } from './event.ts';

export interface PublicEvent {
  readonly swarmId: string;
  readonly version: number;
  readonly type: string;
  readonly at: string;
  readonly [field: string]: unknown;
}

/** Whoever reads events must not be able to act as somebody else. */
const secrets: ReadonlySet<string> = new Set(['joinToken', 'resumeToken', 'leaseToken']);
/** The journal's own affairs; an answer to a request may hold secrets, too. */
const internal: ReadonlySet<string> = new Set(['v', 'at', 'type', 'blobs', 'answer', 'fingerprint', 'forgetBefore']);

export function publish(swarmId: string, version: number, event: Event): PublicEvent {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event)) {
    if (secrets.has(name) || internal.has(name)) continue;
    fields[name] = showPayloads(name, value);
  }
  return { ...fields, swarmId, version, type: event.type, at: new Date(event.at).toISOString() };
}

function showPayloads(name: string, value: unknown): unknown {
  if (name === 'input' || name === 'result' || name === 'body') return shown(value);
  if (name !== 'phases') return value;
  return (value as readonly PhasePlan[]).map((phase) => ({
    ...phase,
    input: shown(phase.input),
    ...(phase.items !== undefined && { items: phase.items.map(shown) }),
  }));
}

/** A value that lives beside the journal is named by its size; `task_results` has it whole. */
function shown(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null) return payload;
  return 'json' in payload ? payload.json : { tooLarge: true, bytes: (payload as { bytes?: number }).bytes };
}
