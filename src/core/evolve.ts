/**
 * state + event -> state. The only code that changes a swarm's state, live and at replay alike.
 *
 * It takes events at their word: whether they were right was decided before they were recorded. What it keeps up by
 * itself is what follows without a choice, such as a phase's open assignments ending with the phase.
 */
import { addUsage, isUnknown, newestUsage, overBudget, usageOf } from './budget.ts';
import { eventVersions, UnknownEvent, type Event, type EventBody, type EventType, type PhasePlan } from './event.ts';
import { createFifo, type Fifo } from './fifo.ts';
import { forgetAgent, refreshAgent } from './index/agents.ts';
import { forgetApproval, refreshApproval } from './index/approvals.ts';
import { messagesRemoved, messageStored } from './index/inboxes.ts';
import { createIndexes, type Placed } from './index/indexes.ts';
import { kindOf } from './index/matching.ts';
import { forgetReservation, refreshReservation } from './index/reservations.ts';
import { refreshSwarm } from './index/swarm.ts';
import { forgetTask, refreshAssignment, refreshBudget, refreshTask, taskHasEnded } from './index/tasks.ts';
import type { Limits } from './limits.ts';
import {
  agentClosedAt,
  measuredType,
  type Agent,
  type Approval,
  type Assignment,
  type Message,
  type Phase,
  type Reservation,
  type State,
  type Swarm,
  type Task,
  type TypeMetrics,
  type Usage,
  type Work,
} from './state.ts';

/** Outcomes of attempts that an agent's record remembers. */
const recentAttempts = 20;
/** Kinds of work that an agent's record remembers. */
const recentKinds = 8;
/** Ended claims that an agent is told about: more than it can hold at once make no difference. */
const revokedMax = 100;

/** Most assignments have no use for arrays and work of their own, and there may be very many of them. */
const none: never[] = [];
Object.freeze(none);
const queued: Work = Object.freeze({ status: 'queued' });

export function createState(limits: Limits): State {
  return {
    version: 0,
    swarm: null,
    agents: new Map(),
    tasks: new Map(),
    reservations: new Map(),
    approvals: new Map(),
    requests: new Map(),
    answeredRequests: createFifo(),
    endedTasks: createFifo(),
    closedAgents: createFifo(),
    limits,
    indexes: createIndexes(),
  };
}

/** @throws UnknownEvent when the journal is from a release that knows more than this one. */
export function evolve(state: State, event: Event): void {
  const apply = appliers[event.type] as ((state: State, event: Event) => void) | undefined;
  if (apply === undefined || event.v > eventVersions[event.type]) throw new UnknownEvent(event);
  state.version += 1;
  apply(state, event);
}

type Applier<T extends EventType> = (state: State, event: Extract<EventBody, { type: T }> & { at: number }) => void;

