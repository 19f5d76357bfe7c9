/**
 * Rules of ending an attempt: a result or a failure, accepted only from the current holder; or it lapses, is over its time,
 * or its holder is lost. Another attempt follows by the task's retry policy.
 */
import { ballotOf } from './ballot.ts';
import type { Command } from './command.ts';
import type { Event } from './event.ts';
import { findAssignment } from './evolve.ts';
import type { JsonObject, Json } from './json.ts';
import { choiceOf } from './judging.ts';
import { claimEnded, holding } from './lease.ts';
import { isHeldUp } from './offer.ts';
import { heldBy, pendingFor } from './pending.ts';
import { phasesPlanned } from './planner.ts';
import { isRefusal, type Refusal } from './refusal.ts';
import { happened, iso, type Decision, type Effect, type Rule, type World } from './rule.ts';
import {
  assignmentStatus,
  timesOutAt,
  type Agent,
  type Assignment,
  type AttemptError,
  type Claim,
  type Phase,
  type State,
  type Task,
  type Usage,
  type Ballot,
} from './state.ts';
import { countsBallots } from './vote.ts';

export const taskComplete: Rule<'task_complete'> = (state, command, world) => {
  const held = holding(state, command, world.now);
  if (isRefusal(held)) return held;
  const { agent, task, phase, assignment } = held;
  const ballot = ballotFor(phase, assignment, command.result, command.vote);
  if (ballot !== null && isRefusal(ballot)) return ballot;
  const phases = phase.plans === true ? phasesPlanned(state, task, phase, command.plan, world) : null;
  if (phases !== null && isRefusal(phases)) return phases;
  return {
    events: [
      ...(phases === null ? [] : [happened(world, { type: 'task_planned', taskId: task.id, phases })]),
      happened(world, {
        type: 'attempt_succeeded',
        assignmentId: assignment.id,
        agentId: agent.id,
        attempt: assignment.attempt,
        result: world.keep(command.result),
        ballot,
        ...(command.details !== undefined && { details: command.details }),
        usage: command.usage,
      }),
    ],
    effects: [...claimEnded(assignment), { kind: 'wake', key: `work:${agent.id}` }],
    then: [{ type: 'settle_phase', taskId: task.id, phase: phase.name }],
    reply: (after) => ({
      assignmentId: assignment.id,
      taskId: task.id,
      status: 'succeeded',
      taskStatus: after.tasks.get(task.id)?.status ?? 'completed',
      pending: pendingFor(after.agents.get(agent.id)!, world.now),
    }),
  };
};

function ballotFor(
  phase: Phase,
  assignment: Assignment,
  result: Json,
  vote: Json | undefined,
): Ballot | null | Refusal {
  if (assignment.judges !== undefined) {
    const chosen = choiceOf(phase, assignment, result, vote);
    return typeof chosen === 'string' ? { key: chosen, source: 'choice' } : chosen;
  }
  return countsBallots(phase.rules) ? ballotOf(result, vote, phase.rules.voteKey) : null;
}

export const taskFail: Rule<'task_fail'> = (state, command, world) => {
  const held = holding(state, command, world.now);
  if (isRefusal(held)) return held;
  const { agent, task, phase, assignment, claim } = held;
  return {
    ...failAttempt(task, phase, assignment, claim, command, world),
    reply: (after) => {
      const now = findAssignment(after, assignment.id)?.assignment;
      return {
        assignmentId: assignment.id,
        taskId: task.id,
        // `queued`: it will be tried again; `failed` or `cancelled`: it will not.
        status: now === undefined ? 'failed' : assignmentStatus(now),
        attemptsLeft: Math.max(0, task.retry.maxAttempts - (now?.failures ?? task.retry.maxAttempts)),
        taskStatus: after.tasks.get(task.id)?.status ?? 'failed',
        pending: pendingFor(after.agents.get(agent.id)!, world.now),
      };
    },
  };
};

// ---- without its holder

