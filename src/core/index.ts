/**
 * The indexes of a swarm: what makes every command O(log n) in its agents, tasks and waiters.
 *
 * All of it is derived from the records. After changing a record, `evolve` calls the `refresh` function of its kind,
 * which brings every index up to date with it; `restore` does the same for all records of a snapshot.
 *
 * Work is matched through *lanes* (queued assignments that require the same) and *profiles* (agents that offer the
 * same). Which lane fits which profile is worked out once, when either first appears, so that claiming looks at the
 * heads of the few lanes that fit and never at the queue itself.
 */
import { createChain, type Chain, type Link } from './chain.ts';
import { createHeap, type Heap, type Slotted } from './heap.ts';
import type { Agent, Assignment, Message, Payload, Phase, Priority, State, Task } from './state.ts';

export interface Indexes {
  readonly timers: Heap<Timer>;
  /** By the id of what the timer is for: each thing has at most one. */
  readonly timerOf: Map<string, Timer>;
  readonly agents: Map<string, AgentEntry>;
  /** Agents that are not closed, in the order of their arrival; all of them, and by type. */
  readonly live: Chain<Agent>;
  readonly liveOfType: Map<string, Chain<Agent>>;
  /** Of a hierarchy: the live children of an agent. */
  readonly children: Map<string, Set<Agent>>;
  /** Which agent may join with a token. */
  readonly tokens: Map<string, string>;
  readonly profiles: Map<string, Profile>;
  readonly lanes: Map<string, Lane>;
  /** What waits for a claim, offered or not. */
  readonly queued: Map<string, Queued>;
  readonly taskBySeq: Map<number, Task>;
  /** In how many inboxes a blob is: that of a broadcast goes with the last of them. */
  readonly inboxBlobs: Map<string, number>;
  /** Tasks that have not ended, agents that are not closed. */
  liveTasks: number;
  liveAgents: number;
}

export interface Timer extends Slotted {
  due: number;
  readonly subject: TimerSubject;
}

export type TimerSubject =
  | { readonly kind: 'agent'; readonly id: string }
  | { readonly kind: 'inbox'; readonly id: string; readonly agentId: string }
  | { readonly kind: 'task'; readonly id: string }
  | { readonly kind: 'assignment'; readonly id: string }
  | { readonly kind: 'ended_tasks'; readonly id: 'ended_tasks' }
  | { readonly kind: 'closed_agents'; readonly id: 'closed_agents' }
  | { readonly kind: 'swarm'; readonly id: 'swarm' };

/** What is derived of one agent. Its slot is its place among the free agents of its profile. */
export interface AgentEntry extends Slotted {
  readonly agent: Agent;
  /** The assignments offered to it or claimed by it, by id. */
  readonly work: Map<string, Placed>;
  profile: Profile | null;
  token: string | null;
  live: boolean;
  /** Among the live agents, and among those of its type; null once it is closed. */
  place: Link<Agent> | null;
  placeOfType: Link<Agent> | null;
  /** Under whom it is listed as a child. */
  parentId: string | null;
}

/** An assignment and where it belongs. */
export interface Placed {
  readonly task: Task;
  readonly phase: Phase;
  readonly assignment: Assignment;
}

export interface Profile {
  readonly key: string;
  readonly agentType: string;
  readonly capabilities: ReadonlySet<string>;
  /** Joined agents, free or not. */
  members: number;
  /** Attentive agents with room for more, the best candidate first. */
  readonly free: Heap<AgentEntry>;
  readonly lanes: Set<Lane>;
}

export interface Lane {
  readonly key: string;
  readonly requiredCapabilities: readonly string[];
  readonly agentType: string | null;
  readonly queue: Heap<Queued>;
  readonly profiles: Set<Profile>;
}

export interface Queued extends Slotted, Placed {
  readonly lane: Lane;
  /** Lower is served first. */
  readonly rank: number;
}

