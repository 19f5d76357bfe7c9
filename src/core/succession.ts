/**
 * Rules of succession: who takes the place of a hub or a parent that is over. A lost agent keeps its place until its
 * grace is over and nobody starts it again.
 */
import type { Command } from './command.ts';
import { happened, type Rule } from './rule.ts';
import { findAssignment } from './evolve.ts';
import { isJudgeToBe } from './judging.ts';
import type { Agent, Phase, State } from './state.ts';
import { childrenOf, hubOf, leaderOf, parentOf } from './topology.ts';

/** What follows the arrival of agents. */
export function afterArrival(state: State): Command[] {
  const { topology } = state.swarm!;
  return topology === 'star' && hubOf(state) === null ? [{ type: 'elect_hub', reason: 'the swarm had no hub' }] : [];
}

/** What follows the end of an agent. */
export function afterEnd(state: State, agent: Agent, how: string): Command[] {
  const { topology } = state.swarm!;
  if (topology === 'star' && hubOf(state) === agent) {
    return [{ type: 'elect_hub', reason: `hub ${agent.id} ${how}` }];
  }
  return topology === 'hierarchical'
    ? [{ type: 'adopt_children', agentId: agent.id, reason: `parent ${agent.id} ${how}` }]
    : [];
}

/** With the end of who was to judge, or has begun to, others may. */
export function placeJudges(state: State, gone: Agent): Command[] {
  const { queuedJudges } = state.indexes;
  if (queuedJudges.size === 0) return [];
  const waiting = [...queuedJudges];
  const concerns = isJudgeToBe(state, gone) || state.swarm!.topology === 'ring';
  return waiting
    .filter((id) => concerns || hasBegun(gone, findAssignment(state, id)!.phase))
    .map((assignmentId) => ({ type: 'place', assignmentId }));
}

function hasBegun(agent: Agent, { assignments }: Phase): boolean {
  return assignments.some(({ judges, work }) => judges !== undefined && 'agentId' in work && work.agentId === agent.id);
}

export const electHub: Rule<'elect_hub'> = (state, { reason }, world) => {
  const hub = leaderOf(state);
  if (hub === null) return {};
  return { events: [happened(world, { type: 'hub_elected', agentId: hub.id, reason })] };
};

/**
 * The children of one that is over go to the leader of those that are left. If that is one of its descendants, the
 * leader itself rises to the place that has become free first, so that no circle comes about.
 */
export const adoptChildren: Rule<'adopt_children'> = (state, { agentId, reason }, world) => {
  const heir = leaderOf(state);
  if (heir === null) return {};
  const gone = state.agents.get(agentId)!;
  const events = [];
  if (descendsFrom(state, heir, gone)) {
    events.push(happened(world, { type: 'agents_adopted', agentIds: [heir.id], parentId: gone.parentId, reason }));
  }
  const agentIds = [...childrenOf(state, gone)].filter((child) => child !== heir).map(({ id }) => id);
  if (agentIds.length > 0) {
    events.push(happened(world, { type: 'agents_adopted', agentIds, parentId: heir.id, reason }));
  }
  return { events };
};

function descendsFrom(state: State, agent: Agent, ancestor: Agent): boolean {
  for (let at = parentOf(state, agent); at !== null; at = parentOf(state, at)) if (at === ancestor) return true;
  return false;
}
