/**
 * Matching work and agents. *Lanes* hold the queued assignments that require the same, *profiles* the agents that offer
 * the same. Which lane fits which profile is worked out once, when either first appears, so that claiming looks at the
 * heads of the few lanes that fit and never at the queue itself, and so that why something waits is read from counters.
 */
import { overBudget } from '../budget.ts';
import { createHeap } from '../heap.ts';
import type { Agent, Assignment, Phase, Priority, State, Task } from '../state.ts';
import { idleMax, type AgentEntry, type Lane, type Profile, type Queued } from './indexes.ts';
import { isBetterCandidate, setStanding } from './standing.ts';

// ---- work

/** A waiting task rises one step each `priorityAgingMs`, which is the same as starting that much later per step. */
const prioritySteps: Readonly<Record<Priority, number>> = { critical: 0, high: 1, normal: 2, low: 3 };

export function refreshQueued(state: State, task: Task, phase: Phase, assignment: Assignment): void {
  const { indexes } = state;
  const queued = indexes.queued.get(assignment.id);
  const { status } = assignment.work;
  const wanted = (status === 'queued' || status === 'offered') && overBudget(task) === null;
  if (wanted && queued === undefined) {
    const lane = laneOf(state, requirementsOf(phase, assignment));
    const rank = assignment.readyAt + prioritySteps[task.priority] * state.limits.priorityAgingMs;
    const added: Queued = { lane, task, phase, assignment, rank, order: orderIn(task, phase, assignment), slot: -1 };
    indexes.queued.set(assignment.id, added);
    lane.queue.push(added);
    if (assignment.judges !== undefined) indexes.queuedJudges.add(assignment.id);
  } else if (!wanted && queued !== undefined) {
    queued.lane.queue.remove(queued);
    indexes.queued.delete(assignment.id);
    indexes.queuedJudges.delete(assignment.id);
    if (queued.lane.queue.size === 0 && indexes.lanes.size > idleMax) dropLane(state, queued.lane);
  }
}

export type Requirements = Pick<Phase, 'agentType' | 'requiredCapabilities'>;

/** A judge needs not be able to do the work. */
export function requirementsOf(phase: Phase, { judges }: Assignment): Requirements {
  return judges === undefined ? phase : ofJudges;
}

const ofJudges: Requirements = { agentType: null, requiredCapabilities: [] };

function laneKey(phase: Requirements): string {
  return JSON.stringify([phase.agentType, ...[...phase.requiredCapabilities].sort()]);
}

/** null: whoever can do anything can do it. */
export function kindOf(phase: Requirements): string | null {
  return phase.agentType === null && phase.requiredCapabilities.length === 0 ? null : laneKey(phase);
}

function isBefore(a: Queued, b: Queued): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  return a.task.seq !== b.task.seq ? a.task.seq < b.task.seq : a.order < b.order;
}

/** Of the assignments of a task: by phase, and in each as they are numbered. */
function orderIn(task: Task, phase: Phase, { id }: Assignment): number {
  return task.phases.indexOf(phase) * 10_000 + Number(id.slice(id.lastIndexOf('/') + 1));
}

function laneOf(state: State, phase: Requirements): Lane {
  const key = laneKey(phase);
  let lane = state.indexes.lanes.get(key);
  if (lane === undefined) {
    lane = {
      key,
      requiredCapabilities: phase.requiredCapabilities,
      agentType: phase.agentType,
      queue: createHeap(isBefore),
      profiles: new Set(),
    };
    for (const profile of state.indexes.profiles.values()) connectIfFitting(lane, profile);
    state.indexes.lanes.set(key, lane);
  }
  return lane;
}

function dropLane(state: State, lane: Lane): void {
  for (const profile of lane.profiles) profile.lanes.delete(lane);
  state.indexes.lanes.delete(lane.key);
}

