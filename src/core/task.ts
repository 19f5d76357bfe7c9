/**
 * Rules of a task from acceptance to its one end, and what is told about it.
 *
 *     orchestrating ──first claim──> running <──task_decide── waiting (for a person)
 *           │                           │ └──no rule decides──────^ │
 *           │                           └──all phases settled───────┴──> completed | failed
 *           └──── task_cancel, deadline, budget, swarm_destroy ────────> cancelled | failed
 */
import { describeApproval, waitingFor } from './approval.ts';
import { refuse, isRefusal, type Refusal } from './refusal.ts';
import { happened, iso, isoOrNull, type Decision, type Rule, type Show, type World } from './rule.ts';
import {
  assignmentStatus,
  hasEnded,
  measuredType,
  roleOf,
  type Asked,
  type Assignment,
  type Phase,
  type State,
  type Task,
} from './state.ts';
import { overBudget, usageOf } from './budget.ts';
import { whyWaiting } from './explain.ts';
import { isClaimed } from './index/tasks.ts';
import { planTask } from './plan.ts';
import { decidingPhases, defaultsIn, leaveToAgent } from './planner.ts';
import { openClaims, placements } from './settle.ts';
import { mayAssign } from './topology.ts';
import { countsBallots, describeConsensus, maxFailures, partIn, requiredVotes, tally, winningResult } from './vote.ts';

export const taskOrchestrate: Rule<'task_orchestrate'> = (state, { task: request, from }, world) => {
  const forbidden = mayAssign(state, from);
  if (forbidden !== null) return forbidden;
  if (state.indexes.liveTasks >= state.limits.liveTasksMax) {
    return refuse(
      'task_limit',
      `the swarm has ${state.indexes.liveTasks} tasks that have not ended, which is the most: wait for some to end or cancel some`,
      { liveTasksMax: state.limits.liveTasksMax },
    );
  }
  const plan = request.planned ? leaveToAgent(state, request) : planTask(state, request, world);
  if (isRefusal(plan)) return plan;
  const taskId = world.id('task');
  const opens = plan.phases.filter((phase) => phase.dependencies.length === 0).map((phase) => phase.name);
  return {
    events: [
      happened(world, {
        type: 'task_accepted',
        taskId,
        description: request.description,
        priority: request.priority,
        strategy: plan.strategy,
        resolvedStrategy: plan.resolvedStrategy,
        strategyReason: plan.strategyReason,
        input: request.input === undefined ? null : world.keep(request.input),
        retry: request.retry,
        deadlineAt: request.deadlineMs === null ? null : world.now + request.deadlineMs,
        budget: request.budget,
        phases: plan.phases,
        opens,
        ...(request.planned && { planning: defaultsIn(request) }),
      }),
    ],
    then: plan.phases
      .filter(({ name }) => opens.includes(name))
      .flatMap(({ name, parallelism }) => placements(taskId, name, 1, parallelism)),
    reply: (after) => describeAccepted(after, after.tasks.get(taskId)!, world.now),
  };
};

export const taskCancel: Rule<'task_cancel'> = (state, command, world) => {
  const task = state.tasks.get(command.taskId);
  if (task === undefined) return refuseUnknownTask(state, command.taskId);
  if (task.endedAt !== null) {
    return refuse(
      'task_ended',
      `task ${task.id} ${hasEnded(task)} at ${iso(task.endedAt)}; there is nothing to cancel`,
      {
        taskId: task.id,
        status: task.status,
      },
    );
  }
  return {
    ...endTask(task, 'cancelled', command.reason ?? 'cancelled on request', world),
    reply: (after) => describeTask(after, after.tasks.get(task.id)!, world.now),
  };
};

/** Its deadline has passed, or its budget is used up and nothing of it is claimed any more. */
export function taskDue(state: State, taskId: string, world: World): Decision {
  const task = state.tasks.get(taskId)!;
  const over = isClaimed(task) ? null : overBudget(task);
  return endTask(task, 'failed', over === null ? 'deadline_exceeded' : `budget_exceeded: ${over}`, world);
}

