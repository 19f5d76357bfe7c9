/**
 * Rules of handing out work: to whom it is offered.
 *
 *     queued ──offer──> offered ──claim──┐
 *       ▲ ▲                │ not claimed ▼
 *       │ └────────────────┘          claimed ──result──> succeeded
 *       │                                │ failure, timeout, lapse, lost agent
 *       └── backoff <──another attempt───┴──last attempt──> failed
 *
 * An offer goes to the best free agent, which is woken for it. Nothing is offered or claimed while the swarm is paused, nor
 * by a draining agent, nor of a task whose budget is used up.
 */
import { overBudget } from './budget.ts';
import type { Command } from './command.ts';
import type { Event } from './event.ts';
import type { Queued } from './index/indexes.ts';
import { bestFreeAgent, bestQueuedFor, isFreeFor } from './index/matching.ts';
import { mayJudge, mayNeedJudge, isJudgeToBe } from './judging.ts';
import { heldBy } from './pending.ts';
import { happened, type Rule, type World } from './rule.ts';
import type { Agent, Assignment, Phase, State, Task } from './state.ts';
import { successorOf } from './topology.ts';
import { votersOf } from './vote.ts';

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

/** What of it waits cannot be claimed, by whomever. */
export function isHeldUp(state: State, task: Task): boolean {
  return isPaused(state) || overBudget(task) !== null;
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
