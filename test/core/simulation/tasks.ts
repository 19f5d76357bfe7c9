/**
 * The tasks that clients submit: one entry a kind, with what makes it one. Every task has a name of its own, its
 * description; retries, deadlines and budgets are drawn for all of them alike.
 */
import type { PhaseRequest, TaskRequest } from '../../../src/core/command.ts';
import { phase, taskRequest } from '../swarm-under-test.ts';
import type { Chance } from './chance.ts';
import type { World } from './world.ts';

export const capabilities = ['a', 'b'] as const;

interface Kind {
  readonly weight: number;
  make(chance: Chance): Partial<TaskRequest>;
}

const kinds: readonly Kind[] = [
  { weight: 8, make: () => ({}) },
  { weight: 6, make: (chance) => ({ phases: graph(chance) }) },
  { weight: 2, make: () => ({ consensusRequired: true, parallelism: 3 }) },
  {
    weight: 3,
    make: (chance) => ({
      parallelism: chance.between(2, 3),
      aggregation: chance.pick(['majority_vote', 'weighted_vote']),
      requiredCapabilities: chance.pick([[], ['a']]),
      conflictResolution: conflictResolution(chance),
      ...(chance.happens(0.3) && { consensusRequired: true, consensusThreshold: chance.pick([0.5, 0.66, 1]) }),
    }),
  },
  {
    weight: 1.5,
    make: (chance) => ({
      aggregation: 'ahead_by_k',
      lead: chance.between(1, 2),
      maxVotes: chance.between(2, 4),
      conflictResolution: conflictResolution(chance),
    }),
  },
  {
    weight: 1.5,
    make: (chance) => ({
      parallelism: chance.between(2, 3),
      aggregation: 'best',
      conflictResolution: chance.pick([null, 'expert_priority', 'human']),
    }),
  },
  { weight: 1, make: (chance) => ({ items: [1, 2, 3].slice(0, chance.between(1, 3)) }) },
  { weight: 0.7, make: () => ({ strategy: 'sequential', requiredCapabilities: ['a', 'b'] }) },
  { weight: 0.7, make: (chance) => ({ strategy: 'sequential', parallelism: chance.between(1, 3) }) },
  {
    weight: 0.7,
    make: () => ({ phases: [phase('p'), phase('q', { dependencies: ['p'], select: { p: '/vote' } })] }),
  },
  { weight: 2, make: (chance) => ({ planned: true, requiredCapabilities: chance.pick([[], ['a']]) }) },
];

const total = kinds.reduce((sum, { weight }) => sum + weight, 0);

export function someTask(world: World, chance: Chance): TaskRequest {
  let left = chance.next() * total;
  const { make } = kinds.find(({ weight }) => (left -= weight) < 0)!;
  return taskRequest({
    description: `work ${world.mint()}`,
    ...make(chance),
    priority: chance.pick(['critical', 'high', 'normal', 'low']),
    retry: {
      kind: chance.pick(['none', 'fixed', 'exponential_backoff']),
      maxAttempts: chance.between(1, 4),
      initialMs: chance.pick([1, 100, 1000]),
      maxMs: 3000,
    },
    timeoutMs: chance.pick([1_000, 4_000, 20_000]),
    deadlineMs: chance.happens(0.1) ? chance.between(500, 20_000) : null,
    failureThreshold: chance.pick([null, null, 0, 0.5]),
    budget: chance.happens(0.15)
      ? chance.pick([
          { maxTokens: 5, maxCostUsd: null },
          { maxTokens: 20, maxCostUsd: 0.5 },
        ])
      : null,
  });
}

function conflictResolution(chance: Chance): TaskRequest['conflictResolution'] {
  return chance.pick([null, 'fail', 'expert_priority', 'judge', 'human', 'rerun']);
}

function graph(chance: Chance): readonly PhaseRequest[] {
  const names = ['p', 'q', 'r'].slice(0, chance.between(1, 3));
  return names.map((name, index) =>
    phase(name, {
      dependencies: names.slice(0, index).filter(() => chance.happens(0.6)),
      parallelism: chance.pick([1, 1, 2, 3]),
      aggregation: chance.pick([null, 'all', 'first', 'majority_vote']),
      requiredCapabilities: capabilities.filter(() => chance.happens(0.2)),
    }),
  );
}

/** A plan that can be carried out, whatever has become of the phases of an earlier one. */
export function somePlan({ phase: name, input }: any, chance: Chance): readonly PhaseRequest[] {
  const succeeded = (input.phases ?? []).filter(({ status }: any) => status === 'succeeded');
  const first = phase(`${name}-1`, { dependencies: succeeded.map((of: any) => of.name) });
  return chance.happens(0.5)
    ? [first]
    : [first, phase(`${name}-2`, { dependencies: [first.name], parallelism: chance.between(1, 2) })];
}

/** One that cannot. */
export function faultyPlan(chance: Chance): readonly PhaseRequest[] | { readonly faulty: string } | undefined {
  return chance.pick([undefined, { faulty: 'phases is no list' }, [phase('p', { dependencies: ['p'] })], []]);
}
