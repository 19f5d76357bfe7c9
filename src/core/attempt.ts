/**
 * Rules of ending an attempt: a result or a failure, accepted only from the current holder.
 */
import { claimEnded, failAttempt, holding } from './lease.ts';
import { pendingFor } from './pending.ts';
import { choiceOf } from './judging.ts';
import { phasesPlanned } from './planner.ts';
import type { Json } from './json.ts';
import { isRefusal, type Refusal } from './refusal.ts';
import { happened, type Rule } from './rule.ts';
import { findAssignment } from './evolve.ts';
import { assignmentStatus, type Assignment, type Ballot, type Phase } from './state.ts';
import { ballotOf } from './ballot.ts';
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