const appliers: { readonly [T in EventType]: Applier<T> } = {
  swarm_created(state, event) {
    state.swarm = {
      id: event.swarmId,
      name: event.name,
      topology: event.topology,
      maxAgents: event.maxAgents,
      consensusThreshold: event.consensusThreshold,
      strategy: event.strategy,
      createdAt: event.at,
      destroyedAt: null,
      hubId: null,
      paused: null,
      nextAgentSeq: 1,
      nextTaskSeq: 1,
      metrics: { tasksCompleted: 0, tasksFailed: 0, tasksCancelled: 0, completedMs: 0, types: {} },
    };
  },

  swarm_destroyed(state, event) {
    for (const task of state.tasks.values()) {
      if (task.endedAt === null) endTask(state, task, 'cancelled', 'swarm_destroyed', event.at);
    }
    for (const agent of state.agents.values()) {
      if (agentClosedAt(agent) === null) {
        closeAgent(state, agent, { status: 'stopped', reason: 'swarm_destroyed', at: event.at });
      }
    }
    swarmOf(state).destroyedAt = event.at;
    refreshSwarm(state);
  },

  swarm_paused(state, event) {
    swarmOf(state).paused = { since: event.at, reason: event.reason };
  },

  swarm_resumed(state) {
    swarmOf(state).paused = null;
  },

  hub_elected(state, event) {
    swarmOf(state).hubId = event.agentId;
  },

  agent_spawned(state, event) {
    const agent: Agent = {
      id: event.agentId,
      seq: swarmOf(state).nextAgentSeq++,
      type: event.agentType,
      parentId: event.parentId ?? null,
      name: event.name,
      capabilities: event.capabilities,
      config: event.config,
      runtime: event.runtime,
      maxConcurrent: event.maxConcurrent,
      leaseMs: state.limits.leaseMs,
      life: { status: 'spawning', joinToken: event.joinToken, since: event.at, until: event.until },
      joins: 0,
      restarts: 0,
      attentive: true,
      draining: null,
      idleSince: event.at,
      spawnedAt: event.at,
      spawnMs: null,
      record: { successes: 0, failures: 0, recent: [], averageMs: null, kinds: [] },
      revoked: [],
      inbox: [],
      nextMessageSeq: 1,
    };
    state.agents.set(agent.id, agent);
    refreshAgent(state, agent);
  },

  agents_adopted(state, event) {
    for (const agentId of event.agentIds) {
      const agent = agentOf(state, agentId);
      agent.parentId = event.parentId;
      refreshAgent(state, agent);
    }
  },

  agent_joined(state, event) {
    const agent = agentOf(state, event.agentId);
    if (agent.life.status === 'spawning') {
      agent.idleSince = event.at;
      agent.spawnMs = event.at - agent.life.since;
      const metrics = typeMetrics(state, agent.type);
      metrics.spawns += 1;
      metrics.spawnMs += agent.spawnMs;
    }
    agent.name = event.name;
    agent.capabilities = event.capabilities;
    agent.maxConcurrent = event.maxConcurrent;
    agent.leaseMs = event.leaseMs;
    agent.joins += 1;
    agent.attentive = true;
    agent.life = { status: 'joined', resumeToken: event.resumeToken };
    refreshAgent(state, agent);
  },

  agent_offline(state, event) {
    const agent = agentOf(state, event.agentId);
    if (!('resumeToken' in agent.life)) return;
    const { resumeToken } = agent.life;
    agent.life = { status: 'offline', resumeToken, until: event.until, reason: event.reason };
    refreshAgent(state, agent);
    // The worker may be finishing what it holds, without a way to say so: nothing of it lapses before the grace does.
    eachClaim(state, agent, (task, phase, assignment, claim) => {
      assignment.work = {
        ...claim,
        leaseUntil: Math.max(claim.leaseUntil, event.until),
        timeoutAt: Math.max(claim.timeoutAt, event.until),
      };
      refreshAssignment(state, task, phase, assignment, agent.id);
    });
  },

  agent_restarted(state, event) {
    const agent = agentOf(state, event.agentId);
    agent.restarts += 1;
    endWhatHangsOn(state, agent, () => true);
    agent.life = { status: 'spawning', joinToken: event.joinToken, since: event.at, until: event.until };
    refreshAgent(state, agent);
  },

  agent_failed(state, event) {
    closeAgent(state, agentOf(state, event.agentId), { status: 'failed', reason: event.reason, at: event.at });
  },

  agent_stopped(state, event) {
    closeAgent(state, agentOf(state, event.agentId), { status: 'stopped', reason: event.reason, at: event.at });
  },

  agent_attentive(state, event) {
    const agent = agentOf(state, event.agentId);
    agent.attentive = event.attentive;
    refreshAgent(state, agent);
  },

  agent_draining(state, event) {
    const agent = agentOf(state, event.agentId);
    agent.draining = { since: event.at, reason: event.reason };
    refreshAgent(state, agent);
  },

  agents_forgotten(state, event) {
    for (const agentId of event.agentIds) {
      forgetAgent(state, agentOf(state, agentId));
      state.agents.delete(agentId);
      forgetFirst(state.closedAgents, agentId);
    }
    refreshSwarm(state);
  },

  task_accepted(state, event) {
    const task: Task = {
      id: event.taskId,
      seq: swarmOf(state).nextTaskSeq++,
      description: event.description,
      priority: event.priority,
      strategy: event.strategy,
      resolvedStrategy: event.resolvedStrategy,
      strategyReason: event.strategyReason,
      status: 'orchestrating',
      reason: null,
      input: event.input,
      retry: event.retry,
      createdAt: event.at,
      deadlineAt: event.deadlineAt,
      budget: event.budget ?? null,
      usage: null,
      startedAt: null,
      endedAt: null,
      phases: event.phases.map(plannedPhase),
    };
    if (event.planning !== undefined) Object.assign(task, { planning: event.planning });
    state.tasks.set(task.id, task);
    refreshTask(state, task);
    for (const name of event.opens) openPhase(state, task, phaseOf(task, name), event.at);
  },

  assignment_offered(state, event) {
    setWork(state, event.assignmentId, { status: 'offered', agentId: event.agentId, until: event.until }, event.at);
  },

  task_planned(state, event) {
    taskOf(state, event.taskId).phases.push(...event.phases.map(plannedPhase));
  },

  planning_reopened(state, event) {
    const task = taskOf(state, event.taskId);
    const phase = plannedPhase(event.planner);
    task.phases.push(phase);
    openPhase(state, task, phase, event.at);
  },

  assignments_added(state, event) {
    const task = taskOf(state, event.taskId);
    const phase = phaseOf(task, event.phase);
    addAssignments(state, task, phase, event.count, event.at, phase.round === undefined ? {} : { round: phase.round });
  },

  phase_rerun(state, event) {
    const task = taskOf(state, event.taskId);
    const phase = phaseOf(task, event.phase);
    phase.round = (phase.round ?? 1) + 1;
    addAssignments(state, task, phase, event.count, event.at, { round: phase.round });
  },

  judging_opened(state, event) {
    const task = taskOf(state, event.taskId);
    const phase = phaseOf(task, event.phase);
    phase.judging = { orders: event.orders };
    for (const judges of [0, 1] as const) addAssignments(state, task, phase, 1, event.at, { judges });
  },

  decision_asked(state, event) {
    const task = taskOf(state, event.taskId);
    phaseOf(task, event.phase).asked = { reason: event.reason, candidates: event.candidates, since: event.at };
    task.status = 'waiting';
    task.reason = waitsForDecision(event.phase, event.reason);
  },

  offer_withdrawn(state, event) {
    setWork(state, event.assignmentId, queued, event.at);
  },

  assignment_ready(state, event) {
    const { task, phase, assignment } = assignmentOf(state, event.assignmentId);
    assignment.readyAt = event.at;
    changeWork(state, task, phase, assignment, queued, event.at);
  },

  assignment_claimed(state, event) {
    const { task, phase, assignment } = assignmentOf(state, event.assignmentId);
    assignment.attempt = event.attempt;
    assignment.usage = null;
    task.startedAt ??= event.at;
    if (task.status === 'orchestrating') task.status = 'running';
    if (event.weight !== undefined) assignment.weight = event.weight;
    else delete assignment.weight;
    changeWork(
      state,
      task,
      phase,
      assignment,
      {
        status: 'claimed',
        agentId: event.agentId,
        leaseToken: event.leaseToken,
        claimedAt: event.at,
        leaseUntil: event.leaseUntil,
        timeoutAt: event.timeoutAt,
        progress: null,
      },
      event.at,
    );
  },

  leases_renewed(state, event) {
    const agent = agentOf(state, event.agentId);
    eachClaim(state, agent, (task, phase, assignment, claim) => {
      assignment.work = { ...claim, leaseUntil: event.until };
      refreshAssignment(state, task, phase, assignment, agent.id);
    });
  },

  progress_reported(state, event) {
    const { task, assignment } = assignmentOf(state, event.assignmentId);
    if (assignment.work.status !== 'claimed') return;
    assignment.work = { ...assignment.work, progress: event.progress };
    reportUsage(state, task, assignment, event.usage);
  },

  assignment_released(state, event) {
    const { task, phase, assignment } = assignmentOf(state, event.assignmentId);
    assignment.releases += 1;
    const holder = holderOf(assignment);
    if (event.retryAt !== null && holder !== null) prefersOthers(assignment, holder);
    changeWork(
      state,
      task,
      phase,
      assignment,
      event.retryAt === null ? queued : { status: 'backoff', until: event.retryAt },
      event.at,
    );
  },

  attempt_succeeded(state, event) {
    const { task, phase, assignment } = assignmentOf(state, event.assignmentId);
    const agent = agentOf(state, event.agentId);
    const startedAt = assignment.work.status === 'claimed' ? assignment.work.claimedAt : event.at;
    reportUsage(state, task, assignment, event.usage);
    const took = event.at - startedAt;
    agent.restarts = 0;
    agent.record.successes += 1;
    agent.record.averageMs = agent.record.averageMs === null ? took : 0.7 * agent.record.averageMs + 0.3 * took;
    remember(agent, phase, 'success');
    const metrics = typeMetrics(state, agent.type);
    metrics.successes += 1;
    metrics.successMs += took;
    changeWork(
      state,
      task,
      phase,
      assignment,
      {
        status: 'succeeded',
        agentId: agent.id,
        result: event.result,
        ballot: event.ballot,
        ...(event.details !== undefined && { details: event.details }),
        startedAt,
        endedAt: event.at,
        version: state.version,
      },
      event.at,
    );
    refreshAgent(state, agent);
  },

  attempt_failed(state, event) {
    const { task, phase, assignment } = assignmentOf(state, event.assignmentId);
    const { agentId } = event.error;
    const startedAt = assignment.work.status === 'claimed' ? assignment.work.claimedAt : null;
    assignment.failures += 1;
    assignment.lastError = event.error;
    reportUsage(state, task, assignment, event.usage);
    prefersOthers(assignment, agentId);
    const agent = state.agents.get(agentId);
    changeWork(
      state,
      task,
      phase,
      assignment,
      event.retryAt === null
        ? { status: 'failed', agentId, startedAt, endedAt: event.at }
        : { status: 'backoff', until: event.retryAt },
      event.at,
    );
    if (agent !== undefined) {
      agent.record.failures += 1;
      remember(agent, phase, 'failure');
      if (event.error.reason === 'timeout' || event.error.reason === 'lease_expired') {
        revoke(agent, assignment.id, event.at);
      }
      refreshAgent(state, agent);
    }
  },

  phase_settled(state, event) {
    const task = taskOf(state, event.taskId);
    const phase = phaseOf(task, event.phase);
    closePhase(state, task, phase, event.status, event.reason, event.at);
    phase.outcome = event.outcome;
    for (const name of event.opens) openPhase(state, task, phaseOf(task, name), event.at);
  },

  task_ended(state, event) {
    endTask(state, taskOf(state, event.taskId), event.status, event.reason, event.at);
  },

  tasks_forgotten(state, event) {
    for (const taskId of event.taskIds) {
      forgetTask(state, taskOf(state, taskId));
      state.tasks.delete(taskId);
      forgetFirst(state.endedTasks, taskId);
    }
    refreshSwarm(state);
  },

  message_sent(state, event) {
    storeMessage(state, agentOf(state, event.to), event, null);
  },

  message_broadcast(state, event) {
    for (const { agentId, hops } of event.receivers) storeMessage(state, agentOf(state, agentId), event, hops);
  },

  messages_acknowledged(state, event) {
    removeMessages(state, agentOf(state, event.agentId), (message) => message.seq <= event.upTo);
  },

  messages_expired(state, event) {
    const expired = new Set(event.messageIds);
    removeMessages(state, agentOf(state, event.agentId), (message) => expired.has(message.id));
  },

  files_reserved(state, event) {
    const { reservationId: id, agentId, assignmentId, globs, mode, until } = event;
    const reservation: Reservation = { id, agentId, assignmentId, globs, mode, until };
    state.reservations.set(id, reservation);
    refreshReservation(state, reservation);
  },

  files_released(state, event) {
    const reservation = state.reservations.get(event.reservationId);
    if (reservation === undefined) throw new Error(`no reservation ${event.reservationId}`);
    const left = reservation.globs.filter((glob) => !event.globs.includes(glob));
    if (left.length === 0) return endReservation(state, reservation);
    reservation.globs = left;
    refreshReservation(state, reservation);
  },

  approval_requested(state, event) {
    const { approvalId: id, agentId, assignmentId, tool, toolUseId, fingerprint, at } = event;
    for (const forgotten of event.forgets) endApproval(state, approvalOf(state, forgotten));
    const { json: input } = event.input;
    const approval: Approval = { id, agentId, assignmentId, tool, input, toolUseId, fingerprint, at, answer: null };
    state.approvals.set(id, approval);
    refreshApproval(state, approval);
    if (assignmentId !== null) waitForPerson(state, agentId, assignmentId, at);
  },

  approval_decided(state, event) {
    const approval = approvalOf(state, event.approvalId);
    const { behavior, message, updatedInput, at } = event;
    approval.input = null;
    approval.answer = { behavior, message, updatedInput, at };
    refreshApproval(state, approval);
    if (approval.assignmentId !== null) waitForPerson(state, approval.agentId, approval.assignmentId, at);
  },

  request_answered(state, event) {
    for (;;) {
      const oldest = state.answeredRequests.first();
      if (oldest === undefined || state.requests.get(oldest)!.at >= event.forgetBefore) break;
      state.requests.delete(oldest);
      state.answeredRequests.shift();
    }
    // Clocks differ: one whose time was over may still be here, behind one that is younger.
    if (!state.requests.has(event.requestId)) state.answeredRequests.push(event.requestId);
    state.requests.set(event.requestId, {
      command: event.command,
      fingerprint: event.fingerprint,
      at: event.at,
      answer: event.answer,
    });
  },
};

