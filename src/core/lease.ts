/**
 * Rules of handing out work: offers, claims under a lease, renewal, giving back, and what happens when one lapses.
 *
 *     queued ──offer──> offered ──claim──┐
 *       ▲ ▲                │ not claimed ▼
 *       │ └────────────────┘          claimed ──result──> succeeded
 *       │                                │ failure, timeout, lapse, lost agent
 *       └── backoff <──another attempt───┴──last attempt──> failed
 *
 * An offer goes to the best free agent, which is woken for it; a claim is fenced by the attempt number and a lease
 * token. Any call of the holder renews all its leases, at most once per third of a lease.
 */
import { actingAgent } from './agent.ts';
import type { Actor, Command } from './command.ts';
import type { Event } from './event.ts';
import { findAssignment } from './evolve.ts';
import { bestFreeAgent, bestQueuedFor, type Queued } from './index.ts';
import type { JsonObject } from './json.ts';
import { heldBy, pendingFor } from './pending.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { happened, iso, type Decision, type Effect, type Rule, type Show, type World } from './rule.ts';
import {
  assignmentStatus,
  hasEnded,
  type Agent,
  type Assignment,
  type AttemptError,
  type Claim,
  type Phase,
  type State,
  type Task,
  type Usage,
} from './state.ts';
import { roleOf } from './plan.ts';
import { winningResult } from './vote.ts';

// ---- offering

/** Agents that are looked at for one that waits, before the best one is taken as it is. */
const candidatesMax = 64;

/**
 * Offers a queued assignment to the best free agent: one that waits for work if there is one, and preferably one that
 * has not failed at it. Without any it stays queued for whoever asks first.
 */
export const place: Rule<'place'> = (state, { assignmentId }, world) => {
  const queued = state.indexes.queued.get(assignmentId);
  if (queued === undefined) return {};
  const { phase, assignment } = queued;
  const isNew = (agent: Agent): boolean => mayTake(agent, phase) && !assignment.triedBy.includes(agent.id);
  const agent =
    bestFreeAgent(queued, (candidate) => isNew(candidate) && world.isWaiting(candidate.id), candidatesMax) ??
    bestFreeAgent(queued, isNew, candidatesMax) ??
    bestFreeAgent(queued, (candidate) => mayTake(candidate, phase), Infinity);
  if (agent === undefined) return {};
  const until = world.now + state.limits.offerMs;
  return {
    events: [happened(world, { type: 'assignment_offered', assignmentId, agentId: agent.id, until })],
    effects: [{ kind: 'wake', key: `work:${agent.id}` }],
  };
};

/** The assignments of a phase are for distinct agents: whoever has, or has done, one of them takes no other. */
function mayTake(agent: Agent, phase: Phase): boolean {
  if (phase.parallelism === 1) return true;
  return phase.assignments.every(({ work }) => !('agentId' in work) || work.agentId !== agent.id);
}

/** Takes back what was offered to an agent and not claimed. */
export function withdrawOffers(
  state: State,
  agent: Agent,
  reason: string,
  world: World,
): { readonly events: Event[]; readonly then: Command[] } {
  const offered = heldBy(state, agent).filter(({ assignment }) => assignment.work.status === 'offered');
  return {
    events: offered.map(({ assignment }) =>
      happened(world, { type: 'offer_withdrawn', assignmentId: assignment.id, reason }),
    ),
    then: offered.map(({ assignment }) => ({ type: 'place', assignmentId: assignment.id })),
  };
}

// ---- claiming

export const taskNext: Rule<'task_next'> = (state, { actor }, world) => {
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  const events: Event[] = [];
  const found = offeredTo(state, agent) ?? takeable(state, agent, world);
  if (found === undefined) {
    if (!agent.attentive) events.push(happened(world, { type: 'agent_attentive', agentId: agent.id, attentive: true }));
    return {
      events,
      idle: `work:${agent.id}`,
      reply: (after) => ({ assignment: null, pending: pendingFor(after.agents.get(agent.id)!, world.now) }),
    };
  }
  const { phase, assignment } = found;
  const attempt = assignment.attempt + 1;
  const timeoutAt = world.now + timeoutOf(agent, phase) + state.limits.timeoutSlackMs;
  events.push(
    happened(world, {
      type: 'assignment_claimed',
      assignmentId: assignment.id,
      agentId: agent.id,
      attempt,
      leaseToken: world.secret(),
      leaseUntil: world.now + agent.leaseMs,
      timeoutAt,
    }),
  );
  if (!agent.attentive) events.push(happened(world, { type: 'agent_attentive', agentId: agent.id, attentive: true }));
  return { events, reply: claimReply(agent.id, assignment.id, world.now) };
};