function connectIfFitting(lane: Lane, profile: Profile): void {
  if (lane.agentType !== null && lane.agentType !== profile.agentType) return;
  if (!lane.requiredCapabilities.every((capability) => profile.capabilities.has(capability))) return;
  lane.profiles.add(profile);
  profile.lanes.add(lane);
}

// ---- agents

export function refreshProfile(state: State, entry: AgentEntry): void {
  const { agent, profile } = entry;
  const key = entry.live ? profileKey(agent) : null;
  if ((profile?.key ?? null) === key) return;
  if (profile !== null) {
    setStanding(state, entry, null);
    profile.agents.delete(entry);
    if (profile.agents.size === 0) dropProfile(state, profile);
    entry.profile = null;
  }
  if (key !== null) {
    entry.profile = state.indexes.profiles.get(key) ?? addProfile(state, key, agent);
    entry.profile.agents.add(entry);
  }
}

function profileKey(agent: Agent): string {
  return JSON.stringify([agent.type, ...[...agent.capabilities].sort()]);
}

function addProfile(state: State, key: string, agent: Agent): Profile {
  const { indexes } = state;
  const profile: Profile = {
    key,
    agentType: agent.type,
    capabilities: new Set(agent.capabilities),
    agents: new Set(),
    standing: { spawning: 0, offline: 0, draining: 0, busy: 0, silent: 0, free: 0 },
    free: createHeap(isBetterCandidate),
    lanes: new Set(),
  };
  for (const lane of indexes.lanes.values()) connectIfFitting(lane, profile);
  indexes.profiles.set(key, profile);
  count(indexes.profilesOfType, profile.agentType, 1);
  for (const capability of profile.capabilities) count(indexes.profilesWith, capability, 1);
  return profile;
}

function dropProfile(state: State, profile: Profile): void {
  const { indexes } = state;
  for (const lane of profile.lanes) lane.profiles.delete(profile);
  indexes.profiles.delete(profile.key);
  count(indexes.profilesOfType, profile.agentType, -1);
  for (const capability of profile.capabilities) count(indexes.profilesWith, capability, -1);
}

function count(counts: Map<string, number>, key: string, more: number): void {
  const sum = (counts.get(key) ?? 0) + more;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}

// ---- choosing

/** The first queued assignment, by rank, that fits the agent and that `wanted` accepts, among the first `most` of each lane. */
export function bestQueuedFor(
  state: State,
  agent: Agent,
  wanted: (queued: Queued) => boolean,
  most?: number,
): Queued | undefined {
  let best: Queued | undefined;
  for (const lane of state.indexes.agents.get(agent.id)?.profile?.lanes ?? []) {
    const candidate = lane.queue.first(wanted, most);
    if (candidate === undefined) continue;
    if (best === undefined || isBefore(candidate, best)) best = candidate;
  }
  return best;
}

/** Whether the agent has room for what is queued and can do it. */
export function isFreeFor({ indexes }: State, { lane }: Queued, agent: Agent): boolean {
  const { slot, profile } = indexes.agents.get(agent.id)!;
  return slot !== -1 && lane.profiles.has(profile!);
}

/**
 * The best free agent that can do what is queued and that `wanted` accepts, among the best `most` of each profile and of
 * those that are proven at it.
 */
export function bestFreeAgent(
  state: State,
  { lane }: Queued,
  wanted: (agent: Agent) => boolean,
  most: number,
): Agent | undefined {
  let best: AgentEntry | undefined;
  for (const profile of lane.profiles) {
    const candidate = profile.free.first((entry) => wanted(entry.agent), most);
    if (candidate !== undefined && (best === undefined || isBetterCandidate(candidate, best))) best = candidate;
  }
  const proven = state.indexes.proven
    .get(lane.key)
    ?.first(({ entry }) => lane.profiles.has(entry.profile!) && wanted(entry.agent), most)?.entry;
  if (proven !== undefined && (best === undefined || proven.work.size <= best.work.size)) best = proven;
  return best?.agent;
}