// ---- what follows without a choice

function plannedPhase(plan: PhasePlan): Phase {
  const planned = { status: 'waiting', reason: null, assignments: [], outcome: null, openedAt: null, endedAt: null };
  return Object.assign(planned as Pick<Phase, keyof typeof planned>, plan);
}

function openPhase(state: State, task: Task, phase: Phase, at: number): void {
  phase.status = 'running';
  phase.openedAt = at;
  addAssignments(state, task, phase, phase.parallelism, at, {});
}

function addAssignments(
  state: State,
  task: Task,
  phase: Phase,
  count: number,
  at: number,
  part: Pick<Assignment, 'round' | 'judges'>,
): void {
  const before = phase.assignments.length;
  const added = Array.from({ length: count }, (_, index): Assignment => {
    const assignment: Assignment = {
      id: `${task.id}/${phase.name}/${before + index + 1}`,
      attempt: 0,
      failures: 0,
      releases: 0,
      readyAt: at,
      triedBy: none,
      lastError: null,
      usage: null,
      work: queued,
    };
    return Object.assign(assignment, part);
  });
  phase.assignments = before === 0 ? added : [...phase.assignments, ...added];
  for (const assignment of added) refreshAssignment(state, task, phase, assignment, null);
}

function closePhase(
  state: State,
  task: Task,
  phase: Phase,
  status: Phase['status'],
  reason: string | null,
  at: number,
): void {
  phase.status = status;
  phase.reason = reason;
  phase.endedAt = at;
  for (const assignment of phase.assignments) cancelAssignment(state, task, phase, assignment, at);
  if (phase.asked !== undefined) {
    delete phase.asked;
    const next = task.phases.find((of) => of.asked !== undefined);
    task.status = next === undefined ? 'running' : 'waiting';
    task.reason = next === undefined ? null : waitsForDecision(next.name, next.asked!.reason);
  }
}