export function createIndexes(): Indexes {
  return {
    timers: createHeap((a, b) => a.due < b.due),
    timerOf: new Map(),
    agents: new Map(),
    live: createChain(),
    liveOfType: new Map(),
    children: new Map(),
    tokens: new Map(),
    profiles: new Map(),
    lanes: new Map(),
    queued: new Map(),
    taskBySeq: new Map(),
    inboxBlobs: new Map(),
    liveTasks: 0,
    liveAgents: 0,
  };
}

// ---- timers

export function setTimer(state: State, subject: TimerSubject, due: number | null): void {
  const { timers, timerOf } = state.indexes;
  const timer = timerOf.get(subject.id);
  if (due === null) {
    if (timer === undefined) return;
    timers.remove(timer);
    timerOf.delete(subject.id);
  } else if (timer === undefined) {
    const added: Timer = { due, subject, slot: -1 };
    timerOf.set(subject.id, added);
    timers.push(added);
  } else if (timer.due !== due) {
    timer.due = due;
    timers.moved(timer);
  }
}

/** When the swarm next wants a `timers_due`; null: never, as things stand. */
export function nextDue(state: State): number | null {
  return state.indexes.timers.peek()?.due ?? null;
}

export function refreshSwarm(state: State): void {
  const { swarm, limits } = state;
  const destroyedAt = swarm?.destroyedAt ?? null;
  setTimer(state, { kind: 'swarm', id: 'swarm' }, destroyedAt === null ? null : destroyedAt + limits.swarmRetentionMs);
  const oldestTask = state.endedTasks.first();
  const endedAt = oldestTask === undefined ? null : state.tasks.get(oldestTask)!.endedAt!;
  const tasksDue = endedAt === null ? null : endedAt + limits.taskRetentionMs;
  setTimer(state, { kind: 'ended_tasks', id: 'ended_tasks' }, destroyedAt === null ? tasksDue : null);
  const oldestAgent = state.closedAgents.first();
  const closedAt = oldestAgent === undefined ? null : agentClosedAt(state.agents.get(oldestAgent)!);
  const agentsDue = closedAt === null ? null : closedAt + limits.agentRetentionMs;
  setTimer(state, { kind: 'closed_agents', id: 'closed_agents' }, destroyedAt === null ? agentsDue : null);
}

// ---- agents

export function agentClosedAt(agent: Agent): number | null {
  return agent.life.status === 'failed' || agent.life.status === 'stopped' ? agent.life.at : null;
}