function endTask(task: Task, status: 'cancelled' | 'failed', reason: string, world: World): Decision {
  return {
    events: [happened(world, { type: 'task_ended', taskId: task.id, status, reason })],
    effects: [...openClaims(task.phases), { kind: 'wake', key: `task:${task.id}` }],
    then: [{ type: 'forget_excess' }],
  };
}

// ---- asking

export const taskStatus: Rule<'task_status'> = (state, { taskId }, world) => {
  if (!state.tasks.has(taskId)) return refuseUnknownTask(state, taskId);
  return { reply: (after) => describeTask(after, after.tasks.get(taskId)!, world.now) };
};

export const taskWait: Rule<'task_wait'> = (state, { taskId }, world) => {
  const task = state.tasks.get(taskId);
  if (task === undefined) return refuseUnknownTask(state, taskId);
  const ended = task.endedAt !== null;
  return {
    ...(!ended && { idle: `task:${taskId}` as const }),
    reply: (after, show) =>
      Object.assign(describeTask(after, task, world.now), { ended }, ended ? describeResults(task, show) : {}),
  };
};

export const taskResults: Rule<'task_results'> = (state, { taskId }) => {
  const task = state.tasks.get(taskId);
  if (task === undefined) return refuseUnknownTask(state, taskId);
  return { reply: (after, show) => Object.assign(identify(after, task), describeResults(task, show)) };
};

/** Newest first; the cursor is the number of the last task shown. */
export const taskList: Rule<'task_list'> = (state, { filter, limit, cursor }) => {
  const found: Task[] = [];
  let seq = Math.min(cursor === null ? Infinity : Number(cursor), state.swarm!.nextTaskSeq) - 1;
  for (let seen = 0; seq >= 1 && seen < state.tasks.size && found.length < limit; seq -= 1) {
    const task = state.indexes.taskBySeq.get(seq);
    if (task === undefined) continue;
    seen += 1;
    if (isListed(task, filter)) found.push(task);
  }
  const more = found.length === limit && seq >= 1;
  return {
    reply: (after) => ({
      swarmId: after.swarm!.id,
      tasks: found.map((task) =>
        Object.assign(identify(after, task), {
          description: task.description,
          priority: task.priority,
          progress: progressOf(task),
          createdAt: iso(task.createdAt),
          endedAt: isoOrNull(task.endedAt),
        }),
      ),
      cursor: more ? String(found.at(-1)!.seq) : null,
    }),
  };
};

function isListed(task: Task, filter: string): boolean {
  return filter === 'all' || task.status === filter || (filter === 'active' && task.endedAt === null);
}

export function refuseUnknownTask(state: State, taskId: string): Refusal {
  const { taskRetentionMs } = state.limits;
  return refuse(
    'task_not_found',
    `swarm ${state.swarm!.id} has no task ${taskId}: task_list shows the tasks that it has; ended ones are kept for ${taskRetentionMs / 3_600_000} h`,
    { taskId },
  );
}

// ---- replies

/** To be assigned to: V8 of Node 20 takes a microsecond for each member that a literal has after a spread. */
function identify(state: State, task: Task): object {
  return { taskId: task.id, swarmId: state.swarm!.id, status: task.status, reason: task.reason };
}

function describeAccepted(state: State, task: Task, now: number): object {
  const assigned = new Map<string, object>();
  for (const phase of task.phases) {
    for (const agentId of agentsOf(phase)) {
      const agent = state.agents.get(agentId)!;
      assigned.set(agentId, { agentId, role: roleOf(agent), capabilities: agent.capabilities });
    }
  }
  return Object.assign(identify(state, task), {
    resolvedStrategy: task.resolvedStrategy,
    strategyReason: task.strategyReason,
    assignedAgents: [...assigned.values()],
    orchestrationPlan: {
      phases: task.phases.map((phase) => {
        const waitingFor = whyWaiting(state, task, phase, now);
        const planned = {
          name: phase.name,
          agents: agentsOf(phase),
          estimatedDuration: estimateSeconds(state, phase),
          dependencies: phase.dependencies,
          requiredCapabilities: phase.requiredCapabilities,
          parallelism: phase.parallelism,
          resultAggregation: phase.rules.aggregation,
          requiredVotes: votesToWin(phase),
          maxFailures: maxFailures(phase.rules, phase.parallelism),
        };
        return waitingFor === null ? planned : { ...planned, waitingFor };
      }),
    },
    coordination: describeCoordination(state, task),
    estimatedCompletion: estimateCompletion(state, task, now),
  });
}