function waitsForDecision(phase: string, reason: string): string {
  return `phase ${phase} waits for a decision: ${reason}`;
}

function cancelAssignment(state: State, task: Task, phase: Phase, assignment: Assignment, at: number): void {
  const { work } = assignment;
  if (work.status === 'succeeded' || work.status === 'failed' || work.status === 'cancelled') return;
  if (work.status === 'claimed') {
    const agent = state.agents.get(work.agentId);
    if (agent !== undefined) revoke(agent, assignment.id, at);
  }
  changeWork(
    state,
    task,
    phase,
    assignment,
    {
      status: 'cancelled',
      agentId: holderOf(assignment),
      startedAt: work.status === 'claimed' ? work.claimedAt : null,
      endedAt: at,
    },
    at,
  );
}

function endTask(state: State, task: Task, status: Task['status'], reason: string | null, at: number): void {
  const { metrics } = swarmOf(state);
  for (const phase of task.phases) {
    if (phase.status === 'waiting' || phase.status === 'running') {
      closePhase(state, task, phase, 'cancelled', reason, at);
    }
  }
  task.status = status;
  task.reason = reason;
  task.endedAt = at;
  if (status === 'completed') {
    metrics.tasksCompleted += 1;
    metrics.completedMs += at - task.createdAt;
  } else if (status === 'failed') metrics.tasksFailed += 1;
  else metrics.tasksCancelled += 1;
  state.endedTasks.push(task.id);
  taskHasEnded(state, task);
  refreshSwarm(state);
}