function offeredTo(state: State, agent: Agent): { phase: Phase; assignment: Assignment } | undefined {
  return heldBy(state, agent).find(({ assignment }) => assignment.work.status === 'offered');
}

/**
 * The first in the queue that the agent may have. What is offered to another is left to it if it waits, since it is
 * about to claim; if it does not, who asks first is served first.
 */
function takeable(state: State, agent: Agent, world: World): Queued | undefined {
  const entry = state.indexes.agents.get(agent.id)!;
  if (entry.work.size >= agent.maxConcurrent) return undefined;
  return bestQueuedFor(state, agent, ({ phase, assignment: { work } }) => {
    if (work.status === 'offered' && world.isWaiting(work.agentId)) return false;
    return mayTake(agent, phase);
  });
}

/** The phase's timeout, unless the agent was configured with a shorter one. */
function timeoutOf(agent: Agent, phase: Phase): number {
  const configured = agent.config['timeout'];
  return typeof configured === 'number' ? Math.min(phase.timeoutMs, configured * 1000) : phase.timeoutMs;
}

export function claimReply(agentId: string, assignmentId: string, now: number): NonNullable<Decision['reply']> {
  return (state, show) => {
    const agent = state.agents.get(agentId)!;
    const { task, phase, assignment } = findAssignment(state, assignmentId)!;
    return {
      assignment: describeClaim(task, phase, assignment, assignment.work as Claim, agent, show),
      pending: pendingFor(agent, now),
    };
  };
}

function describeClaim(
  task: Task,
  phase: Phase,
  assignment: Assignment,
  claim: Claim,
  agent: Agent,
  show: Show,
): object {
  const input = phase.input ?? task.input;
  return {
    assignmentId: assignment.id,
    taskId: task.id,
    phase: phase.name,
    role: roleOf(agent),
    attempt: assignment.attempt,
    leaseToken: claim.leaseToken,
    leaseExpiresAt: iso(claim.leaseUntil),
    description: phase.description ?? task.description,
    taskDescription: task.description,
    input: input === null ? null : show(input),
    dependencies: Object.fromEntries(
      phase.dependencies.map((name) => [
        name,
        winningResult(
          task.phases.find((of) => of.name === name)!,
          show,
        ),
      ]),
    ),
    timeoutMs: timeoutOf(agent, phase),
    requiredCapabilities: phase.requiredCapabilities,
  };
}

// ---- holding

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
  const held = holding(state, command, world.now);
  if (isRefusal(held)) return held;
  const { agent, assignment } = held;
  const events: Event[] = [];
  const { progress = held.claim.progress } = command;
  const usage = command.usage ?? assignment.usage;
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

/** The claim that a worker speaks of, if it is still the worker's own and its lease has not run out. */
export function holding(
  state: State,
  command: { readonly actor: Actor; readonly assignmentId: string; readonly leaseToken: string },
  now: number,
): Held | Refusal {
  const agent = actingAgent(state, command.actor);
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
  if (work.leaseUntil <= now || work.timeoutAt <= now) {
    return leaseLost(assignment, task, agent, `its lease ran out at ${iso(Math.min(work.leaseUntil, work.timeoutAt))}`);
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

// ---- losing

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
      return {
        events: [
          happened(world, { type: 'offer_withdrawn', assignmentId, reason: 'not_claimed' }),
          happened(world, { type: 'agent_attentive', agentId: work.agentId, attentive: false }),
        ],
        then: [{ type: 'place', assignmentId }],
      };
    case 'claimed': {
      const timedOut = work.timeoutAt <= world.now;
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

export interface AttemptEnd {
  readonly reason: string;
  readonly message: string | null;
  readonly details: JsonObject | null;
  readonly retryable: boolean;
  readonly usage: Usage | null;
}

export function failAttempt(
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

/** Whoever waits on the claim itself is told that it is over. */
export function claimEnded(assignment: Assignment): Effect[] {
  return [{ kind: 'wake', key: `claim:${assignment.id}` }];
}