/** A claim, an offer or a backoff has come to its time. */
export function assignmentDue(state: State, assignmentId: string, world: World): Decision {
  const { task, phase, assignment } = findAssignment(state, assignmentId)!;
  const { work } = assignment;
  switch (work.status) {
    case 'backoff':
      return {
        events: [happened(world, { type: 'assignment_ready', assignmentId })],
        then: [{ type: 'place', assignmentId }],
      };
    case 'offered':
      if (isHeldUp(state, task)) {
        // That it was not claimed says nothing about the agent, which may want something else.
        return {
          events: [happened(world, { type: 'offer_withdrawn', assignmentId, reason: 'held_up' })],
          effects: [{ kind: 'wake', key: `work:${work.agentId}` }],
        };
      }
      return {
        events: [
          happened(world, { type: 'offer_withdrawn', assignmentId, reason: 'not_claimed' }),
          happened(world, { type: 'agent_attentive', agentId: work.agentId, attentive: false }),
        ],
        then: [{ type: 'place', assignmentId }],
      };
    case 'claimed': {
      const timedOut = timesOutAt(work) <= world.now;
      const message = timedOut
        ? `no result within the timeout of ${phase.timeoutMs / 1000} s`
        : `no heartbeat since ${iso(work.leaseUntil - state.agents.get(work.agentId)!.leaseMs)}`;
      return failAttempt(
        task,
        phase,
        assignment,
        work,
        { reason: timedOut ? 'timeout' : 'lease_expired', message, details: null, retryable: true, usage: null },
        world,
      );
    }
    default:
      throw new Error(`assignment ${assignmentId} has a timer but is ${work.status}`);
  }
}

/** Ends an agent's claims: as failed attempts when it was lost, as given back when it was told to stop. */
export function releaseClaims(
  state: State,
  agent: Agent,
  why: 'agent_lost' | 'agent_stopped',
  message: string,
  world: World,
): { readonly events: Event[]; readonly effects: Effect[]; readonly then: Command[] } {
  const events: Event[] = [];
  const effects: Effect[] = [];
  const then: Command[] = [];
  for (const { task, phase, assignment } of heldBy(state, agent)) {
    if (assignment.work.status !== 'claimed') continue;
    if (why === 'agent_stopped') {
      events.push(
        happened(world, { type: 'assignment_released', assignmentId: assignment.id, reason: why, retryAt: null }),
      );
      effects.push(...claimEnded(assignment));
      then.push({ type: 'place', assignmentId: assignment.id });
      continue;
    }
    const failed = failAttempt(
      task,
      phase,
      assignment,
      assignment.work,
      { reason: why, message, details: null, retryable: true, usage: null },
      world,
    );
    events.push(...failed.events);
    effects.push(...failed.effects);
    then.push(...failed.then);
  }
  return { events, effects, then };
}

interface AttemptEnd {
  readonly reason: string;
  readonly message: string | null;
  readonly details: JsonObject | null;
  readonly retryable: boolean;
  readonly usage: Usage | null;
}

function failAttempt(
  task: Task,
  phase: Phase,
  assignment: Assignment,
  claim: Claim,
  end: AttemptEnd,
  world: World,
): { readonly events: Event[]; readonly effects: Effect[]; readonly then: Command[] } {
  const error: AttemptError = {
    attempt: assignment.attempt,
    agentId: claim.agentId,
    reason: end.reason,
    message: end.message,
    details: end.details,
  };
  const another = end.retryable && assignment.failures + 1 < task.retry.maxAttempts;
  const retryAt = another ? world.now + backoff(task, assignment.failures, world) : null;
  const { usage } = end;
  return {
    events: [happened(world, { type: 'attempt_failed', assignmentId: assignment.id, error, usage, retryAt })],
    effects: [...claimEnded(assignment), { kind: 'wake', key: `work:${claim.agentId}` }],
    then: another ? [] : [{ type: 'settle_phase', taskId: task.id, phase: phase.name }],
  };
}

/** Exponential backoff has full jitter: anywhere between nothing and the doubled delay. */
function backoff({ retry }: Task, failures: number, world: World): number {
  if (retry.kind !== 'exponential_backoff') return retry.initialMs;
  return Math.floor(world.draw() * Math.min(retry.maxMs, retry.initialMs * 2 ** failures));
}