function closeAgent(state: State, agent: Agent, life: Agent['life']): void {
  agent.life = life;
  endWhatHangsOn(state, agent, () => true);
  state.closedAgents.push(agent.id);
  refreshAgent(state, agent);
  refreshSwarm(state);
}

function storeMessage(
  state: State,
  agent: Agent,
  event: Pick<Extract<Event, { type: 'message_sent' }>, 'messageId' | 'from' | 'at' | 'replyTo' | 'body' | 'expiresAt'>,
  hops: number | null,
): void {
  const message: Message = {
    id: event.messageId,
    seq: agent.nextMessageSeq++,
    from: event.from,
    sentAt: event.at,
    replyTo: event.replyTo,
    body: event.body,
    ...(event.expiresAt !== undefined && { expiresAt: event.expiresAt }),
    ...(hops !== null && { hops }),
  };
  agent.inbox.push(message);
  messageStored(state, agent, message);
}

function removeMessages(state: State, agent: Agent, isGone: (message: Message) => boolean): void {
  const removed: Message[] = [];
  const kept: Message[] = [];
  for (const message of agent.inbox) (isGone(message) ? removed : kept).push(message);
  agent.inbox = kept;
  messagesRemoved(state, agent, removed);
}

function setWork(state: State, assignmentId: string, work: Work, at: number): void {
  const { task, phase, assignment } = assignmentOf(state, assignmentId);
  changeWork(state, task, phase, assignment, work, at);
}

