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
 * token. Nothing is offered or claimed while the swarm is paused, nor by a draining agent, nor of a task whose budget is
 * used up. Any call of the holder renews all its leases, at most once per third of a lease.
 */
import { actingAgent } from './agent.ts';
import type { Actor, Command } from './command.ts';
import type { Event } from './event.ts';
import { newestUsage, overBudget } from './budget.ts';
import { findAssignment } from './evolve.ts';
import type { Queued } from './index/indexes.ts';
import { bestFreeAgent, bestQueuedFor, isFreeFor, requirementsOf } from './index/matching.ts';
import type { JsonObject } from './json.ts';
import { heldBy, pendingFor } from './pending.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { happened, iso, type Decision, type Effect, type Rule, type Show, type World } from './rule.ts';
import {
  assignmentStatus,
  hasEnded,
  roleOf,
  type Agent,
  type Assignment,
  type AttemptError,
  type Claim,
  type Phase,
  type State,
  type Task,
  type Usage,
} from './state.ts';
import { partOf } from './ballot.ts';
import { plannersInput, plannersTask } from './planner.ts';
import { judgesInput, judgesTask, mayJudge, mayNeedJudge, isJudgeToBe } from './judging.ts';
import { successorOf } from './topology.ts';
import { votersOf, winningResult } from './vote.ts';
import { weightIn } from './weight.ts';

// ---- offering

/** Agents that are looked at for one that waits, before the best one is taken; and work, for some that is ahead. */
const candidatesMax = 64;

/**
 * Offers a queued assignment to the next one in a ring, else to the best free agent: one that waits for work if there is
 * one, and preferably one that has not failed at it. Without any it stays queued for whoever asks first.
 */
export const place: Rule<'place'> = (state, { assignmentId }, world) => {
  const queued = state.indexes.queued.get(assignmentId);
  if (queued === undefined || isPaused(state)) return {};
  const { phase, assignment } = queued;
  const may = (agent: Agent): boolean => mayTake(state, agent, phase, assignment);
  const isNew = (agent: Agent): boolean => may(agent) && !assignment.triedBy.includes(agent.id);
  const isPreferred = preference(state, phase, assignment);
  const next = nextInRing(state, queued);
  const agent =
    (next !== undefined && isNew(next) ? next : undefined) ??
    (isPreferred === null
      ? undefined
      : bestFor(state, queued, (candidate) => isPreferred(candidate) && isNew(candidate), world)) ??
    bestFor(state, queued, isNew, world) ??
    (assignment.triedBy.length === 0 ? undefined : bestFor(state, queued, may, world));
  if (agent === undefined) return {};
  const until = world.now + state.limits.offerMs;
  return {
    events: [happened(world, { type: 'assignment_offered', assignmentId, agentId: agent.id, until })],
    effects: [{ kind: 'wake', key: `work:${agent.id}` }],
  };
};

/** A judge is a validator if there is one; who would have to judge does not compete if others can. null: all are equal. */
function preference(state: State, phase: Phase, { judges }: Assignment): ((agent: Agent) => boolean) | null {
  if (judges !== undefined) return (agent) => agent.type === 'validator';
  return mayNeedJudge(phase) ? (agent) => !isJudgeToBe(state, agent) : null;
}

/** In a ring, output goes to the next one: that of who did the last dependency, if it is free and can go on with it. */
function nextInRing(state: State, queued: Queued): Agent | undefined {
  const { task, phase } = queued;
  if (state.swarm!.topology !== 'ring' || phase.dependencies.length === 0) return undefined;
  const last = task.phases.find(({ name }) => name === phase.dependencies.at(-1))!;
  for (const { work } of last.assignments) {
    const author = work.status === 'succeeded' ? state.indexes.agents.get(work.agentId) : undefined;
    if (author?.live !== true) continue;
    const next = successorOf(state, author.agent);
    if (isFreeFor(state, queued, next)) return next;
  }
  return undefined;
}

/** Copies are for distinct agents: whoever has, or has done, one of them takes no other. */
export function mayTake(state: State, agent: Agent, phase: Phase, assignment: Assignment): boolean {
  if (assignment.judges !== undefined) return mayJudge(state, agent, phase, assignment);
  if (phase.items !== undefined || votersOf(phase).length === 1) return true;
  return votersOf(phase).every(({ work }) => !('agentId' in work) || work.agentId !== agent.id);
}

/** One that waits before all others. One that does not is about to ask: what it would be given then is not overtaken. */
function bestFor(state: State, queued: Queued, wanted: (agent: Agent) => boolean, world: World): Agent | undefined {
  const waiting = bestFreeAgent(state, queued, (agent) => wanted(agent) && world.isWaiting(agent.id), candidatesMax);
  if (waiting !== undefined) return waiting;
  const agent = bestFreeAgent(state, queued, wanted, Infinity);
  return agent !== undefined && isNextFor(state, agent, queued) ? agent : undefined;
}

