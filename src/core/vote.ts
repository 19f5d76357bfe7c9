/**
 * Rules of turning a phase's results into its outcome: ballots, weights, majorities, thresholds, leads.
 *
 * The outcome is a pure function of the ballots, the failures and the rules. The denominator is the weight that was
 * planned: failures and abstentions count against. A phase is settled as soon as nothing outstanding can change its
 * outcome; where weights count, all have to be in, since the weight of one who is still to come is not known.
 */
import type { Show } from './rule.ts';
import { assignmentStatus, type Assignment, type Outcome, type Phase, type VoteRules } from './state.ts';

/** Rules that win by equal ballots. */
const votes: ReadonlySet<VoteRules['aggregation']> = new Set(['majority_vote', 'weighted_vote', 'ahead_by_k']);

export function countsBallots(rules: VoteRules): boolean {
  return votes.has(rules.aggregation);
}

/** Those whose results count now: not the judges, and not the voters of an earlier round. */
export function votersOf(phase: Phase): readonly Assignment[] {
  const { round = 1 } = phase;
  if (round === 1 && phase.judging === undefined) return phase.assignments;
  return phase.assignments.filter((assignment) => assignment.judges === undefined && (assignment.round ?? 1) === round);
}

export interface Tally {
  /** Of all voters, planned and sampled. */
  readonly weight: number;
  readonly voters: number;
  readonly failed: number;
  /** Not ended yet. */
  readonly open: number;
  /** The weight of equal ballots, most first; of equals the oldest first. */
  readonly ballots: readonly (readonly [key: string, weight: number])[];
}

export function tally(phase: Phase): Tally {
  const voters = votersOf(phase);
  const counts = new Map<string, number>();
  let weight = 0;
  let failed = 0;
  let open = 0;
  for (const assignment of voters) {
    const { work } = assignment;
    const own = weightOf(assignment);
    weight += own;
    if (work.status === 'failed') failed += 1;
    else if (work.status !== 'succeeded') open += 1;
    else if (work.ballot !== null) counts.set(work.ballot.key, (counts.get(work.ballot.key) ?? 0) + own);
  }
  // Sorting is stable: what was there first stays first.
  const ballots = [...counts].sort(([, a], [, b]) => b - a);
  return { weight, voters: voters.length, failed, open, ballots };
}

export function weightOf({ weight = 1 }: Assignment): number {
  return weight;
}

/** The fewest equal ballots of those planned that win, if all have the same weight. */
export function requiredVotes(rules: VoteRules, planned: number): number {
  let votes = Math.floor(planned / 2) + 1;
  // The threshold is compared as the share that would be reported, so that two of three meet 0.66 and not 0.67.
  while (votes < planned && !isEnough(rules, votes, planned)) votes += 1;
  return votes;
}

function isEnough(rules: VoteRules, votes: number, weight: number): boolean {
  const share = votes / weight;
  return share > 0.5 + rounding && (!rules.consensusRequired || share >= rules.consensusThreshold - rounding);
}

/** Sums of weights are not exact: 0.1 + 0.2 of 0.6 is no more than half. */
const rounding = 1e-9;

/** The most assignments that may fail without the phase failing. */
export function maxFailures(rules: VoteRules, copies: number): number {
  const planned = plannedVoters(rules, copies);
  return Math.max(0, Math.min(failuresBorne(rules, planned), failuresAllowed(rules, planned)));
}

/** Sampling may come to more than it begins with. */
function plannedVoters({ maxVotes }: VoteRules, copies: number): number {
  return maxVotes ?? copies;
}

/** By its aggregation. */
function failuresBorne(rules: VoteRules, planned: number): number {
  // Who chooses among the results needs one to choose.
  if (rules.conflictResolution !== undefined) return planned - 1;
  switch (rules.aggregation) {
    case 'majority_vote':
      return planned - requiredVotes(rules, planned);
    case 'ahead_by_k':
      return planned - rules.lead!;
    default:
      return planned - 1;
  }
}