/** Of the phase whose results are the hardest to bring together; of one that is still to be planned, what holds for all. */
function describeCoordination(state: State, { phases, planning }: Task): object {
  if (planning !== undefined) {
    const threshold = planning.consensusThreshold ?? state.swarm!.consensusThreshold;
    return {
      consensusThreshold: planning.consensusRequired ? threshold : null,
      votingMechanism: planning.votingMechanism,
      conflictResolution: planning.conflictResolution ?? 'fail',
      requiredVotes: null,
      maxFailures: 0,
    };
  }
  const hardness = ({ rules, parallelism }: Phase): number =>
    (rules.conflictResolution !== undefined ? 2_000 : countsBallots(rules) ? 1_000 : 0) + parallelism;
  const { rules, parallelism } = phases.reduce((most, phase) => (hardness(phase) > hardness(most) ? phase : most));
  return {
    consensusThreshold: rules.consensusRequired ? rules.consensusThreshold : null,
    votingMechanism: !countsBallots(rules) ? null : rules.aggregation === 'weighted_vote' ? 'weighted' : 'equal',
    conflictResolution: rules.conflictResolution ?? 'fail',
    requiredVotes: votesToWin({ rules, parallelism }),
    maxFailures: maxFailures(rules, parallelism),
  };
}

/** Equal ballots that win; null where they are not counted, or how many is not known before they are in. */
function votesToWin({ rules, parallelism }: Pick<Phase, 'rules' | 'parallelism'>): number | null {
  return rules.aggregation === 'majority_vote' ? requiredVotes(rules, parallelism) : null;
}

function agentsOf(phase: Phase): string[] {
  const found: string[] = [];
  for (const { work } of phase.assignments) {
    if ('agentId' in work && work.agentId !== null) found.push(work.agentId);
  }
  return found;
}

/** Types of the agents that have the work or, as long as it is nobody's, the one that it is for. */
function typesOf(state: State, phase: Phase): string[] {
  const agents = agentsOf(phase);
  if (agents.length >= phase.parallelism) return agents.map((agentId) => state.agents.get(agentId)!.type);
  return phase.agentType === null ? [] : [phase.agentType];
}

/** Seconds, from what this swarm measured of the types of the phase's agents; null when that is not known. */
function estimateSeconds(state: State, phase: Phase): number | null {
  const types = typesOf(state, phase);
  if (types.length === 0) return null;
  let longest = 0;
  for (const type of types) {
    const measured = measuredType(state.swarm!.metrics.types, type);
    if (measured === undefined || measured.successes === 0) return null;
    longest = Math.max(longest, measured.successMs / measured.successes / 1000);
  }
  return longest;
}

/** The longest way through the graph; null when any phase of it is unknown. */
function estimateCompletion(state: State, task: Task, now: number): string | null {
  const ends = new Map<string, number>();
  const endOf = (phase: Phase): number | null => {
    const known = ends.get(phase.name);
    if (known !== undefined) return known;
    const own = estimateSeconds(state, phase);
    if (own === null) return null;
    let start = 0;
    for (const name of phase.dependencies) {
      const end = endOf(task.phases.find((of) => of.name === name)!);
      if (end === null) return null;
      start = Math.max(start, end);
    }
    ends.set(phase.name, start + own);
    return start + own;
  };
  let last = 0;
  for (const phase of task.phases) {
    const end = endOf(phase);
    if (end === null) return null;
    last = Math.max(last, end);
  }
  return iso(now + last * 1000);
}

