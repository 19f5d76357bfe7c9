/**
 * Rules of turning a phase's results into its outcome: ballots, majorities, thresholds.
 *
 * The outcome is a pure function of the ballots, the failures and the rules. The denominator is what was planned:
 * failures and abstentions count against. A phase is settled as soon as nothing outstanding can change its outcome.
 */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import jsonpointer from 'jsonpointer';
import type { Json } from './json.ts';
import type { Show } from './rule.ts';
import { assignmentStatus, type Assignment, type Ballot, type Outcome, type Phase, type VoteRules } from './state.ts';

/** The package's types describe an ES module, which it is not. */
const canonicalJson = canonicalize as unknown as (value: Json) => string;

/** Longer keys are replaced by their digest: they need to be comparable, not readable. */
const ballotKeyMax = 512;

export function countsBallots({ rules }: Phase): boolean {
  return rules.aggregation === 'majority_vote';
}

/**
 * The comparable part of a result, the first that applies: the vote given with it (or as its member `vote`); what
 * `voteKey` points to; the canonical JSON (RFC 8785) of the result; for plain text its normal form. null: an
 * abstention, when there is nothing at `voteKey`.
 */
export function ballotOf(result: Json, vote: Json | undefined, voteKey: string | null): Ballot | null {
  const explicit = vote ?? (isObject(result) ? result['vote'] : undefined);
  if (explicit !== undefined) return { key: ballotKey(explicit), source: 'vote' };
  if (voteKey !== null) {
    const found = at(result, voteKey);
    return found === undefined ? null : { key: ballotKey(found), source: 'voteKey' };
  }
  return { key: ballotKey(result), source: typeof result === 'string' ? 'text' : 'json' };
}

function at(value: Json, pointer: string): Json | undefined {
  return typeof value === 'object' && value !== null ? jsonpointer.get(value as object, pointer) : undefined;
}