/** By the phase's own threshold. */
function failuresAllowed({ failureThreshold }: VoteRules, planned: number): number {
  if (failureThreshold === null) return planned;
  let allowed = Math.floor(failureThreshold * planned);
  while (allowed < planned && (allowed + 1) / planned <= failureThreshold) allowed += 1;
  return allowed;
}

export type Verdict =
  | { readonly kind: 'open' }
  | { readonly kind: 'succeeded'; readonly outcome: Outcome }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Everybody has been heard, and no rule decides. */
  | { readonly kind: 'conflict'; readonly reason: string }
  /** More votes are needed. */
  | { readonly kind: 'sample'; readonly count: number }
  /** Somebody else has to choose among these. */
  | { readonly kind: 'choice'; readonly candidates: readonly string[] };

/** Whether the phase can be settled, and how. */
export function verdictOf(phase: Phase): Verdict {
  const { rules } = phase;
  const counted = tally(phase);
  const planned = plannedVoters(rules, counted.voters);
  if (counted.failed > failuresAllowed(rules, planned)) return { kind: 'failed', reason: 'failure_threshold' };
  if (counted.failed === planned) return { kind: 'failed', reason: 'attempts_exhausted' };
  switch (rules.aggregation) {
    case 'first': {
      const [first] = succeededIn(phase);
      return first === undefined ? { kind: 'open' } : won('first', [first]);
    }
    case 'all':
      return counted.open > 0 ? { kind: 'open' } : won('all', succeededIn(phase));
    case 'best': {
      if (counted.open > 0) return { kind: 'open' };
      const candidates = succeededIn(phase);
      if (candidates.length === 1) return won('only_candidate', candidates);
      return { kind: 'choice', candidates: candidates.map(({ id }) => id) };
    }
    case 'majority_vote':
    case 'weighted_vote':
      return majority(phase, counted);
    case 'ahead_by_k':
      return ahead(phase, counted);
  }
}

function majority(phase: Phase, { ballots, open, failed, weight }: Tally): Verdict {
  const { rules } = phase;
  const weighted = rules.aggregation === 'weighted_vote';
  if (weighted && open > 0) return { kind: 'open' };
  const [leader] = ballots;
  if (leader !== undefined && isEnough(rules, leader[1], weight)) {
    return won(rules.consensusRequired ? 'consensus' : rules.aggregation, votersFor(phase, leader[0]));
  }
  // Even if all that is open agreed with the leader, or with each other.
  if (open > 0 && isEnough(rules, (leader?.[1] ?? 0) + open, weight)) return { kind: 'open' };
  // Who is to choose among the ballots has to see all of them.
  if (open > 0 && rules.conflictResolution !== undefined) return { kind: 'open' };
  const byFailures = !weighted && !isEnough(rules, weight - failed, weight);
  return { kind: 'conflict', reason: byFailures ? 'attempts_exhausted' : 'no_consensus' };
}

function ahead(phase: Phase, { ballots, open, voters, failed }: Tally): Verdict {
  const { lead, maxVotes } = phase.rules as Required<VoteRules>;
  const [first, second] = ballots;
  const leads = (first?.[1] ?? 0) - (second?.[1] ?? 0);
  if (first !== undefined && leads >= lead) return won('ahead_by_k', votersFor(phase, first[0]));
  const left = maxVotes - voters;
  // Even if all that is open, and all that could still be asked, agreed with the leader.
  const isHopeless = leads + open + left < lead;
  if (open > 0 && (!isHopeless || phase.rules.conflictResolution !== undefined)) return { kind: 'open' };
  if (isHopeless) return { kind: 'conflict', reason: failed > maxVotes - lead ? 'attempts_exhausted' : 'no_lead' };
  return { kind: 'sample', count: lead - leads };
}

/** What the judges say who were asked to choose: they have to agree, whatever the order. */
export function verdictOfJudges(phase: Phase): Verdict {
  const judges = phase.assignments.filter(({ judges }) => judges !== undefined);
  const picks: (string | null)[] = [];
  for (const { work } of judges) {
    if (work.status === 'failed') return { kind: 'failed', reason: 'judge_failed' };
    if (work.status !== 'succeeded') return { kind: 'open' };
    picks.push(work.ballot?.key ?? null);
  }
  const [first, second] = picks;
  const chosen = phase.assignments.find(({ id }) => id === first);
  return first === second && chosen !== undefined ? won('judge', [chosen]) : { kind: 'conflict', reason: 'tie' };
}

