/**
 * A second count of the votes: whether what was decided about a phase follows from its ballots, failures and judges by
 * the rules (design, section 8). It shares nothing with the product but the records.
 */
import assert from 'node:assert/strict';
import type { Event } from '../../../src/core/event.ts';
import type { Assignment, Phase } from '../../../src/core/state.ts';

type Settled = Extract<Event, { type: 'phase_settled' }>;

/** Sums of weights are not exact. */
const nearly = 1e-9;

interface Count {
  readonly voters: readonly Assignment[];
  readonly succeeded: readonly Assignment[];
  readonly failed: number;
  readonly open: number;
  readonly weight: number;
  /** The weight of each ballot, the heaviest first. */
  readonly ballots: readonly (readonly [string, number])[];
}

function count({ assignments, round = 1 }: Phase): Count {
  const voters = assignments.filter((of) => of.judges === undefined && (of.round ?? 1) === round);
  const succeeded = voters.filter(({ work }) => work.status === 'succeeded');
  const failed = voters.filter(({ work }) => work.status === 'failed').length;
  const keys = new Set(succeeded.map(keyOf).filter((key) => key !== null));
  const ballots = [...keys].map((key) => [key, weigh(succeeded.filter((of) => keyOf(of) === key))] as const);
  ballots.sort(([, a], [, b]) => b - a);
  const open = voters.length - succeeded.length - failed;
  return { voters, succeeded, failed, open, weight: weigh(voters), ballots };
}

function weigh(assignments: readonly Assignment[]): number {
  return assignments.reduce((sum, { weight = 1 }) => sum + weight, 0);
}

function keyOf({ work }: Assignment): string | null {
  return work.status === 'succeeded' ? (work.ballot?.key ?? null) : null;
}

/** Whether so much of all that was planned would win. */
function wins({ rules }: Phase, { weight, ballots }: Count, votes: number): boolean {
  switch (rules.aggregation) {
    case 'majority_vote':
    case 'weighted_vote':
      if (votes / weight <= 0.5 + nearly) return false;
      return !rules.consensusRequired || votes / weight >= rules.consensusThreshold - nearly;
    case 'ahead_by_k':
      return votes - (ballots[1]?.[1] ?? 0) >= rules.lead!;
    default:
      return false;
  }
}

/** The rules that speak of votes have been tried, and none decided. */
export function assertUndecided(phase: Phase, what: string): void {
  const counted = count(phase);
  assert.equal(counted.open, 0, `${what} before everybody was heard`);
  assert.ok(!wins(phase, counted, counted.ballots[0]?.[1] ?? 0), `${what} although a ballot wins`);
}

export function assertMoreVotes(phase: Phase, more: number): void {
  assertUndecided(phase, 'more votes are taken');
  const { voters, ballots } = count(phase);
  const { lead, maxVotes } = phase.rules;
  assert.ok(voters.length + more <= maxVotes!, `${maxVotes} votes are the most`);
  const [first, second] = [ballots[0]?.[1] ?? 0, ballots[1]?.[1] ?? 0];
  assert.equal(more, lead! - (first - second), 'no more votes than could decide');
}

export function assertJustified(phase: Phase, { status, reason, outcome }: Settled): void {
  if (status === 'succeeded') {
    const justified = successes[outcome!.decidedBy];
    assert.ok(justified !== undefined, `${outcome!.decidedBy} decides nothing`);
    justified(phase, count(phase), outcome!.winners);
  } else if (status === 'failed') {
    const justified = failures[reason!];
    assert.ok(justified !== undefined, `${reason} is no reason to fail`);
    assert.ok(justified(phase, count(phase)), `${phase.name} fails with ${reason}, which is not so`);
  }
}

// ---- one entry a rule that decides

type Success = (phase: Phase, counted: Count, winners: readonly string[]) => void;

const successes: Readonly<Record<string, Success>> = {
  first(_phase, { succeeded }, winners) {
    assert.deepEqual(winners, succeeded.map(({ id }) => id).slice(0, 1));
  },
  all(_phase, { succeeded, open }, winners) {
    assert.equal(open, 0, 'all have ended');
    assert.deepEqual(
      winners,
      succeeded.map(({ id }) => id),
    );
  },
  only_candidate(phase, { succeeded, ballots }) {
    assertUndecided(phase, 'there is only one candidate');
    assert.equal(phase.rules.aggregation === 'best' ? succeeded.length : ballots.length, 1);
  },
  majority_vote: byVotes,
  weighted_vote: byVotes,
  consensus: byVotes,
  ahead_by_k: byVotes,
  expert_priority(phase, { succeeded }, winners) {
    assertUndecided(phase, 'an expert decides');
    assert.equal(phase.rules.conflictResolution, 'expert_priority');
    assert.ok(succeeded.some(({ id }) => id === winners[0]));
  },
  judge({ assignments }, _counted, [winner]) {
    const judges = assignments.filter((of) => of.judges !== undefined);
    assert.deepEqual(judges.map(keyOf), [winner, winner], 'the judges agree in both orders');
  },
  human({ asked }, _counted, [winner]) {
    assert.ok(asked?.candidates.includes(winner!), 'a person chooses among the candidates');
  },
};

function byVotes(phase: Phase, counted: Count, winners: readonly string[]): void {
  const [leader] = counted.ballots;
  assert.ok(leader !== undefined && wins(phase, counted, leader[1]), `${phase.name} is won by too few`);
  if (phase.rules.aggregation === 'weighted_vote') assert.equal(counted.open, 0, 'weights are known of all');
  const votes = counted.succeeded.filter((of) => keyOf(of) === leader[0]).map(({ id }) => id);
  assert.deepEqual([...winners].sort(), votes.sort(), 'the winners are those who cast the winning ballot');
}

/** Whether it is so. */
const failures: Readonly<Record<string, (phase: Phase, counted: Count) => boolean>> = {
  failure_threshold: ({ rules }, { failed, voters }) =>
    failed / (rules.maxVotes ?? voters.length) > rules.failureThreshold!,
  attempts_exhausted: (phase, counted) => counted.failed > 0 && isHopeless(phase, counted),
  no_consensus: isHopeless,
  no_lead: isHopeless,
  judge_failed: ({ assignments }) =>
    assignments.some(({ judges, work }) => judges !== undefined && work.status === 'failed'),
  tie: ({ assignments }) => new Set(assignments.filter((of) => of.judges !== undefined).map(keyOf)).size === 2,
  rejected: ({ asked }) => asked !== undefined,
};

/** Even if all that is open, and all that could be asked, agreed with the leader. */
function isHopeless(phase: Phase, counted: Count): boolean {
  const left = Math.max(0, (phase.rules.maxVotes ?? 0) - counted.voters.length);
  return !wins(phase, counted, (counted.ballots[0]?.[1] ?? 0) + counted.open + left);
}