function agentEntry(state: State, agent: Agent): AgentEntry {
  let entry = state.indexes.agents.get(agent.id);
  if (entry === undefined) {
    entry = {
      agent,
      work: new Map(),
      profile: null,
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

  const due = life.status === 'spawning' || life.status === 'offline' ? life.until : null;
  setTimer(state, { kind: 'agent', id: agent.id }, due);

  refreshProfile(state, entry, life.status === 'joined');
  refreshFree(entry);
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

// ---- inboxes

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
function refreshInboxTimer(state: State, agent: Agent): void {
  let earliest = Infinity;
  if (agentClosedAt(agent) === null) {
    for (const { expiresAt } of agent.inbox) if (expiresAt !== undefined) earliest = Math.min(earliest, expiresAt);
  }
  setTimer(state, inboxTimer(agent), earliest === Infinity ? null : earliest);
}

function inboxTimer({ id }: Agent): Extract<TimerSubject, { kind: 'inbox' }> {
  return { kind: 'inbox', id: `${id}/inbox`, agentId: id };
}

function refreshProfile(state: State, entry: AgentEntry, joined: boolean): void {
  const { agent, profile } = entry;
  const key = joined ? profileKey(agent) : null;
  if ((profile?.key ?? null) === key) return;
  if (profile !== null) {
    if (entry.slot !== -1) profile.free.remove(entry);
    profile.members -= 1;
    if (profile.members === 0) {
      for (const lane of profile.lanes) lane.profiles.delete(profile);
      state.indexes.profiles.delete(profile.key);
    }
    entry.profile = null;
  }
  if (key !== null) {
    entry.profile = state.indexes.profiles.get(key) ?? addProfile(state, key, agent);
    entry.profile.members += 1;
  }
}

function profileKey(agent: Agent): string {
  return JSON.stringify([agent.type, ...[...agent.capabilities].sort()]);
}

function addProfile(state: State, key: string, agent: Agent): Profile {
  const profile: Profile = {
    key,
    agentType: agent.type,
    capabilities: new Set(agent.capabilities),
    members: 0,
    free: createHeap(isBetterCandidate),
    lanes: new Set(),
  };
  for (const lane of state.indexes.lanes.values()) connectIfFitting(lane, profile);
  state.indexes.profiles.set(key, profile);
  return profile;
}

/** Least loaded, then healthiest, then fastest recently, then longest here. */
function isBetterCandidate(a: AgentEntry, b: AgentEntry): boolean {
  if (a.work.size !== b.work.size) return a.work.size < b.work.size;
  const byHealth = successShare(b.agent) - successShare(a.agent);
  if (byHealth !== 0) return byHealth < 0;
  // One that was not measured yet comes first: that is how it gets measured.
  const bySpeed = (a.agent.record.averageMs ?? 0) - (b.agent.record.averageMs ?? 0);
  if (bySpeed !== 0) return bySpeed < 0;
  return a.agent.seq < b.agent.seq;
}

/** Of the newest attempts; 1 when there were none. */
export function successShare(agent: Agent): number {
  const { recent } = agent.record;
  if (recent.length === 0) return 1;
  let successes = 0;
  for (const outcome of recent) if (outcome === 'success') successes += 1;
  return successes / recent.length;
}

function refreshFree(entry: AgentEntry): void {
  const { agent, profile } = entry;
  if (profile === null) return;
  const free = agent.attentive && entry.work.size < agent.maxConcurrent;
  if (free && entry.slot === -1) profile.free.push(entry);
  else if (free) profile.free.moved(entry);
  else if (entry.slot !== -1) profile.free.remove(entry);
}

// ---- tasks and assignments

/** A waiting task rises one step each `priorityAgingMs`, which is the same as starting that much later per step. */
const prioritySteps: Readonly<Record<Priority, number>> = { critical: 0, high: 1, normal: 2, low: 3 };

export function refreshTask(state: State, task: Task): void {
  const live = task.endedAt === null;
  if (!state.indexes.taskBySeq.has(task.seq)) {
    state.indexes.taskBySeq.set(task.seq, task);
    if (live) state.indexes.liveTasks += 1;
  }
  setTimer(state, { kind: 'task', id: task.id }, live ? task.deadlineAt : null);
}

export function taskHasEnded(state: State, task: Task): void {
  state.indexes.liveTasks -= 1;
  refreshTask(state, task);
}

export function forgetTask(state: State, task: Task): void {
  state.indexes.taskBySeq.delete(task.seq);
}

/** `before` is the agent that the assignment occupied until now. */
export function refreshAssignment(
  state: State,
  task: Task,
  phase: Phase,
  assignment: Assignment,
  before: string | null,
): void {
  const { work } = assignment;
  const after = work.status === 'offered' || work.status === 'claimed' ? work.agentId : null;
  if (before !== after) {
    occupy(state, before, (entry) => entry.work.delete(assignment.id));
    occupy(state, after, (entry) => entry.work.set(assignment.id, { task, phase, assignment }));
  }
  refreshQueued(state, task, phase, assignment);
  setTimer(state, { kind: 'assignment', id: assignment.id }, assignmentDue(assignment));
}

function occupy(state: State, agentId: string | null, change: (entry: AgentEntry) => void): void {
  const agent = agentId === null ? undefined : state.agents.get(agentId);
  if (agent === undefined) return;
  const entry = agentEntry(state, agent);
  change(entry);
  refreshFree(entry);
}

function assignmentDue({ work }: Assignment): number | null {
  switch (work.status) {
    case 'backoff':
    case 'offered':
      return work.until;
    case 'claimed':
      return Math.min(work.leaseUntil, work.timeoutAt);
    default:
      return null;
  }
}

function refreshQueued(state: State, task: Task, phase: Phase, assignment: Assignment): void {
  const { indexes } = state;
  const queued = indexes.queued.get(assignment.id);
  const wanted = assignment.work.status === 'queued' || assignment.work.status === 'offered';
  if (wanted && queued === undefined) {
    const lane = laneOf(state, requirementsOf(phase, assignment));
    const rank = assignment.readyAt + prioritySteps[task.priority] * state.limits.priorityAgingMs;
    const added: Queued = { lane, task, phase, assignment, rank, slot: -1 };
    indexes.queued.set(assignment.id, added);
    lane.queue.push(added);
  } else if (!wanted && queued !== undefined) {
    queued.lane.queue.remove(queued);
    indexes.queued.delete(assignment.id);
    if (queued.lane.queue.size === 0 && indexes.lanes.size > idleLanesMax) dropLane(state, queued.lane);
  }
}

/** Emptied lanes are kept for the next task of their kind, up to this many lanes in all. */
const idleLanesMax = 64;

type Requirements = Pick<Phase, 'agentType' | 'requiredCapabilities'>;

/** A judge needs not be able to do the work. */
export function requirementsOf(phase: Phase, { judges }: Assignment): Requirements {
  return judges === undefined ? phase : ofJudges;
}

const ofJudges: Requirements = { agentType: null, requiredCapabilities: [] };

function laneKey(phase: Requirements): string {
  return JSON.stringify([phase.agentType, ...[...phase.requiredCapabilities].sort()]);
}

function laneOf(state: State, phase: Requirements): Lane {
  const key = laneKey(phase);
  let lane = state.indexes.lanes.get(key);
  if (lane === undefined) {
    lane = {
      key,
      requiredCapabilities: phase.requiredCapabilities,
      agentType: phase.agentType,
      queue: createHeap((a, b) =>
        a.rank !== b.rank
          ? a.rank < b.rank
          : a.task.seq !== b.task.seq
            ? a.task.seq < b.task.seq
            : a.assignment.id < b.assignment.id,
      ),
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

/** The first queued assignment, by rank, that fits the agent and that `wanted` accepts, among `most` of each lane. */
export function bestQueuedFor(
  state: State,
  agent: Agent,
  wanted: (queued: Queued) => boolean,
  most = Infinity,
): Queued | undefined {
  let best: Queued | undefined;
  for (const lane of state.indexes.agents.get(agent.id)?.profile?.lanes ?? []) {
    const candidate = lane.queue.first(wanted, most);
    if (candidate === undefined) continue;
    if (
      best === undefined ||
      candidate.rank < best.rank ||
      (candidate.rank === best.rank && candidate.task.seq < best.task.seq)
    ) {
      best = candidate;
    }
  }
  return best;
}

/** Whether the agent has room for what is queued and can do it. */
export function isFreeFor({ indexes }: State, { lane }: Queued, agent: Agent): boolean {
  const { slot, profile } = indexes.agents.get(agent.id)!;
  return slot !== -1 && lane.profiles.has(profile!);
}

/** The best free agent that can do what is queued and that `wanted` accepts, among the best `most` of each profile. */
export function bestFreeAgent(queued: Queued, wanted: (agent: Agent) => boolean, most: number): Agent | undefined {
  let best: AgentEntry | undefined;
  for (const profile of queued.lane.profiles) {
    const candidate = profile.free.first((entry) => wanted(entry.agent), most);
    if (candidate !== undefined && (best === undefined || isBetterCandidate(candidate, best))) best = candidate;
  }
  return best?.agent;
}
