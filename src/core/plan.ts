/**
 * Planning: a task request becomes phases, whatever form it came in.
 *
 * Given phases are used as they are. Else the strategy plans: `parallel` is one phase of several assignments on distinct
 * agents; `adaptive` decides by what is asked for, and says why.
 */
import type { PhaseRequest, TaskRequest } from './command.ts';
import type { PhasePlan } from './event.ts';
import { refuse, type Refusal } from './refusal.ts';
import type { World } from './rule.ts';
import type { Agent, Aggregation, State, Strategy, Task, VoteRules } from './state.ts';

export interface Plan {
  readonly strategy: Strategy;
  readonly resolvedStrategy: Task['resolvedStrategy'];
  readonly strategyReason: string;
  readonly phases: readonly PhasePlan[];
}

/** Voters of a task that asks for consensus and does not say how many. */
const defaultVoters = 3;

export function planTask(state: State, request: TaskRequest, world: World): Plan | Refusal {
  const strategy = request.strategy ?? state.swarm!.strategy;
  if (request.phases !== null) {
    const faulty = refuseGraph(state, request.phases);
    if (faulty !== null) return faulty;
    return withEffect(request, {
      strategy,
      resolvedStrategy: 'given_phases',
      strategyReason: 'phases were given',
      phases: request.phases.map((phase) => planPhase(state, request, phase, world)),
    });
  }
  const [resolvedStrategy, parallelism, strategyReason] = resolve(strategy, request);
  const whole: PhaseRequest = {
    name: 'work',
    description: null,
    dependencies: [],
    requiredCapabilities: null,
    agentType: null,
    parallelism,
    aggregation: null,
    timeoutMs: null,
    input: undefined,
  };
  const phases = [planPhase(state, request, whole, world)];
  return withEffect(request, { strategy, resolvedStrategy, strategyReason, phases });
}

/** A setting that no phase of the plan would heed is refused, with what it needs. */
function withEffect(request: TaskRequest, plan: Plan): Plan | Refusal {
  const voting = plan.phases.filter((phase) => phase.rules.aggregation === 'majority_vote');
  const unheeded = (setting: string, needs: string): Refusal =>
    refuse('invalid_arguments', `${setting} has no effect on this task: it needs ${needs}`, { setting });
  if (request.consensusRequired && !voting.some((phase) => phase.rules.consensusRequired)) {
    return unheeded('consensusRequired', 'resultAggregation majority_vote and a parallelism above 1');
  }
  if (request.consensusThreshold !== null && !request.consensusRequired) {
    return unheeded('consensusThreshold', 'consensusRequired');
  }
  if (request.voteKey !== null && voting.length === 0) return unheeded('voteKey', 'resultAggregation majority_vote');
  return plan;
}

function resolve(strategy: Strategy, request: TaskRequest): [Task['resolvedStrategy'], number, string] {
  const { parallelism, consensusRequired } = request;
  if (strategy === 'parallel') return ['parallel', parallelism ?? defaultVoters, 'asked for'];
  if (consensusRequired) return ['parallel', parallelism ?? defaultVoters, 'adaptive: consensus needs several agents'];
  if (parallelism !== null && parallelism > 1)
    return ['parallel', parallelism, `adaptive: parallelism ${parallelism} was asked for`];
  return ['single', 1, 'adaptive: one agent, and another only when it fails'];
}

function planPhase(state: State, task: TaskRequest, phase: PhaseRequest, world: World): PhasePlan {
  const parallelism = phase.parallelism ?? task.parallelism ?? 1;
  return {
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
}

function voteRules(state: State, task: TaskRequest, asked: Aggregation | null, parallelism: number): VoteRules {
  const votes = parallelism > 1 && task.consensusRequired;
  const aggregation = asked ?? (parallelism === 1 ? 'first' : (task.aggregation ?? (votes ? 'majority_vote' : 'all')));
  return {
    aggregation,
    consensusRequired: votes && aggregation === 'majority_vote',
    consensusThreshold: task.consensusThreshold ?? state.swarm!.consensusThreshold,
    failureThreshold: task.failureThreshold,
    voteKey: task.voteKey,
  };
}

/** A graph must be small enough, name each phase once, depend on phases that exist, and have no cycle. */
function refuseGraph(state: State, phases: readonly PhaseRequest[]): Refusal | null {
  const { phasesMax } = state.limits;
  if (phases.length === 0)
    return refuse('invalid_graph', 'phases is empty: name at least one phase, or leave phases out');
  if (phases.length > phasesMax) {
    return refuse('invalid_graph', `phases has ${phases.length} entries; the most is ${phasesMax}`, { phasesMax });
  }
  const byName = new Map<string, PhaseRequest>();
  for (const phase of phases) {
    if (byName.has(phase.name)) {
      return refuse('invalid_graph', `phase name ${phase.name} is used twice: names must differ`, {
        phase: phase.name,
      });
    }
    byName.set(phase.name, phase);
  }
  for (const phase of phases) {
    const missing = phase.dependencies.find((name) => !byName.has(name));
    if (missing !== undefined) {
      return refuse(
        'invalid_graph',
        `phase ${phase.name} depends on ${missing}, which is not a phase of this task: its phases are ${[...byName.keys()].join(', ')}`,
        { phase: phase.name, dependency: missing },
      );
    }
  }
  const cycle = findCycle(phases);
  return cycle === null
    ? null
    : refuse('invalid_graph', `the dependencies go in a circle: ${cycle.join(' -> ')}`, { cycle });
}

/** Takes away, again and again, the phases whose dependencies are all gone; what cannot be taken away holds a circle. */
function findCycle(phases: readonly PhaseRequest[]): string[] | null {
  const left = new Map(phases.map((phase) => [phase.name, new Set(phase.dependencies)]));
  for (let progress = true; progress;) {
    progress = false;
    for (const [name, dependencies] of left) {
      if (dependencies.size > 0) continue;
      left.delete(name);
      for (const others of left.values()) others.delete(name);
      progress = true;
    }
  }
  const start = left.keys().next().value;
  if (start === undefined) return null;
  const path: string[] = [];
  let name: string = start;
  while (!path.includes(name)) {
    path.push(name);
    name = left.get(name)!.values().next().value!;
  }
  return [...path.slice(path.indexOf(name)), name];
}

/** The part that an agent plays, by its type. */
export function roleOf(agent: Agent): 'coordinator' | 'validator' | 'worker' {
  return agent.type === 'coordinator' || agent.type === 'validator' ? agent.type : 'worker';
}