function changeWork(state: State, task: Task, phase: Phase, assignment: Assignment, work: Work, at: number): void {
  const before = holderOf(assignment);
  if (assignment.work.status === 'claimed') {
    const agent = state.agents.get(assignment.work.agentId);
    if (agent !== undefined) {
      agent.idleSince = at;
      endWhatHangsOn(state, agent, (of) => of.assignmentId === assignment.id);
    }
  }
  if (assignment.work.status === 'claimed' && isUnknown(assignment.usage)) {
    const sums = usageOf(task);
    task.usage = { ...sums, unknownAttempts: sums.unknownAttempts + 1 };
  }
  assignment.work = work;
  refreshAssignment(state, task, phase, assignment, before);
}

/** Reservations and approvals end with the claim, or the agent, that they are for. */
function endWhatHangsOn(state: State, agent: Agent, ending: (of: Reservation | Approval) => boolean): void {
  const entry = state.indexes.agents.get(agent.id);
  for (const id of entry?.reservations ?? []) {
    const reservation = state.reservations.get(id)!;
    if (ending(reservation)) endReservation(state, reservation);
  }
  for (const id of entry?.approvals ?? []) {
    const approval = state.approvals.get(id)!;
    if (ending(approval)) endApproval(state, approval);
  }
}

function endReservation(state: State, reservation: Reservation): void {
  state.reservations.delete(reservation.id);
  forgetReservation(state, reservation);
}

function endApproval(state: State, approval: Approval): void {
  state.approvals.delete(approval.id);
  forgetApproval(state, approval);
}

/** The clock of an attempt stands still from the first approval that waits until none does. */
function waitForPerson(state: State, agentId: string, assignmentId: string, at: number): void {
  const { task, phase, assignment } = assignmentOf(state, assignmentId);
  const { work } = assignment;
  if (work.status !== 'claimed') throw new Error(`${assignmentId} has an approval but is ${work.status}`);
  const { since, ms } = work.waits ?? { since: null, ms: 0 };
  const waiting = [...state.indexes.agents.get(agentId)!.approvals].some((id) => {
    const approval = state.approvals.get(id)!;
    return approval.assignmentId === assignmentId && approval.answer === null;
  });
  if (waiting === (since !== null)) return;
  const waits = waiting ? { since: at, ms } : { since: null, ms: ms + Math.max(0, at - since!) };
  assignment.work = { ...work, waits };
  refreshAssignment(state, task, phase, assignment, agentId);
}

