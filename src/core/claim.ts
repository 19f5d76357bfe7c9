/** Rules of claiming work under a lease, and what the holder is given: what was done before, and what it is to do. */
import { workingAgent } from './acting.ts';
import { partOf } from './ballot.ts';
import type { Event } from './event.ts';
import { findAssignment } from './evolve.ts';
import type { Queued } from './index/indexes.ts';
import { bestQueuedFor, requirementsOf } from './index/matching.ts';
import { judgesInput, judgesTask, mayNeedJudge, isJudgeToBe } from './judging.ts';
import { isHeldUp, isPaused, mayTake } from './offer.ts';
import { heldBy, pendingFor } from './pending.ts';
import { plannersInput, plannersTask } from './planner.ts';
import { isRefusal } from './refusal.ts';
import { happened, iso, type Decision, type Rule, type Show, type World } from './rule.ts';
import { roleOf, type Agent, type Assignment, type Claim, type Phase, type State, type Task } from './state.ts';
import { winningResult } from './vote.ts';
import { weightIn } from './weight.ts';

export const taskNext: Rule<'task_next'> = (state, { actor, idleExitMs = Infinity }, world) => {
  const agent = workingAgent(state, actor);
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
    if (world.now - agent.idleSince >= idleExitMs && heldBy(state, agent).length === 0) {
      const reason = `no work for ${idleExitMs / 1000} s`;
      return {
        events: [happened(world, { type: 'agent_draining', agentId: agent.id, reason })],
        effects: [{ kind: 'wake', key: `work:${agent.id}`, all: true }],
        reply,
      };
    }
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
  const results: [string, unknown][] = [];
  for (const name of phase.dependencies) {
    const before = task.phases.find((of) => of.name === name)!;
    // A plan has been carried out already: it is the phases themselves.
    if (before.plans === true) continue;
    const result = winningResult(before, show);
    const pointer = phase.select?.[name];
    results.push([name, pointer === undefined ? result : partOf(result, pointer)]);
  }
  return Object.fromEntries(results);
}
