/**
 * Rules of succession: who takes the place of a hub or a parent that is over. A lost agent keeps its place until its
 * grace is over and nobody starts it again.
 */
import type { Command } from './command.ts';
import { happened, type Rule } from './rule.ts';
import type { Agent, State } from './state.ts';
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

/** Who may judge has changed with the end of an agent, or of its being expected. */
export function placeJudges({ indexes }: State): Command[] {
  return Array.from(indexes.queuedJudges, (assignmentId) => ({ type: 'place', assignmentId }));
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
