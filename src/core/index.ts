/**
 * The indexes of a swarm: what makes every command O(log n) in its agents, tasks and waiters.
 *
 * All of it is derived from the records. After changing a record, `evolve` calls the `refresh` function of its kind,
 * which brings every index up to date with it; `restore` does the same for all records of a snapshot.
 *
 * Work is matched through *lanes* (queued assignments that require the same) and *profiles* (agents that offer the
 * same). Which lane fits which profile is worked out once, when either first appears, so that claiming looks at the
 * heads of the few lanes that fit and never at the queue itself, and so that why something waits is read from counters.
 *
 * Work is offered to the least loaded of the free agents that fit. Among equally loaded ones the order is
 *
 *     1. affinity: proven at this kind of work, the higher share first
 *     2. health: the share of successes among its newest attempts
 *     3. speed: the moving average of its successful attempts, one without any first
 *     4. the longest in the swarm
 *
 * A kind of work is what a phase requires: its agent type and capabilities; a phase that requires nothing is of no kind.
 * An agent's share for a kind is 0.5 before its first attempt and then 0.7 x share + 0.3 for a success (+ 0 for a
 * failure); above 0.5 it is proven. Its record has the 8 kinds that it did last.
 */
import { overBudget } from './budget.ts';
import { createChain, type Chain, type Link } from './chain.ts';
import { parseGlob, type Glob } from './glob.ts';
import { createHeap, type Heap, type Slotted } from './heap.ts';
import type {
  Agent,
  Assignment,
  KindRecord,
  Message,
  Payload,
  Phase,
  Priority,
  Reservation,
  State,
  Task,
} from './state.ts';

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
  /** Free agents by the kinds of work at which they are proven, the best candidate first. */
  readonly proven: Map<string, Heap<Proven>>;
  /** Live agents' profiles by type, and by capability. */
  readonly profilesOfType: Map<string, number>;
  readonly profilesWith: Map<string, number>;
  /** What waits for a claim, offered or not. */
  readonly queued: Map<string, Queued>;
  /** Those of them that are for judges. */
  readonly queuedJudges: Set<string>;
  readonly taskBySeq: Map<number, Task>;
  /** In how many inboxes a blob is: that of a broadcast goes with the last of them. */
  readonly inboxBlobs: Map<string, number>;
  /** By the id of their reservation. */
  readonly reservedGlobsOf: Map<string, readonly Glob[]>;
  /** In all reservations. */
  reservedGlobs: number;
  /** Counts up whenever less is reserved than before. */
  filesFreed: number;
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
  | { readonly kind: 'reservation'; readonly id: string }
  | { readonly kind: 'ended_tasks'; readonly id: 'ended_tasks' }
  | { readonly kind: 'closed_agents'; readonly id: 'closed_agents' }
  | { readonly kind: 'swarm'; readonly id: 'swarm' };

/** What is derived of one agent. Its slot is its place among the free agents of its profile. */
export interface AgentEntry extends Slotted {
  readonly agent: Agent;
  /** The assignments offered to it or claimed by it, by id. */
  readonly work: Map<string, Placed>;
  /** Ids of its reservations. */
  readonly reservations: Set<string>;
  /** null: it is closed. */
  profile: Profile | null;
  standing: Standing | null;
  /** What is listed of it in `proven`, by kind. */
  readonly proven: Map<string, Proven>;
  token: string | null;
  live: boolean;
  /** Among the live agents, and among those of its type; null once it is closed. */
  place: Link<Agent> | null;
  placeOfType: Link<Agent> | null;
  /** Under whom it is listed as a child. */
  parentId: string | null;
}

/** How a live agent stands to new work: who is `free` is offered some, who is `silent` has to ask first. */
export type Standing = 'spawning' | 'offline' | 'draining' | 'busy' | 'silent' | 'free';