function reportUsage(state: State, task: Task, assignment: Assignment, reported: Usage | null): void {
  const usage = newestUsage(assignment.usage, reported);
  if (usage === null || usage === assignment.usage) return;
  const wasOver = overBudget(task) !== null;
  task.usage = addUsage(usageOf(task), assignment.usage, usage);
  assignment.usage = usage;
  if ((overBudget(task) !== null) !== wasOver) refreshBudget(state, task);
}

function holderOf({ work }: Assignment): string | null {
  return work.status === 'offered' || work.status === 'claimed' ? work.agentId : null;
}

function eachClaim(
  state: State,
  agent: Agent,
  change: (task: Task, phase: Phase, assignment: Assignment, claim: Extract<Work, { status: 'claimed' }>) => void,
): void {
  for (const { task, phase, assignment } of state.indexes.agents.get(agent.id)?.work.values() ?? []) {
    if (assignment.work.status === 'claimed') change(task, phase, assignment, assignment.work);
  }
}

function prefersOthers(assignment: Assignment, agentId: string): void {
  if (!assignment.triedBy.includes(agentId)) assignment.triedBy = [...assignment.triedBy, agentId];
}

function remember({ record }: Agent, phase: Phase, outcome: 'success' | 'failure'): void {
  record.recent.push(outcome);
  if (record.recent.length > recentAttempts) record.recent.shift();
  const kind = kindOf(phase);
  if (kind === null) return;
  const before = record.kinds.find((of) => of.kind === kind)?.share ?? 0.5;
  const share = 0.7 * before + (outcome === 'success' ? 0.3 : 0);
  record.kinds = [...record.kinds.filter((of) => of.kind !== kind), { kind, share }].slice(-recentKinds);
}

function revoke(agent: Agent, assignmentId: string, at: number): void {
  agent.revoked = agent.revoked.filter((revoked) => revoked.at > at - agent.leaseMs).slice(1 - revokedMax);
  agent.revoked.push({ assignmentId, at });
}

/** What is over is forgotten in the order in which it ended. */
function forgetFirst(ended: Fifo<string>, id: string): void {
  if (ended.shift() !== id) throw new Error(`${id} is not the one that ended first`);
}

// ---- lookups: an event that names what is not there is a bug

function swarmOf(state: State): Swarm {
  if (state.swarm === null) throw new Error('the swarm has not been created');
  return state.swarm;
}

function agentOf(state: State, agentId: string): Agent {
  const agent = state.agents.get(agentId);
  if (agent === undefined) throw new Error(`no agent ${agentId}`);
  return agent;
}

function taskOf(state: State, taskId: string): Task {
  const task = state.tasks.get(taskId);
  if (task === undefined) throw new Error(`no task ${taskId}`);
  return task;
}

function phaseOf(task: Task, name: string): Phase {
  const phase = task.phases.find((candidate) => candidate.name === name);
  if (phase === undefined) throw new Error(`task ${task.id} has no phase ${name}`);
  return phase;
}

function approvalOf(state: State, approvalId: string): Approval {
  const approval = state.approvals.get(approvalId);
  if (approval === undefined) throw new Error(`no approval ${approvalId}`);
  return approval;
}

function typeMetrics(state: State, agentType: string): TypeMetrics {
  const { types } = swarmOf(state).metrics;
  const measured = measuredType(types, agentType) ?? { successes: 0, successMs: 0, spawns: 0, spawnMs: 0 };
  types[agentType] = measured;
  return measured;
}

function assignmentOf(state: State, assignmentId: string): Placed {
  const found = findAssignment(state, assignmentId);
  if (found === undefined) throw new Error(`no assignment ${assignmentId}`);
  return found;
}

/** By its id, which says where it is: `taskId/phase/copy`. */
export function findAssignment(state: State, assignmentId: string): Placed | undefined {
  const first = assignmentId.indexOf('/');
  const last = assignmentId.lastIndexOf('/');
  const task = state.tasks.get(assignmentId.slice(0, first));
  const name = assignmentId.slice(first + 1, last);
  const phase = task?.phases.find((candidate) => candidate.name === name);
  const assignment = phase?.assignments[Number(assignmentId.slice(last + 1)) - 1];
  if (task === undefined || phase === undefined || assignment?.id !== assignmentId) return undefined;
  return { task, phase, assignment };
}
