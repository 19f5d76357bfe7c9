/**
 * What an agent has in hand, and what every reply to its worker tells it: agents do not look into their inbox.
 */
import type { Placed } from './index/indexes.ts';
import type { Agent, State } from './state.ts';

/** Offered to it or claimed by it. */
export function heldBy(state: State, agent: Agent): Placed[] {
  return [...(state.indexes.agents.get(agent.id)?.work.values() ?? [])];
}

export interface Pending {
  /** Unacknowledged messages. */
  readonly messages: number;
  /** Assignments that are no longer its own: it should stop working on them. */
  readonly cancel: readonly string[];
  /** The agent is draining: its worker finishes what it holds, asks for no more, and may end. */
  readonly drain?: true;
}

export function pendingFor(agent: Agent, now: number): Pending {
  const messages = agent.inbox.length;
  const cancel = agent.revoked.filter(({ at }) => at > now - agent.leaseMs).map(({ assignmentId }) => assignmentId);
  return agent.draining === null ? { messages, cancel } : { messages, cancel, drain: true };
}
