/**
 * What a worker answers to a piece of work, by the part that it has in it: an author, a judge, or a planner. Results tell
 * enough of it for the oracle to see whether they should have been accepted.
 */
import type { CommandOf } from '../../../src/core/command.ts';
import type { Json } from '../../../src/core/json.ts';
import type { Usage } from '../../../src/core/state.ts';
import type { Chance } from './chance.ts';
import { faultyPlan, somePlan } from './tasks.ts';

export type Answer = Pick<CommandOf<'task_complete'>, 'result' | 'plan'>;

/** `steady`: it answers as all others do. */
export function answerTo(claim: any, chance: Chance, steady: boolean): Answer {
  const { leaseToken: token, input } = claim;
  if (isPlanning(claim)) return { result: { token }, plan: somePlan(claim, chance) };
  if (isJudging(claim)) {
    const { candidates } = input as { readonly candidates: Record<string, Json> };
    const choice = steady ? theBest(candidates) : chance.pick(Object.keys(candidates));
    return { result: { token, choice } };
  }
  return { result: { token, vote: steady ? 'x' : chance.pick(['x', 'x', 'y']) } };
}

/** One that has to be refused, where a piece of work has such. */
export function faultyAnswerTo(claim: any, chance: Chance): Answer | null {
  const { leaseToken: token } = claim;
  if (isPlanning(claim)) {
    const plan = faultyPlan(chance);
    return plan === undefined ? { result: { token, faulty: true } } : { result: { token, faulty: true }, plan };
  }
  return isJudging(claim) ? { result: { token, faulty: true, choice: 'Z' } } : null;
}

/** Any part of it may be unknown. Amounts whose sums are exact. */
export function someUsage(chance: Chance): Usage | null {
  if (chance.happens(0.6)) return null;
  return {
    inputTokens: chance.pick([null, 1, 3]),
    outputTokens: chance.pick([null, 2]),
    costUsd: chance.pick([null, 0.125, 0.25]),
  };
}

function isPlanning({ input }: any): boolean {
  return input?.settings !== undefined;
}

function isJudging({ input }: any): boolean {
  return input?.candidates !== undefined;
}

/** In whatever order they are shown: what the author's lease token makes of it. */
function theBest(candidates: Record<string, Json>): string {
  const named = Object.entries(candidates).map(([letter, shown]) => [JSON.stringify(shown), letter] as const);
  return named.sort()[0]![1];
}