/** A part of a result, null where there is nothing; worked out when the reply is written and all of it is there. */
export function partOf(result: unknown, pointer: string): { toJSON(): Json } {
  return { toJSON: () => at(JSON.parse(JSON.stringify(result)) as Json, pointer) ?? null };
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function ballotKey(value: Json): string {
  const key = typeof value === 'string' ? normalText(value) : canonicalJson(value);
  return key.length <= ballotKeyMax ? key : `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

/** NFC, white space collapsed, lower case. Different prose never merges any further than this. */
function normalText(text: string): string {
  return text.normalize('NFC').replace(/\s+/gu, ' ').trim().toLowerCase();
}

export interface Tally {
  readonly planned: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Not ended yet. */
  readonly open: number;
  /** The ballot that leads, the oldest where several do; null: nobody voted. */
  readonly leader: { readonly key: string; readonly votes: number } | null;
}

export function tally(phase: Phase): Tally {
  const counts = new Map<string, number>();
  let succeeded = 0;
  let failed = 0;
  for (const { work } of phase.assignments) {
    if (work.status === 'failed') failed += 1;
    if (work.status !== 'succeeded') continue;
    succeeded += 1;
    if (work.ballot !== null) counts.set(work.ballot.key, (counts.get(work.ballot.key) ?? 0) + 1);
  }
  let leader: Tally['leader'] = null;
  for (const [key, votes] of counts) if (leader === null || votes > leader.votes) leader = { key, votes };
  return { planned: phase.parallelism, succeeded, failed, open: phase.assignments.length - succeeded - failed, leader };
}

/** The fewest equal ballots of those planned that win. */
export function requiredVotes(rules: VoteRules, planned: number): number {
  const majority = Math.floor(planned / 2) + 1;
  if (!rules.consensusRequired) return majority;
  // The threshold is compared as the share that would be reported, so that two of three meet 0.66 and not 0.67.
  let votes = majority;
  while (votes < planned && votes / planned < rules.consensusThreshold) votes += 1;
  return votes;
}

/** The most assignments that may fail without the phase failing. */
export function maxFailures(rules: VoteRules, planned: number): number {
  const byAggregation = rules.aggregation === 'majority_vote' ? planned - requiredVotes(rules, planned) : planned - 1;
  const { failureThreshold } = rules;
  if (failureThreshold === null) return byAggregation;
  let byThreshold = Math.floor(failureThreshold * planned);
  while (byThreshold < planned && (byThreshold + 1) / planned <= failureThreshold) byThreshold += 1;
  return Math.min(byAggregation, byThreshold);
}

export type Verdict =
  | { readonly settled: false }
  | { readonly settled: true; readonly succeeded: true; readonly outcome: Outcome }
  | { readonly settled: true; readonly succeeded: false; readonly reason: string; readonly outcome: Outcome | null };

/** Whether the phase can be settled, and how. */
export function judge(phase: Phase): Verdict {
  const { rules } = phase;
  const counted = tally(phase);
  const succeeded = phase.assignments.filter(({ work }) => work.status === 'succeeded');
  if (counted.failed > maxFailures(rules, counted.planned)) {
    const reason =
      rules.failureThreshold === null || counted.planned === 1 ? 'attempts_exhausted' : 'failure_threshold';
    return { settled: true, succeeded: false, reason, outcome: null };
  }
  switch (rules.aggregation) {
    case 'first':
      if (succeeded.length === 0) return { settled: false };
      return { settled: true, succeeded: true, outcome: { decidedBy: 'first', winners: [firstOf(succeeded).id] } };
    case 'all':
      if (counted.open > 0) return { settled: false };
      return {
        settled: true,
        succeeded: true,
        outcome: { decidedBy: 'all', winners: succeeded.map(({ id }) => id) },
      };
    case 'majority_vote': {
      const required = requiredVotes(rules, counted.planned);
      const votes = counted.leader?.votes ?? 0;
      if (counted.leader !== null && votes >= required) {
        const decidedBy = rules.consensusRequired ? 'consensus' : 'majority_vote';
        return {
          settled: true,
          succeeded: true,
          outcome: { decidedBy, winners: votersFor(succeeded, counted.leader.key) },
        };
      }
      // Even if all that is open agreed with the leader, or with each other.
      if (votes + counted.open >= required) return { settled: false };
      return { settled: true, succeeded: false, reason: 'no_consensus', outcome: null };
    }
  }
}

function firstOf(succeeded: readonly Assignment[]): Assignment {
  return succeeded.reduce((first, other) => (endedVersion(other) < endedVersion(first) ? other : first));
}

function endedVersion({ work }: Assignment): number {
  return work.status === 'succeeded' ? work.version : Infinity;
}

function votersFor(succeeded: readonly Assignment[], key: string): string[] {
  return succeeded
    .filter(({ work }) => work.status === 'succeeded' && work.ballot?.key === key)
    .sort((a, b) => endedVersion(a) - endedVersion(b))
    .map(({ id }) => id);
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

/** Who voted what, at which version; the share; what decided. null for a phase that does not vote. */
export function describeConsensus(phase: Phase): object | null {
  if (!countsBallots(phase)) return null;
  const { planned, leader } = tally(phase);
  return {
    phase: phase.name,
    reached: phase.status === 'succeeded',
    share: leader === null ? 0 : leader.votes / planned,
    required: requiredVotes(phase.rules, planned),
    planned,
    decidedBy: phase.outcome?.decidedBy ?? null,
    ballots: phase.assignments.map(({ id, work }) => ({
      assignmentId: id,
      agentId: 'agentId' in work ? work.agentId : null,
      status: assignmentStatus({ work }),
      ballot: work.status === 'succeeded' ? (work.ballot?.key ?? null) : null,
      source: work.status === 'succeeded' ? (work.ballot?.source ?? null) : null,
      weight: 1,
      version: work.status === 'succeeded' ? work.version : null,
    })),
  };
}
