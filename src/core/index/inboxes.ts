/** Which blobs messages share, and when the first of an inbox expires. */
import { agentClosedAt, type Agent, type Message, type Payload, type State } from '../state.ts';
import type { TimerSubject } from './indexes.ts';
import { setTimer } from './timers.ts';

export function messageStored(state: State, agent: Agent, { body, expiresAt }: Message): void {
  const { inboxBlobs, timerOf } = state.indexes;
  if ('blob' in body) inboxBlobs.set(body.blob, (inboxBlobs.get(body.blob) ?? 0) + 1);
  if (expiresAt === undefined || agentClosedAt(agent) !== null) return;
  const timer = inboxTimer(agent);
  setTimer(state, timer, Math.min(expiresAt, timerOf.get(timer.id)?.due ?? Infinity));
}

export function messagesRemoved(state: State, agent: Agent, removed: readonly Message[]): void {
  const { inboxBlobs } = state.indexes;
  for (const { body } of removed) {
    if (!('blob' in body)) continue;
    const left = inboxBlobs.get(body.blob)! - 1;
    if (left === 0) inboxBlobs.delete(body.blob);
    else inboxBlobs.set(body.blob, left);
  }
  if (removed.some(({ expiresAt }) => expiresAt !== undefined)) refreshInboxTimer(state, agent);
}

/** The blobs that no inbox needs any more once these have been removed from theirs. */
export function blobsOnlyIn(state: State, bodies: readonly Payload[]): string[] {
  const removed = new Map<string, number>();
  for (const body of bodies) if ('blob' in body) removed.set(body.blob, (removed.get(body.blob) ?? 0) + 1);
  return [...removed].flatMap(([blob, times]) => (state.indexes.inboxBlobs.get(blob) === times ? [blob] : []));
}

/** When the first of the agent's messages expires. */
export function refreshInboxTimer(state: State, agent: Agent): void {
  let earliest = Infinity;
  if (agentClosedAt(agent) === null) {
    for (const { expiresAt } of agent.inbox) if (expiresAt !== undefined) earliest = Math.min(earliest, expiresAt);
  }
  setTimer(state, inboxTimer(agent), earliest === Infinity ? null : earliest);
}

function inboxTimer({ id }: Agent): Extract<TimerSubject, { kind: 'inbox' }> {
  return { kind: 'inbox', id: `${id}/inbox`, agentId: id };
}
