/**
 * Who acts as an agent: the connection of its worker, fenced by the number of its join, or that of the program which the
 * worker runs, fenced by the claim. Only the worker takes, delivers and gives back work, and leaves.
 */
import type { Actor, Companion, Worker } from './command.ts';
import { findAssignment } from './evolve.ts';
import { refuse, type Refusal } from './refusal.ts';
import { agentClosedAt, type Agent, type State } from './state.ts';

export function refuseUnknownAgent(state: State, agentId: string): Refusal {
  return refuse(
    'agent_not_found',
    `swarm ${state.swarm!.id} has no agent ${agentId}: agent_list shows the agents that it has`,
    { agentId },
  );
}

export function refuseClosed(agent: Agent): Refusal {
  const { status } = agent.life;
  return refuse(
    'agent_closed',
    `agent ${agent.id} ${status === 'stopped' ? 'was stopped' : `has ${status}`}: ${'reason' in agent.life ? agent.life.reason : status}`,
    {
      agentId: agent.id,
      status,
    },
  );
}

/** The agent as which a connection acts, if it still may. */
export function actingAgent(state: State, actor: Actor): Agent | Refusal {
  return 'claim' in actor ? accompanied(state, actor.claim) : workingAgent(state, actor);
}

/** The agent whose claim a companion accompanies, whichever connection its worker has, and be it none for a while. */
export function accompanied(state: State, { assignmentId, leaseToken }: Companion['claim']): Agent | Refusal {
  const work = findAssignment(state, assignmentId)?.assignment.work;
  if (work?.status === 'claimed' && work.leaseToken === leaseToken) return state.agents.get(work.agentId)!;
  return refuse(
    'lease_lost',
    `the claim of assignment ${assignmentId} with this lease token is over, so nobody acts as its agent by it: stop working on it`,
    { assignmentId },
  );
}

/** The agent for which a connection takes and delivers work, if it still may. */
export function workingAgent(state: State, actor: Actor): Agent | Refusal {
  if ('claim' in actor) {
    return refuse(
      'worker_only',
      `this connection accompanies assignment ${actor.claim.assignmentId}, and only the worker that holds it takes, delivers and gives back work, and leaves`,
      { agentId: actor.agentId, assignmentId: actor.claim.assignmentId },
    );
  }
  const agent = state.agents.get(actor.agentId);
  if (agent === undefined) return refuseUnknownAgent(state, actor.agentId);
  if (agentClosedAt(agent) !== null) return refuseClosed(agent);
  if (agent.joins !== actor.joins || agent.life.status !== 'joined') {
    return refuse(
      'not_joined',
      `this connection no longer acts as agent ${agent.id}: ${whyNotActing(agent, actor)}. Join again with the resume token`,
      { agentId: agent.id },
    );
  }
  return agent;
}

function whyNotActing(agent: Agent, { joins }: Worker): string {
  return agent.joins === joins
    ? 'it counts as lost, since the connection was closed, or closed for sending'
    : 'another connection has joined as it since';
}