function isNextFor(state: State, agent: Agent, queued: Queued): boolean {
  const isUnoffered = ({ phase, assignment }: Queued): boolean =>
    assignment.work.status === 'queued' && mayTake(state, agent, phase, assignment);
  const first = bestQueuedFor(state, agent, isUnoffered, candidatesMax);
  return first === undefined || first === queued;
}

export function isPaused(state: State): boolean {
  return state.swarm!.paused !== null;
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
    const reply: Decision['reply'] = (after) => ({
      assignment: null,
      pending: pendingFor(after.agents.get(agent.id)!, world.now),
    });
    // It is told at once: there will be nothing to wait for.
    if (agent.draining !== null) return { reply };
    if (!agent.attentive) events.push(happened(world, { type: 'agent_attentive', agentId: agent.id, attentive: true }));
    return {
      events,
      idle: `work:${agent.id}`,
      reply,
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
      ...weighed(agent, phase, assignment),
    }),
  );
  if (!agent.attentive) events.push(happened(world, { type: 'agent_attentive', agentId: agent.id, attentive: true }));
  return { events, reply: claimReply(agent.id, assignment.id, world.now) };
};

/** Where weights count, the claim records what the agent's ballot will weigh. */
function weighed(agent: Agent, phase: Phase, { judges }: Assignment): { readonly weight?: number } {
  if (phase.rules.aggregation !== 'weighted_vote' || judges !== undefined) return {};
  const weight = weightIn(agent, phase);
  return weight === 1 ? {} : { weight };
}

function offeredTo(state: State, agent: Agent): { phase: Phase; assignment: Assignment } | undefined {
  return heldBy(state, agent).find(
    ({ task, assignment }) => assignment.work.status === 'offered' && !isHeldUp(state, task),
  );
}

/** What of it waits cannot be claimed, by whomever. */
function isHeldUp(state: State, task: Task): boolean {
  return isPaused(state) || overBudget(task) !== null;
}

/**
 * The first in the queue that the agent may have. What is offered to another is left to it if it waits, since it is
 * about to claim; if it does not, who asks first is served first.
 */
function takeable(state: State, agent: Agent, world: World): Queued | undefined {
  const entry = state.indexes.agents.get(agent.id)!;
  if (isPaused(state) || agent.draining !== null || entry.work.size >= agent.maxConcurrent) return undefined;
  return bestQueuedFor(state, agent, ({ phase, assignment }) => {
    const { work } = assignment;
    if (work.status === 'offered') {
      if (world.isWaiting(work.agentId)) return false;
      // Who would have to judge it leaves it to others, as long as there are any.
      if (assignment.judges === undefined && mayNeedJudge(phase) && isJudgeToBe(state, agent)) return false;
    }
    return mayTake(state, agent, phase, assignment);
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
      assignment: describeClaim(state, task, phase, assignment, assignment.work as Claim, agent, show),
      pending: pendingFor(agent, now),
    };
  };
}

function describeClaim(
  state: State,
  task: Task,
  phase: Phase,
  assignment: Assignment,
  claim: Claim,
  agent: Agent,
  show: Show,
): object {
  const description = phase.description ?? task.description;
  const asked = assignment.judges !== undefined ? judgesTask : phase.plans === true ? plannersTask : null;
  return {
    assignmentId: assignment.id,
    taskId: task.id,
    phase: phase.name,
    role: assignment.judges === undefined ? roleOf(agent) : 'validator',
    attempt: assignment.attempt,
    leaseToken: claim.leaseToken,
    leaseExpiresAt: iso(claim.leaseUntil),
    description: asked === null ? description : `${asked}\n\n${description}`,
    taskDescription: task.description,
    input: inputOf(state, task, phase, assignment, show),
    ...(phase.items !== undefined && { item: show(phase.items[phase.assignments.indexOf(assignment)]!) }),
    dependencies: resultsOf(task, phase, show),
    timeoutMs: timeoutOf(agent, phase),
    requiredCapabilities: requirementsOf(phase, assignment).requiredCapabilities,
  };
}

function inputOf(state: State, task: Task, phase: Phase, assignment: Assignment, show: Show): unknown {
  if (assignment.judges !== undefined) return judgesInput(task, phase, assignment, show);
  if (phase.plans === true) return plannersInput(state, task, show);
  const input = phase.input ?? task.input;
  return input === null ? null : show(input);
}

/** What the phases before it hand on to a phase. */
function resultsOf(task: Task, phase: Phase, show: Show): Record<string, unknown> {
  const results: Record<string, unknown> = {};
  for (const name of phase.dependencies) {
    const before = task.phases.find((of) => of.name === name)!;
    // A plan has been carried out already: it is the phases themselves.
    if (before.plans === true) continue;
    const result = winningResult(before, show);
    const pointer = phase.select?.[name];
    results[name] = pointer === undefined ? result : partOf(result, pointer);
  }
  return results;
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