export interface Proven extends Slotted {
  readonly entry: AgentEntry;
  share: number;
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
  readonly agents: Set<AgentEntry>;
  /** How many of them stand how. */
  readonly standing: Record<Standing, number>;
  /** The free ones, the best candidate first. */
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
  /** Of equal ranks within a task. */
  readonly order: number;
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
    proven: new Map(),
    profilesOfType: new Map(),
    profilesWith: new Map(),
    queued: new Map(),
    queuedJudges: new Set(),
    taskBySeq: new Map(),
    inboxBlobs: new Map(),
    reservedGlobsOf: new Map(),
    reservedGlobs: 0,
    filesFreed: 0,
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
      reservations: new Set(),
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

function agentDue({ agent, work }: AgentEntry): number | null {
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

function refreshProfile(state: State, entry: AgentEntry): void {
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

/** Least loaded, then healthiest, then fastest recently, then longest here: the order but for affinity. */
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

function refreshStanding(state: State, entry: AgentEntry): void {
  setStanding(state, entry, standingOf(entry));
}

function standingOf({ agent, work, live }: AgentEntry): Standing | null {
  if (!live) return null;
  if (agent.life.status === 'spawning' || agent.life.status === 'offline') return agent.life.status;
  if (agent.draining !== null) return 'draining';
  if (work.size >= agent.maxConcurrent) return 'busy';
  return agent.attentive ? 'free' : 'silent';
}

function setStanding(state: State, entry: AgentEntry, standing: Standing | null): void {
  const { profile, standing: before } = entry;
  if (profile === null) return;
  if (standing !== before) {
    if (before !== null) profile.standing[before] -= 1;
    if (standing !== null) profile.standing[standing] += 1;
    entry.standing = standing;
  }
  list(profile.free, entry, standing === 'free');
  refreshProven(state, entry, standing === 'free');
}

function refreshProven(state: State, entry: AgentEntry, free: boolean): void {
  const { kinds } = entry.agent.record;
  if (kinds.length === 0) return;
  const { proven } = state.indexes;
  for (const [kind, listed] of entry.proven) {
    if (free && kinds.some((of) => of.kind === kind && isProven(of))) continue;
    const heap = proven.get(kind)!;
    heap.remove(listed);
    entry.proven.delete(kind);
    if (heap.size === 0 && proven.size > idleMax) proven.delete(kind);
  }
  if (!free) return;
  for (const of of kinds) {
    if (!isProven(of)) continue;
    const { kind, share } = of;
    let heap = proven.get(kind);
    if (heap === undefined) proven.set(kind, (heap = createHeap(isMoreProven)));
    let listed = entry.proven.get(kind);
    if (listed === undefined) entry.proven.set(kind, (listed = { entry, share, slot: -1 }));
    listed.share = share;
    list(heap, listed, true);
  }
}

function isProven({ share }: KindRecord): boolean {
  return share > 0.5;
}

function isMoreProven(a: Proven, b: Proven): boolean {
  if (a.entry.work.size !== b.entry.work.size) return a.entry.work.size < b.entry.work.size;
  if (a.share !== b.share) return a.share > b.share;
  return isBetterCandidate(a.entry, b.entry);
}

/** Whether a heap has an item, and if so at its right place. */
function list<T extends Slotted>(heap: Heap<T>, item: T, wanted: boolean): void {
  if (wanted && item.slot === -1) heap.push(item);
  else if (wanted) heap.moved(item);
  else if (item.slot !== -1) heap.remove(item);
}

// ---- reservations

export function refreshReservation(state: State, reservation: Reservation): void {
  const { indexes } = state;
  const before = indexes.reservedGlobsOf.get(reservation.id)?.length ?? 0;
  indexes.reservedGlobsOf.set(reservation.id, reservation.globs.map(parseGlob));
  countReserved(state, reservation.globs.length - before);
  agentEntry(state, state.agents.get(reservation.agentId)!).reservations.add(reservation.id);
  setTimer(state, { kind: 'reservation', id: reservation.id }, reservation.until);
}

export function forgetReservation(state: State, reservation: Reservation): void {
  const { indexes } = state;
  indexes.reservedGlobsOf.delete(reservation.id);
  countReserved(state, -reservation.globs.length);
  indexes.agents.get(reservation.agentId)?.reservations.delete(reservation.id);
  setTimer(state, { kind: 'reservation', id: reservation.id }, null);
}

function countReserved({ indexes }: State, more: number): void {
  indexes.reservedGlobs += more;
  if (more < 0) indexes.filesFreed += 1;
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
  setTimer(state, { kind: 'task', id: task.id }, live ? taskDue(task) : null);
}

function taskDue(task: Task): number | null {
  // Its budget is used up and it holds nothing any more: due ever since.
  return overBudget(task) !== null && !isClaimed(task) ? task.createdAt : task.deadlineAt;
}

export function isClaimed(task: Task): boolean {
  return task.phases.some((phase) => phase.assignments.some(({ work }) => work.status === 'claimed'));
}

/** Follows the budget being used up: what waits of the task cannot be claimed any more. */
export function refreshBudget(state: State, task: Task): void {
  for (const phase of task.phases) {
    for (const assignment of phase.assignments) refreshQueued(state, task, phase, assignment);
  }
  refreshTask(state, task);
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
  if (overBudget(task) !== null) refreshTask(state, task);
}

function occupy(state: State, agentId: string | null, change: (entry: AgentEntry) => void): void {
  const agent = agentId === null ? undefined : state.agents.get(agentId);
  if (agent === undefined) return;
  const entry = agentEntry(state, agent);
  change(entry);
  refreshStanding(state, entry);
  if (agent.draining !== null) setTimer(state, { kind: 'agent', id: agent.id }, agentDue(entry));
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

/** What has emptied is kept for the next work of its kind, up to this many lanes, or kinds, in all. */
const idleMax = 64;

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
