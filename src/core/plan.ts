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
import { firstPlanning, planningPhase } from './planner.ts';
import { refuse, type Refusal } from './refusal.ts';
import type { World } from './rule.ts';
import type { Agent, Aggregation, PhaseDefaults, State, Strategy, Task, VoteRules } from './state.ts';
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
  if (request.planned) return leaveToAgent(strategy, request);
  if (request.phases !== null) {
    const faulty = refuseGraph(state, request.phases);
    if (faulty !== null) return faulty;
  }
  const { resolvedStrategy, strategyReason, phases } = resolve(strategy, request);
  if (phases.length > state.limits.phasesMax) {
    return refuse('invalid_graph', `${phases.length} passes are asked for; the most is ${state.limits.phasesMax}`);
  }
  const planned = phases.map((phase) => planPhase(state, request, phase, world));
  return (
    refuseItems(request, resolvedStrategy) ??
    refuseUnheeded(request, planned) ?? { strategy, resolvedStrategy, strategyReason, phases: planned }
  );
}

/** What the phases are to be is seen when they are planned. */
function leaveToAgent(strategy: Strategy, request: TaskRequest): Plan | Refusal {
  const given = (['phases', 'items', 'strategy'] as const).find((name) => request[name] !== null);
  if (given !== undefined) return unheeded(given, 'a task without plan: an agent plans this one');
  return {
    strategy,
    resolvedStrategy: 'planned_by_agent',
    strategyReason: 'asked for',
    phases: [planningPhase(firstPlanning, request.timeoutMs)],
  };
}

function unheeded(setting: string, needs: string): Refusal {
  return refuse('invalid_arguments', `${setting} has no effect on this task: it needs ${needs}`, { setting });
}

/** Each item is one unit of work, which needs no copies and no vote. */
function refuseItems(request: TaskRequest, resolvedStrategy: Task['resolvedStrategy']): Refusal | null {
  if (request.items === null) return null;
  if (resolvedStrategy !== 'balanced') return unheeded('items', 'the strategy balanced, or adaptive without phases');
  const copies = 'copies of the same work instead of items';
  if (request.consensusRequired) return unheeded('consensusRequired', copies);
  if (request.parallelism !== null) return unheeded('parallelism', copies);
  return request.aggregation === null || request.aggregation === 'all'
    ? null
    : unheeded(`resultAggregation ${request.aggregation}`, copies);
}

type Settings = PhaseDefaults & Pick<TaskRequest, 'items'>;

/** A setting that no phase would heed is refused, with what it needs. */
export function refuseUnheeded(request: Settings, phases: readonly PhasePlan[]): Refusal | null {
  const voting = phases.filter((phase) => countsBallots(phase.rules));
  const samples = phases.some((phase) => phase.rules.aggregation === 'ahead_by_k');
  if (request.consensusRequired && !voting.some((phase) => phase.rules.consensusRequired)) {
    return unheeded('consensusRequired', 'resultAggregation majority_vote or weighted_vote and a parallelism above 1');
  }
  if (request.consensusThreshold !== null && !request.consensusRequired) {
    return unheeded('consensusThreshold', 'consensusRequired');
  }
  if (request.voteKey !== null && voting.length === 0)
    return unheeded('voteKey', 'a vote: resultAggregation majority_vote');
  const weighted = voting.some((phase) => phase.rules.aggregation === 'weighted_vote');
  if (request.votingMechanism === 'weighted' && !weighted) {
    return unheeded('votingMechanism weighted', 'resultAggregation majority_vote and a parallelism above 1');
  }
  if (request.votingMechanism === 'equal' && weighted) {
    return unheeded('votingMechanism equal', 'resultAggregation majority_vote instead of weighted_vote');
  }
  if (request.conflictResolution !== null && request.conflictResolution !== 'fail') {
    const resolvable = phases.some((phase) => phase.rules.conflictResolution !== undefined);
    if (!resolvable) return unheeded('conflictResolution', 'a vote, or resultAggregation best');
  }
  if ((request.lead !== null || request.maxVotes !== null) && !samples) {
    return unheeded(request.lead !== null ? 'aheadBy' : 'maxVotes', 'resultAggregation ahead_by_k');
  }
  if (request.lead !== null && request.maxVotes !== null && request.maxVotes < request.lead) {
    return refuse(
      'invalid_arguments',
      `maxVotes ${request.maxVotes} is below aheadBy ${request.lead}: no ballot could ever lead by that much`,
    );
  }
  return null;
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
  const { parallelism, consensusRequired, items } = request;
  if (items !== null) return balanced(request, 'adaptive: items were given');
  if (consensusRequired)
    return whole('parallel', parallelism ?? defaultVoters, 'adaptive: consensus needs several agents');
  if (request.aggregation === 'ahead_by_k') return whole('parallel', 1, 'adaptive: votes are sampled');
  if (parallelism !== null && parallelism > 1) {
    return whole('parallel', parallelism, `adaptive: parallelism ${parallelism} was asked for`);
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

export function planPhase(state: State, task: Settings, phase: PhaseRequest, world: World): PhasePlan {
  const samples = (phase.aggregation ?? task.aggregation) === 'ahead_by_k';
  // Sampling begins with as many as could decide if they all agreed.
  const parallelism = samples ? (task.lead ?? defaultLead) : (phase.parallelism ?? task.parallelism ?? 1);
  const planned: PhasePlan = {
    name: phase.name,
    description: phase.description,
    dependencies: phase.dependencies,
    requiredCapabilities: phase.requiredCapabilities ?? task.requiredCapabilities,
    agentType: phase.agentType ?? task.agentType,
    parallelism,
    rules: voteRules(state, task, phase.aggregation, parallelism),
    timeoutMs: phase.timeoutMs ?? task.timeoutMs,
    input: phase.input === undefined ? null : world.keep(phase.input),
  };
  if (task.items !== null) Object.assign(planned, { items: task.items.map((item) => world.keep(item)) });
  if (phase.select !== null) Object.assign(planned, { select: phase.select });
  return planned;
}

function voteRules(state: State, task: Settings, asked: Aggregation | null, parallelism: number): VoteRules {
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
  const mayConflict = countsBallots(rules) || aggregation === 'best';
  if (resolution !== null && resolution !== 'fail' && mayConflict)
    Object.assign(rules, { conflictResolution: resolution });
  return rules;
}

/** The part that an agent plays, by its type. */
export function roleOf(agent: Agent): 'coordinator' | 'validator' | 'worker' {
  return agent.type === 'coordinator' || agent.type === 'validator' ? agent.type : 'worker';
}