export function describeTask(state: State, task: Task, now: number): object {
  return Object.assign(identify(state, task), {
    description: task.description,
    priority: task.priority,
    progress: progressOf(task),
    phases: task.phases.map((phase) => describePhase(state, task, phase, now)),
    budget: task.budget,
    usage: usageOf(task),
    createdAt: iso(task.createdAt),
    startedAt: isoOrNull(task.startedAt),
    endedAt: isoOrNull(task.endedAt),
    deadlineAt: isoOrNull(task.deadlineAt),
  });
}

function progressOf(task: Task): object {
  const settled = task.phases.filter((phase) => phase.status !== 'waiting' && phase.status !== 'running');
  return { done: settled.length, total: task.phases.length };
}

function describePhase(state: State, task: Task, phase: Phase, now: number): object {
  return {
    name: phase.name,
    status: phase.status,
    reason: phase.reason,
    dependencies: phase.dependencies,
    assignments: phase.assignments.map((assignment) => describeAssignment(phase, assignment)),
    ...(phase.asked !== undefined && { decision: describeDecision(phase, phase.asked) }),
    ...describeApprovals(state, phase),
    ...describeWaiting(state, task, phase, now),
  };
}

function describeAssignment(phase: Phase, assignment: Assignment): object {
  const { id, work, attempt, failures, lastError, usage } = assignment;
  return {
    assignmentId: id,
    agentId: 'agentId' in work ? work.agentId : null,
    status: assignmentStatus({ work }),
    attempt,
    failures,
    ...(work.status === 'claimed' && { leaseExpiresAt: iso(work.leaseUntil), progress: work.progress }),
    ...(lastError !== null && { lastError }),
    ...(usage !== null && { usage }),
    ...partIn(phase, assignment),
  };
}

function describeDecision(phase: Phase, { reason, since, candidates }: Asked): object {
  const ballots = new Map(tally(phase).ballots);
  return {
    reason,
    since: iso(since),
    candidates: candidates.map((id) => {
      const { work } = phase.assignments.find((of) => of.id === id)!;
      const ballot = work.status === 'succeeded' ? (work.ballot?.key ?? null) : null;
      return {
        assignmentId: id,
        agentId: 'agentId' in work ? work.agentId : null,
        ballot,
        weight: ballot === null ? 1 : ballots.get(ballot)!,
      };
    }),
  };
}

function describeApprovals(state: State, phase: Phase): object {
  const approvals = phase.assignments.flatMap((assignment) => waitingFor(state, assignment));
  return approvals.length === 0 ? {} : { approvals: approvals.map(describeApproval) };
}

function describeWaiting(state: State, task: Task, phase: Phase, now: number): object {
  const why = whyWaiting(state, task, phase, now);
  return why === null ? {} : { waitingFor: why };
}

function describeResults(task: Task, show: Show): object {
  const votes = task.phases.flatMap((phase) => describeConsensus(phase) ?? []);
  return {
    result: task.status === 'completed' ? aggregate(task, show) : null,
    results: task.phases.flatMap((phase) =>
      phase.assignments.map((assignment) => describeResult(phase, assignment, show)),
    ),
    consensus: votes.at(-1) ?? null,
    ...(votes.length > 1 && { votes }),
  };
}

function describeResult(phase: Phase, assignment: Assignment, show: Show): object {
  const { id, work, attempt, lastError, usage } = assignment;
  return {
    phase: phase.name,
    assignmentId: id,
    agentId: 'agentId' in work ? work.agentId : null,
    attempt,
    status: assignmentStatus({ work }),
    result: work.status === 'succeeded' ? show(work.result) : null,
    error: work.status === 'succeeded' ? null : lastError,
    usage,
    durationMs: 'startedAt' in work && work.startedAt !== null ? work.endedAt - work.startedAt : null,
    ...('details' in work && { details: work.details }),
    ...partIn(phase, assignment),
  };
}

/** The result of the phase on which no other depends; where several do not, an object of theirs by name. */
function aggregate(task: Task, show: Show): unknown {
  const phases = decidingPhases(task);
  const last = phases.filter((phase) => !phases.some((of) => of.dependencies.includes(phase.name)));
  if (last.length === 1) return winningResult(last[0]!, show);
  return Object.fromEntries(last.map((phase) => [phase.name, winningResult(phase, show)]));
}
