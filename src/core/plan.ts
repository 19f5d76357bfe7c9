/**
 * Planning: a task request becomes phases, whatever form it came in.
 *
 * Given phases are used as they are. Else the strategy plans: `parallel` is one phase of several assignments on distinct
 * agents; `sequential` is one phase after the other; `balanced` has an assignment for each item; `adaptive` decides by what
 * is asked for, and says why.
 */
import type { PhaseRequest, TaskRequest } from './command.ts';
import type { PhasePlan } from './event.ts';
import { refuseGraph } from './graph.ts';
import type { Json } from './json.ts';
import { refuse, type Refusal } from './refusal.ts';
import type { World } from './rule.ts';
import type { Aggregation, ConflictResolution, State, Strategy, Task, VoteRules } from './state.ts';
import { refuseContradiction, refuseUnheeded, refuseByStrategy, type PhaseSettings } from './settings.ts';
import { countsBallots } from './vote.ts';

export interface Plan {
  readonly strategy: Strategy;
  readonly resolvedStrategy: Task['resolvedStrategy'];
  readonly strategyReason: string;
  readonly phases: readonly PhasePlan[];
}

/** Voters of a task that asks for consensus and does not say how many. */
const defaultVoters = 3;
/** Of ahead_by_k. */
const defaultLead = 2;

export function planTask(state: State, request: TaskRequest, world: World): Plan | Refusal {
  const strategy = request.strategy ?? state.swarm!.strategy;
  if (request.phases !== null) {
    const faulty = refuseGraph(state, request.phases);
    if (faulty !== null) return faulty;
  }
  const { resolvedStrategy, strategyReason, phases } = resolve(strategy, request);
  if (phases.length > state.limits.phasesMax) {
    return refuse('invalid_graph', `${phases.length} passes are asked for; the most is ${state.limits.phasesMax}`);
  }
  const planned = phases.map((phase) => planPhase(state, request, phase));
  return (
    refuseContradiction(request) ??
    refuseByStrategy(request, resolvedStrategy) ??
    refuseUnheeded(request, planned) ?? {
      strategy,
      resolvedStrategy,
      strategyReason,
      phases: planned.map((plan, index) => keepValues(plan, phases[index]!, request.items, world)),
    }
  );
}

type Resolved = Pick<Plan, 'resolvedStrategy' | 'strategyReason'> & { readonly phases: readonly PhaseRequest[] };

function resolve(strategy: Strategy, request: TaskRequest): Resolved {
  if (request.phases !== null) {
    return { resolvedStrategy: 'given_phases', strategyReason: 'phases were given', phases: request.phases };
  }
  switch (strategy) {
    case 'parallel':
      return whole('parallel', request.parallelism ?? defaultVoters, 'asked for');
    case 'sequential':
      return { resolvedStrategy: 'sequential', strategyReason: 'asked for', phases: inSequence(request) };
    case 'balanced':
      return balanced(request, 'asked for');
    case 'adaptive':
      return adapt(request);
  }
}

function adapt(request: TaskRequest): Resolved {
  const { parallelism, consensusRequired, items, aggregation } = request;
  if (items !== null) return balanced(request, 'adaptive: items were given');
  if (consensusRequired)
    return whole('parallel', parallelism ?? defaultVoters, 'adaptive: consensus needs several agents');
  if (aggregation === 'ahead_by_k') return whole('parallel', 1, 'adaptive: votes are sampled');
  if (parallelism !== null && parallelism > 1) {
    return whole('parallel', parallelism, `adaptive: parallelism ${parallelism} was asked for`);
  }
  if (parallelism === null && aggregation !== null && aggregation !== 'all' && aggregation !== 'first') {
    return whole('parallel', defaultVoters, `adaptive: ${aggregation} needs several agents`);
  }
  return whole('single', 1, 'adaptive: one agent, and another only when it fails');
}

/** One phase for all of it. */
function whole(resolvedStrategy: Plan['resolvedStrategy'], parallelism: number, strategyReason: string): Resolved {
  return { resolvedStrategy, strategyReason, phases: [{ ...blank, parallelism }] };
}

function balanced({ items }: TaskRequest, strategyReason: string): Resolved {
  return whole(
    'balanced',
    items?.length ?? 1,
    items === null ? `${strategyReason}, and no items: one unit` : strategyReason,
  );
}