function won(decidedBy: string, winners: readonly Assignment[]): Verdict {
  return { kind: 'succeeded', outcome: { decidedBy, winners: winners.map(({ id }) => id) } };
}

/** In the order in which they succeeded; of `all`, in their own order. */
export function succeededIn(phase: Phase): Assignment[] {
  const succeeded = votersOf(phase).filter(({ work }) => work.status === 'succeeded');
  return phase.rules.aggregation === 'all' ? succeeded : succeeded.sort((a, b) => endedVersion(a) - endedVersion(b));
}

function endedVersion({ work }: Assignment): number {
  return work.status === 'succeeded' ? work.version : Infinity;
}

function votersFor(phase: Phase, key: string): Assignment[] {
  return succeededIn(phase).filter(({ work }) => work.status === 'succeeded' && work.ballot?.key === key);
}

/**
 * A settled phase's result: of `all` with several assignments the list of results in the order of the assignments, of
 * items with null in the place of what failed; else the result of the (first) winner. null when the phase has none.
 */
export function winningResult(phase: Phase, show: Show): unknown {
  if (phase.outcome === null) return null;
  const results = phase.assignments.map(({ work }) => (work.status === 'succeeded' ? show(work.result) : null));
  if (phase.items !== undefined) return results;
  if (phase.rules.aggregation === 'all' && phase.parallelism > 1) {
    return results.filter((_, index) => phase.assignments[index]!.work.status === 'succeeded');
  }
  const winner = phase.assignments.find(({ id }) => id === phase.outcome!.winners[0]);
  return winner?.work.status === 'succeeded' ? show(winner.work.result) : null;
}

/** Who voted what, with which weight, at which version; the share; what decided. null for a phase that does not vote. */
export function describeConsensus(phase: Phase): object | null {
  const { rules, outcome } = phase;
  if (!countsBallots(rules) && rules.aggregation !== 'best') return null;
  const { weight, voters, ballots } = tally(phase);
  const decidedBy = outcome?.decidedBy ?? null;
  return {
    phase: phase.name,
    reached: decidedBy !== null && reachedBy.has(decidedBy),
    share: !countsBallots(rules) ? null : ballots.length === 0 ? 0 : ballots[0]![1] / weight,
    required: requiredFor(rules, voters, weight),
    planned: voters,
    decidedBy,
    ballots: phase.assignments.map((assignment) => ({
      assignmentId: assignment.id,
      agentId: 'agentId' in assignment.work ? assignment.work.agentId : null,
      status: assignmentStatus(assignment),
      ballot: assignment.work.status === 'succeeded' ? (assignment.work.ballot?.key ?? null) : null,
      source: assignment.work.status === 'succeeded' ? (assignment.work.ballot?.source ?? null) : null,
      weight: weightOf(assignment),
      version: assignment.work.status === 'succeeded' ? assignment.work.version : null,
      ...partIn(phase, assignment),
    })),
  };
}

/** What sets it apart from the copies that were planned: it is of a later vote, or judges these assignments. */
export function partIn(phase: Phase, { round, judges }: Assignment): object {
  if (judges !== undefined) return { judges: phase.judging!.orders[judges] };
  return round === undefined ? {} : { round };
}

/** The agreement of voters, and not somebody's choice among them. */
const reachedBy: ReadonlySet<string> = new Set(['majority_vote', 'consensus', 'weighted_vote', 'ahead_by_k']);

/** Equal ballots, or their weight, that win; of ahead_by_k the lead; null where nothing is counted. */
function requiredFor(rules: VoteRules, voters: number, weight: number): number | null {
  switch (rules.aggregation) {
    case 'majority_vote':
      return requiredVotes(rules, voters);
    case 'weighted_vote':
      return rules.consensusRequired ? Math.max(rules.consensusThreshold, 0.5) * weight : weight / 2;
    case 'ahead_by_k':
      return rules.lead!;
    default:
      return null;
  }
}
