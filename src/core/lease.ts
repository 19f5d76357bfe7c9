/**
 * Rules of holding a claim: it is fenced by the attempt number and a lease token. Any call of the holder renews all its
 * leases, at most once per third of a lease.
 */
import { actingAgent, workingAgent } from './acting.ts';
import { newestUsage } from './budget.ts';
import type { Actor } from './command.ts';
import type { Event } from './event.ts';
import { findAssignment } from './evolve.ts';
import { heldBy, pendingFor } from './pending.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { happened, iso, type Effect, type Rule, type World } from './rule.ts';
import {
  assignmentStatus,
  hasEnded,
  timesOutAt,
  waitedMs,
  type Agent,
  type Assignment,
  type Claim,
  type Phase,
  type State,
  type Task,
} from './state.ts';

/**
 * By any call of the holder; one event per third of a lease, whatever the number of calls. A lease that has run out is
 * not brought back: its timer, which is due, comes first.
 */
export function renewLeases(state: State, agent: Agent, world: World): Event[] {
  let earliest = Infinity;
  for (const { assignment } of heldBy(state, agent)) {
    if (assignment.work.status === 'claimed') earliest = Math.min(earliest, assignment.work.leaseUntil);
  }
  if (earliest <= world.now || earliest - world.now >= (agent.leaseMs * 2) / 3) return [];
  return [happened(world, { type: 'leases_renewed', agentId: agent.id, until: world.now + agent.leaseMs })];
}

export const taskUpdate: Rule<'task_update'> = (state, command, world) => {
  const held = holding(state, command, world.now, actingAgent);
  if (isRefusal(held)) return held;
  const { agent, assignment } = held;
  const events: Event[] = [];
  const { progress = held.claim.progress } = command;
  const usage = newestUsage(assignment.usage, command.usage);
  // Asked again, as a waiting one is when it is woken, it reports nothing new.
  if (!isSame(progress, held.claim.progress) || !isSame(usage, assignment.usage)) {
    events.push(happened(world, { type: 'progress_reported', assignmentId: assignment.id, progress, usage }));
  }
  return {
    events,
    // A caller that waits learns at once when the claim ends under its hands.
    idle: `claim:${assignment.id}`,
    reply: (after) => {
      const { work } = findAssignment(after, assignment.id)!.assignment;
      return {
        assignmentId: assignment.id,
        leaseExpiresAt: iso(work.status === 'claimed' ? work.leaseUntil : world.now),
        pending: pendingFor(after.agents.get(agent.id)!, world.now),
        ...(work.status === 'claimed' && work.waits !== undefined && { waitedMs: waitedMs(work.waits, world.now) }),
      };
    },
  };
};

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export const taskRelease: Rule<'task_release'> = (state, command, world) => {
  const held = holding(state, command, world.now);
  if (isRefusal(held)) return held;
  const { agent, assignment } = held;
  const retryAt = world.now + state.limits.releaseDelayMs;
  const reason = command.reason ?? 'released by its holder';
  return {
    events: [happened(world, { type: 'assignment_released', assignmentId: assignment.id, reason, retryAt })],
    effects: [...claimEnded(assignment), { kind: 'wake', key: `work:${agent.id}` }],
    reply: (after) => ({
      assignmentId: assignment.id,
      status: 'queued',
      pending: pendingFor(after.agents.get(agent.id)!, world.now),
    }),
  };
};

/** Nobody knows of the claim, so it can be claimed anew at once, by the same agent too. */
export const claimUndelivered: Rule<'claim_undelivered'> = (state, { assignmentId, leaseToken }, world) => {
  const work = findAssignment(state, assignmentId)?.assignment.work;
  if (work?.status !== 'claimed' || work.leaseToken !== leaseToken) return {};
  return {
    events: [
      happened(world, { type: 'assignment_released', assignmentId, reason: 'reply_undelivered', retryAt: null }),
    ],
    then: [{ type: 'place', assignmentId }],
  };
};

export interface Held {
  readonly agent: Agent;
  readonly task: Task;
  readonly phase: Phase;
  readonly assignment: Assignment;
  readonly claim: Claim;
}

/** The assignment that is meant where none is named: the only one that the agent has claimed; null: it has none. */
export function onlyClaim(state: State, agent: Agent, sayWith: string): string | null | Refusal {
  const claimed = heldBy(state, agent).flatMap(({ assignment: { id, work } }) =>
    work.status === 'claimed' ? [id] : [],
  );
  if (claimed.length <= 1) return claimed[0] ?? null;
  return refuse(
    'invalid_arguments',
    `agent ${agent.id} holds several assignments: say with ${sayWith} (${claimed.join(', ')})`,
    { assignmentIds: claimed },
  );
}

/** The claim that a caller speaks of, if it is still its agent's own and its lease has not run out. */
export function holding(
  state: State,
  command: { readonly actor: Actor; readonly assignmentId: string; readonly leaseToken: string },
  now: number,
  agentOf: typeof actingAgent = workingAgent,
): Held | Refusal {
  const agent = agentOf(state, command.actor);
  if (isRefusal(agent)) return agent;
  const found = findAssignment(state, command.assignmentId);
  if (found === undefined) {
    return refuse(
      'assignment_not_found',
      `there is no assignment ${command.assignmentId}: use the assignmentId that task_next gave, of a task that is not long over`,
      { assignmentId: command.assignmentId },
    );
  }
  const { task, phase, assignment } = found;
  const { work } = assignment;
  if (work.status !== 'claimed' || work.agentId !== agent.id || work.leaseToken !== command.leaseToken) {
    return leaseLost(assignment, task, agent, whyNotHeld(assignment, task, agent));
  }
  if (work.leaseUntil <= now || timesOutAt(work) <= now) {
    return leaseLost(
      assignment,
      task,
      agent,
      `its lease ran out at ${iso(Math.min(work.leaseUntil, timesOutAt(work)))}`,
    );
  }
  return { agent, task, phase, assignment, claim: work };
}

function whyNotHeld({ work, attempt, lastError }: Assignment, task: Task, agent: Agent): string {
  if (task.endedAt !== null) return `the task ${hasEnded(task)}`;
  switch (work.status) {
    case 'claimed':
      return work.agentId === agent.id
        ? 'the lease token is not that of the current attempt'
        : `attempt ${attempt} belongs to agent ${work.agentId}`;
    case 'succeeded':
      return `it has succeeded already, by agent ${work.agentId}`;
    case 'cancelled':
      return 'its phase was settled without it';
    default:
      return lastError?.agentId === agent.id
        ? `the last attempt ended: ${lastError.reason}`
        : `it is ${assignmentStatus({ work })}`;
  }
}

function leaseLost(assignment: Assignment, task: Task, agent: Agent, why: string): Refusal {
  return refuse(
    'lease_lost',
    `agent ${agent.id} does not hold assignment ${assignment.id}: ${why}. Nothing was recorded; stop working on it and call task_next`,
    { assignmentId: assignment.id, taskId: task.id, status: assignmentStatus(assignment), attempt: assignment.attempt },
  );
}

/** Whoever waits on the claim itself is told that it is over. */
export function claimEnded(assignment: Assignment): Effect[] {
  return [{ kind: 'wake', key: `claim:${assignment.id}` }];
}
