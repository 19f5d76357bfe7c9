/**
 * A setting of a task that would have no effect is refused, with what it needs: nothing is accepted and ignored.
 */
import type { TaskRequest } from './command.ts';
import { refuse, type Refusal } from './refusal.ts';
import type { Aggregation, Phase, PhaseDefaults, Task } from './state.ts';
import { countsBallots } from './vote.ts';

export type PhaseSettings = PhaseDefaults & Pick<TaskRequest, 'items'>;

export function unheeded(setting: string, needs: string): Refusal {
  return refuse('invalid_arguments', `${setting} has no effect on this task: it needs ${needs}`, { setting });
}

/** What no plan whatsoever could heed. */
export function refuseContradiction(request: PhaseDefaults): Refusal | null {
  if (request.consensusThreshold !== null && !request.consensusRequired) {
    return unheeded('consensusThreshold', 'consensusRequired');
  }
  if (request.lead !== null && request.maxVotes !== null && request.maxVotes < request.lead) {
    return refuse(
      'invalid_arguments',
      `maxVotes ${request.maxVotes} is below aheadBy ${request.lead}: no ballot could ever lead by that much`,
    );
  }
  return null;
}

/** Given phases need no strategy, items are units of work and no copies, sampling takes as many copies as it needs. */
export function refuseByStrategy(request: TaskRequest, resolvedStrategy: Task['resolvedStrategy']): Refusal | null {
  const { items, parallelism, aggregation, phases, strategy } = request;
  if (phases !== null && strategy !== null && strategy !== 'adaptive') {
    return unheeded(`strategy ${strategy}`, 'a task without phases: given ones are used as they are');
  }
  const samples = (asked: Aggregation | null): boolean => (asked ?? aggregation) === 'ahead_by_k';
  if (parallelism !== null && phases === null && samples(null) && items === null) {
    return unheeded('parallelism', 'another resultAggregation: ahead_by_k takes as many votes as it needs');
  }
  const sampled = phases?.find((phase) => phase.parallelism !== null && samples(phase.aggregation));
  if (sampled !== undefined) {
    return unheeded(
      `parallelism of phase ${sampled.name}`,
      'another resultAggregation: ahead_by_k takes as many votes as it needs',
    );
  }
  if (resolvedStrategy === 'balanced' && parallelism !== null) {
    return unheeded('parallelism', 'another strategy: balanced has one assignment an item');
  }
  if (items === null) return null;
  if (resolvedStrategy !== 'balanced') return unheeded('items', 'the strategy balanced, or adaptive without phases');
  const copies = 'copies of the same work instead of items';
  if (request.consensusRequired) return unheeded('consensusRequired', copies);
  return aggregation === null || aggregation === 'all' ? null : unheeded(`resultAggregation ${aggregation}`, copies);
}

/** What none of the phases that are planned heeds. */
export function refuseUnheeded(request: PhaseDefaults, phases: readonly Pick<Phase, 'rules'>[]): Refusal | null {
  const rules = phases.map((phase) => phase.rules);
  const has = (aggregation: Aggregation): boolean => rules.some((of) => of.aggregation === aggregation);
  const { aggregation, conflictResolution } = request;
  if (request.consensusRequired && !rules.some((of) => of.consensusRequired)) {
    return unheeded(
      'consensusRequired',
      'resultAggregation majority_vote or weighted_vote, and several agents in one phase',
    );
  }
  if (request.voteKey !== null && !rules.some(countsBallots)) {
    return unheeded('voteKey', 'a vote: resultAggregation majority_vote');
  }
  if (request.votingMechanism === 'weighted' && !has('weighted_vote')) {
    return unheeded('votingMechanism weighted', 'resultAggregation majority_vote and a parallelism above 1');
  }
  if (request.votingMechanism === 'equal' && has('weighted_vote')) {
    return unheeded('votingMechanism equal', 'resultAggregation majority_vote instead of weighted_vote');
  }
  if (conflictResolution !== null && conflictResolution !== 'fail') {
    if (!rules.some((of) => of.conflictResolution !== undefined)) {
      const judged = conflictResolution === 'expert_priority' || conflictResolution === 'human';
      return unheeded(
        `conflictResolution ${conflictResolution}`,
        judged ? 'a vote, or resultAggregation best' : 'a vote',
      );
    }
  }
  if ((request.lead !== null || request.maxVotes !== null) && !has('ahead_by_k')) {
    return unheeded(request.lead !== null ? 'aheadBy' : 'maxVotes', 'resultAggregation ahead_by_k');
  }
  const isOfCopies = aggregation === 'majority_vote' || aggregation === 'weighted_vote' || aggregation === 'best';
  const isHeeded = (of: Aggregation): boolean => has(of) || (of === 'majority_vote' && has('weighted_vote'));
  return isOfCopies && !isHeeded(aggregation)
    ? unheeded(`resultAggregation ${aggregation}`, 'several agents in one phase')
    : null;
}
