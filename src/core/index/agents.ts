/** Of each agent: its place among the living, its parent, its token, its timer; how it stands to work is in standing.ts. */
import { createChain } from '../chain.ts';
import { agentClosedAt, type Agent, type State } from '../state.ts';
import { messagesRemoved, refreshInboxTimer } from './inboxes.ts';
import type { AgentEntry } from './indexes.ts';
import { refreshProfile } from './matching.ts';
import { refreshStanding } from './standing.ts';
import { setTimer } from './timers.ts';

export function agentEntry(state: State, agent: Agent): AgentEntry {
  let entry = state.indexes.agents.get(agent.id);
  if (entry === undefined) {
    entry = {
      agent,
      work: new Map(),
      reservations: new Set(),
      approvals: new Set(),
      profile: null,
      standing: null,
      proven: new Map(),
      token: null,
      live: false,
      place: null,
      placeOfType: null,
      parentId: null,
      slot: -1,
    };
    state.indexes.agents.set(agent.id, entry);
  }
  return entry;
}

export function refreshAgent(state: State, agent: Agent): void {
  const { indexes } = state;
  const entry = agentEntry(state, agent);
  const { life } = agent;

  const live = agentClosedAt(agent) === null;
  if (live !== entry.live) {
    indexes.liveAgents += live ? 1 : -1;
    entry.live = live;
    refreshPlace(state, entry);
    refreshInboxTimer(state, agent);
  }
  refreshParent(state, entry, live ? agent.parentId : null);

  const token = life.status === 'spawning' ? life.joinToken : 'resumeToken' in life ? life.resumeToken : null;
  if (token !== entry.token) {
    if (entry.token !== null) indexes.tokens.delete(entry.token);
    if (token !== null) indexes.tokens.set(token, agent.id);
    entry.token = token;
  }

  setTimer(state, { kind: 'agent', id: agent.id }, agentDue(entry));
  refreshProfile(state, entry);
  refreshStanding(state, entry);
}

export function agentDue({ agent, work }: AgentEntry): number | null {
  const { life, draining } = agent;
  if (agentClosedAt(agent) !== null) return null;
  // It has finished: due ever since.
  if (draining !== null && work.size === 0) return draining.since;
  return life.status === 'spawning' || life.status === 'offline' ? life.until : null;
}

/** Agents arrive in the order of their numbers and never come back to life, so the order of appending is theirs. */
function refreshPlace({ indexes }: State, entry: AgentEntry): void {
  const { agent, live, place, placeOfType } = entry;
  const { live: all, liveOfType } = indexes;
  let ofType = liveOfType.get(agent.type);
  if (live) {
    if (ofType === undefined) liveOfType.set(agent.type, (ofType = createChain()));
    entry.place = all.append(agent);
    entry.placeOfType = ofType.append(agent);
  } else {
    all.remove(place!);
    ofType!.remove(placeOfType!);
    if (ofType!.first === null) liveOfType.delete(agent.type);
    entry.place = null;
    entry.placeOfType = null;
  }
}

function refreshParent({ indexes: { children } }: State, entry: AgentEntry, parentId: string | null): void {
  if (parentId === entry.parentId) return;
  if (entry.parentId !== null) {
    const former = children.get(entry.parentId)!;
    former.delete(entry.agent);
    if (former.size === 0) children.delete(entry.parentId);
  }
  if (parentId !== null) {
    const present = children.get(parentId);
    if (present === undefined) children.set(parentId, new Set([entry.agent]));
    else present.add(entry.agent);
  }
  entry.parentId = parentId;
}

export function forgetAgent(state: State, agent: Agent): void {
  messagesRemoved(state, agent, agent.inbox);
  state.indexes.agents.delete(agent.id);
}
