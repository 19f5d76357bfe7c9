/**
 * Planning by an agent: what it is asked, what it may answer, and when one is asked once more.
 *
 * A task with `plan: "agent"` begins with the phase `plan`, for an agent of type coordinator. The phases that it answers
 * with are appended to the task and depend on it, so that they open like any others. When one of them fails and all others
 * are settled, `replan` is asked what to do instead; it can build upon what has succeeded. That happens once.
 */
import type { PhaseRequest, TaskRequest } from './command.ts';
import type { PhasePlan } from './event.ts';
import { depthOf, refuseGraph } from './graph.ts';
import { keepValues, planPhase, type Plan } from './plan.ts';
import { refuse, type Refusal } from './refusal.ts';
import { refuseContradiction, refuseUnheeded, unheeded } from './settings.ts';
import type { Show, World } from './rule.ts';
import type { Phase, PhaseDefaults, State, Task } from './state.ts';
import { winningResult } from './vote.ts';

const firstPlanning = 'plan';
const secondPlanning = 'replan';

/** Comes before the description of the task that is to be planned. */
export const plannersTask =
  'Plan the task below; do not do it. Answer with {"phases": [{"name": "...", "description": "...", "dependencies": ["..."], "requiredCapabilities": ["..."]}]}: a graph of phases, each of which another agent carries out with the results of its dependencies. The input holds the capabilities that agents of the swarm have, the settings of the task that hold for all phases and, after a failure, what has become of the phases so far: new phases have new names, and may depend on those that have succeeded.';

function planningPhase(name: string, timeoutMs: number): PhasePlan {
  return {
    name,
    description: null,
    dependencies: [],
    requiredCapabilities: [],
    agentType: 'coordinator',
    parallelism: 1,
    rules: {
      aggregation: 'first',
      consensusRequired: false,
      consensusThreshold: 1,
      failureThreshold: null,
      voteKey: null,
    },
    timeoutMs,
    input: null,
    plans: true,
  };
}

/** A task that an agent is to plan. What its phases are to be is seen when they are planned. */
export function leaveToAgent(state: State, request: TaskRequest): Plan | Refusal {
  const given = (['phases', 'items', 'strategy'] as const).find((name) => request[name] !== null);
  if (given !== undefined) return unheeded(given, 'a task without plan: an agent plans this one');
  return (
    refuseContradiction(request) ?? {
      strategy: state.swarm!.strategy,
      resolvedStrategy: 'planned_by_agent',
      strategyReason: 'asked for',
      phases: [planningPhase(firstPlanning, request.timeoutMs)],
    }
  );
}

/** What the task says for all its phases, to be kept until they are planned. */
export function defaultsIn(request: TaskRequest): PhaseDefaults {
  return {
    requiredCapabilities: request.requiredCapabilities,
    agentType: request.agentType,
    parallelism: request.parallelism,
    aggregation: request.aggregation,
    consensusRequired: request.consensusRequired,
    consensusThreshold: request.consensusThreshold,
    failureThreshold: request.failureThreshold,
    voteKey: request.voteKey,
    votingMechanism: request.votingMechanism,
    conflictResolution: request.conflictResolution,
    lead: request.lead,
    maxVotes: request.maxVotes,
    timeoutMs: request.timeoutMs,
  };
}

/** After a failure, unless that was the failure of a planner, or of its second plan. */
export function planningAgain({ planning, phases }: Task, failed: readonly string[]): PhasePlan | null {
  if (planning === undefined || failed.length === 0) return null;
  const planners = phases.filter((phase) => phase.plans === true).map(({ name }) => name);
  return planners.length > 1 || failed.some((name) => planners.includes(name))
    ? null
    : planningPhase(secondPlanning, planning.timeoutMs);
}

/** Those that decide what becomes of the task: after a failure, the ones that were planned instead. */
export function decidingPhases({ planning, phases }: Task): readonly Phase[] {
  return planning === undefined ? phases : phases.slice(phases.findLastIndex((phase) => phase.plans === true));
}

/** What a planner is given as its input. */
export function plannersInput(state: State, task: Task, show: Show): object {
  const capabilities = new Set<string>();
  for (const profile of state.indexes.profiles.values()) {
    for (const capability of profile.capabilities) capabilities.add(capability);
  }
  const soFar = task.phases.filter((phase) => phase.plans !== true);
  return {
    ...(task.input !== null && { input: show(task.input) }),
    capabilities: [...capabilities].sort(),
    settings: settingsOf(task),
    ...(soFar.length > 0 && {
      phases: soFar.map((phase) => ({
        name: phase.name,
        status: phase.status,
        reason: phase.reason,
        dependencies: phase.dependencies,
        result: winningResult(phase, show),
      })),
    }),
  };
}

/** The phases of an answer, or why they cannot be carried out. */
export function phasesPlanned(
  state: State,
  task: Task,
  planner: Phase,
  answer: readonly PhaseRequest[] | { readonly faulty: string } | undefined,
  world: World,
): readonly PhasePlan[] | Refusal {
  const invalid = (why: string): Refusal =>
    refuse(
      'answer_invalid',
      `the plan cannot be carried out: ${why}. Nothing was recorded, and the assignment is still yours`,
      {
        phase: planner.name,
      },
    );
  if (answer === undefined) return invalid('a planner answers with {"phases": [...]}');
  if ('faulty' in answer) return invalid(answer.faulty);
  const kept = answer.find(({ name }) => name === firstPlanning || name === secondPlanning);
  if (kept !== undefined) return invalid(`the name ${kept.name} is kept for planning itself`);
  if (answer.length === 0) return invalid('phases is empty: name at least one');
  const faulty = refuseGraph(state, answer, task.phases);
  if (faulty !== null) return invalid(faulty.message);
  const { planDepthMax } = state.limits;
  if (depthOf(answer) > planDepthMax) {
    return invalid(`${depthOf(answer)} phases come one after the other; the most is ${planDepthMax}`);
  }
  const settings = { ...task.planning!, items: null };
  const names = new Set(answer.map(({ name }) => name));
  const planned = answer.map((phase) => {
    const isFirst = !phase.dependencies.some((name) => names.has(name));
    const dependencies = isFirst ? [planner.name, ...phase.dependencies] : phase.dependencies;
    return planPhase(state, settings, { ...phase, dependencies });
  });
  const unheeded = refuseUnheeded(settings, [...task.phases, ...planned]);
  if (unheeded !== null) return invalid(unheeded.message);
  return planned.map((plan, index) => keepValues(plan, answer[index]!, null, world));
}

/** Those that the phases have to heed, as the task gave them. */
function settingsOf({ planning }: Task): object {
  const { requiredCapabilities, timeoutMs: _, aggregation, lead, consensusRequired, ...others } = planning!;
  const asked = Object.entries(others).filter(([, value]) => value !== null);
  return {
    ...Object.fromEntries(asked),
    ...(requiredCapabilities.length > 0 && { requiredCapabilities }),
    ...(consensusRequired && { consensusRequired }),
    ...(aggregation !== null && { resultAggregation: aggregation }),
    ...(lead !== null && { aheadBy: lead }),
  };
}