/** A phase for each required capability; with fewer than two, passes. Each is given the results of all before it. */
function inSequence({ requiredCapabilities, parallelism }: TaskRequest): readonly PhaseRequest[] {
  const names =
    requiredCapabilities.length >= 2
      ? requiredCapabilities.map(
          (capability, index) => [`${index + 1}-${plainName(capability)}`, [capability]] as const,
        )
      : Array.from({ length: parallelism ?? 1 }, (_, index) => [`pass-${index + 1}`, null] as const);
  return names.map(([name, capabilities], index) => ({
    ...blank,
    name,
    dependencies: names.slice(0, index).map(([earlier]) => earlier),
    requiredCapabilities: capabilities,
    parallelism: capabilities === null ? 1 : parallelism,
  }));
}

/** Names of phases have fewer characters than those of capabilities. */
function plainName(capability: string): string {
  return capability.replace(/[^A-Za-z0-9_.-]/g, '_').slice(0, 50);
}

const blank: PhaseRequest = {
  name: 'work',
  description: null,
  dependencies: [],
  requiredCapabilities: null,
  agentType: null,
  parallelism: null,
  aggregation: null,
  timeoutMs: null,
  input: undefined,
  select: null,
};

/** A phase without the values that come with it. */
export type Outline = Omit<PhasePlan, 'input' | 'items'>;

export function planPhase(state: State, task: PhaseSettings, phase: PhaseRequest): Outline {
  const samples = (phase.aggregation ?? task.aggregation) === 'ahead_by_k';
  // Sampling begins with as many as could decide if they all agreed.
  const parallelism = samples ? (task.lead ?? defaultLead) : (phase.parallelism ?? task.parallelism ?? 1);
  const planned: Outline = {
    name: phase.name,
    description: phase.description,
    dependencies: phase.dependencies,
    requiredCapabilities: phase.requiredCapabilities ?? task.requiredCapabilities,
    agentType: phase.agentType ?? task.agentType,
    parallelism,
    rules: voteRules(state, task, phase.aggregation, parallelism),
    timeoutMs: phase.timeoutMs ?? task.timeoutMs,
  };
  return phase.select === null ? planned : Object.assign(planned, { select: phase.select });
}

/** Once it is certain that the task is accepted: a value that is kept is never given up again. */
export function keepValues(
  plan: Outline,
  { input }: PhaseRequest,
  items: readonly Json[] | null,
  world: World,
): PhasePlan {
  const kept = Object.assign(plan, { input: input === undefined ? null : world.keep(input) });
  return items === null ? kept : Object.assign(kept, { items: items.map((item) => world.keep(item)) });
}

function voteRules(state: State, task: PhaseSettings, asked: Aggregation | null, parallelism: number): VoteRules {
  const several = parallelism > 1 || asked === 'ahead_by_k' || task.aggregation === 'ahead_by_k';
  const votes = several && task.consensusRequired;
  const planned =
    asked ??
    (task.items !== null ? 'all' : !several ? 'first' : (task.aggregation ?? (votes ? 'majority_vote' : 'all')));
  const aggregation = planned === 'majority_vote' && task.votingMechanism === 'weighted' ? 'weighted_vote' : planned;
  const counted = aggregation === 'majority_vote' || aggregation === 'weighted_vote';
  const rules: VoteRules = {
    aggregation,
    consensusRequired: votes && counted,
    consensusThreshold: task.consensusThreshold ?? state.swarm!.consensusThreshold,
    failureThreshold: task.failureThreshold,
    voteKey: task.voteKey,
  };
  const lead = task.lead ?? defaultLead;
  if (aggregation === 'ahead_by_k') Object.assign(rules, { lead, maxVotes: task.maxVotes ?? 2 * lead + 1 });
  const resolution = task.conflictResolution;
  if (resolution !== null && resolution !== 'fail' && isResolvedBy(rules, resolution)) {
    Object.assign(rules, { conflictResolution: resolution });
  }
  return rules;
}

/** Where a judge has been asked already, asking once more, or voting, changes nothing. */
function isResolvedBy(rules: VoteRules, resolution: ConflictResolution): boolean {
  return countsBallots(rules) || (rules.aggregation === 'best' && resolution !== 'judge' && resolution !== 'rerun');
}
