/**
 * Why something waits, in words that name the cause and what would change it.
 *
 * Whatever holds all of the swarm, or all of a task, up comes first, then what holds up the assignment itself, and last
 * the agents that could do it. It is told with each reply to `task_orchestrate`, so it is read from counters: of the
 * agents only those that are named, and a few of the busy ones, are looked at.
 */
import { waitingFor } from './approval.ts';
import { overBudget } from './budget.ts';
import type { AgentEntry, Lane, Profile, Standing } from './index/indexes.ts';
import { requirementsOf, type Requirements } from './index/matching.ts';
import { authorsOf } from './judging.ts';
import { mayTake } from './offer.ts';
import { iso } from './rule.ts';
import { timesOutAt, type Assignment, type Phase, type State, type Task } from './state.ts';
import { validatorsFor } from './topology.ts';
import { votersOf } from './vote.ts';

/** null: the phase waits for nothing. */
export function whyWaiting(state: State, task: Task, phase: Phase, now: number): string | null {
  if (task.endedAt !== null) return null;
  if (phase.status === 'waiting') {
    const open = phase.dependencies.filter(
      (name) => task.phases.find((of) => of.name === name)?.status !== 'succeeded',
    );
    return `waits for phase ${some(open).join(', ')}`;
  }
  if (phase.status !== 'running') return null;
  if (phase.asked !== undefined) {
    return `needs a person: task_decide chooses one of ${phase.asked.candidates.join(', ')}, or rejects them`;
  }
  const reasons = new Set<string>();
  // For all that is queued of a phase it is the same.
  let queued: string | null = null;
  for (const assignment of phase.assignments) {
    const { status } = assignment.work;
    for (const { id, agentId, tool } of waitingFor(state, assignment)) {
      reasons.add(`needs a person: agent ${agentId} asks to use ${tool}; approval_decide allows or denies ${id}`);
    }
    if (status !== 'backoff' && status !== 'offered' && status !== 'queued') continue;
    reasons.add(
      whyHeldUp(state, task) ?? whyNotYet(task, assignment) ?? (queued ??= whyQueued(state, phase, assignment, now)),
    );
  }
  return reasons.size === 0 ? null : some([...reasons]).join('; ');
}

/** As many as people read. */
const toldMax = 5;

function some(all: readonly string[]): readonly string[] {
  return all.length <= toldMax ? all : [...all.slice(0, toldMax), `and ${all.length - toldMax} more`];
}

function whyHeldUp(state: State, task: Task): string | null {
  const { paused } = state.swarm!;
  if (paused !== null) {
    const why = paused.reason === null ? '' : ` (${paused.reason})`;
    return `the swarm is paused since ${iso(paused.since)}${why}: swarm_resume lets it go on`;
  }
  const over = overBudget(task);
  return over === null ? null : `over budget: ${over}; the task fails when nothing of it is claimed any more`;
}

function whyNotYet({ deadlineAt }: Task, { work, failures, lastError }: Assignment): string | null {
  if (work.status === 'backoff') {
    const after = failures === 0 ? 'it was given back' : `attempt ${failures} failed (${lastError?.reason})`;
    const late = deadlineAt !== null && deadlineAt <= work.until;
    return `tried again at ${iso(work.until)}: ${after}${late ? `; the deadline of the task is before, ${iso(deadlineAt)}` : ''}`;
  }
  return work.status === 'offered' ? `offered to agent ${work.agentId} until ${iso(work.until)}` : null;
}

function whyQueued(state: State, phase: Phase, assignment: Assignment, now: number): string {
  const { lane } = state.indexes.queued.get(assignment.id)!;
  if (lane.profiles.size === 0) return whyNobody(state, requirementsOf(phase, assignment));
  const standing = countStanding(lane);
  const able = standing.busy + standing.silent + standing.free;
  if (able === 0) return whyNobodyNow(standing);
  const barred = barredFrom(state, phase, assignment, lane);
  if (barred.size === able) return whyBarred(state, phase, assignment, able);
  const barredIdle = [...barred].filter((entry) => entry.standing !== 'busy').length;
  if (standing.silent + standing.free > barredIdle) {
    return 'the capable agents that are free are not asking for work: they have to call task_next';
  }
  return whyAllBusy(lane, able - barred.size, barred, now);
}

function whyNobody({ indexes }: State, { agentType, requiredCapabilities }: Requirements): string {
  const remedy = 'spawn one with agent_spawn, or join with swarm_join';
  if (indexes.liveAgents === 0) return `the swarm has no agent: ${remedy}`;
  if (agentType !== null && !indexes.profilesOfType.has(agentType))
    return `no agent is of type ${agentType}: ${remedy}`;
  const missing = requiredCapabilities.filter((capability) => !indexes.profilesWith.has(capability));
  if (missing.length > 0) return `no agent has capability ${missing.join(', ')}: ${remedy}`;
  const which = agentType === null ? 'no single agent' : `no agent of type ${agentType}`;
  return `${which} has all of ${requiredCapabilities.join(', ')}: ${remedy}`;
}

function whyNobodyNow(standing: Readonly<Record<Standing, number>>): string {
  const parts = (['spawning', 'offline', 'draining'] as const)
    .filter((which) => standing[which] > 0)
    .map((which) => `${standing[which]} ${standing[which] === 1 ? 'is' : 'are'} ${which}`);
  const remedy =
    standing.spawning + standing.offline === 0 ? 'spawn another, or let another join' : 'it waits for one to join';
  return `no capable agent takes work now: ${parts.join(', ')}; ${remedy}`;
}

function countStanding(lane: Lane): Record<Standing, number> {
  const sum: Record<Standing, number> = { spawning: 0, offline: 0, draining: 0, busy: 0, silent: 0, free: 0 };
  for (const { standing } of lane.profiles) {
    for (const which of Object.keys(sum) as Standing[]) sum[which] += standing[which];
  }
  return sum;
}

/** Those who could do it, but may not: they have had a copy of it, or may not judge it. */
function barredFrom(state: State, phase: Phase, assignment: Assignment, lane: Lane): Set<AgentEntry> {
  const suspects =
    assignment.judges === undefined ? holdersOf(state, phase) : [...lane.profiles].flatMap(({ agents }) => [...agents]);
  const isOfLane = ({ profile }: AgentEntry): boolean => profile !== null && lane.profiles.has(profile);
  return new Set(
    suspects.filter((entry) => isOfLane(entry) && isAble(entry) && !mayTake(state, entry.agent, phase, assignment)),
  );
}

function holdersOf(state: State, { assignments }: Phase): AgentEntry[] {
  return assignments.flatMap(({ work }) => {
    const agentId = 'agentId' in work ? work.agentId : null;
    return agentId === null ? [] : (state.indexes.agents.get(agentId) ?? []);
  });
}

function isAble({ standing }: AgentEntry): boolean {
  return standing === 'busy' || standing === 'silent' || standing === 'free';
}

function whyBarred(state: State, phase: Phase, { judges }: Assignment, able: number): string {
  const remedy = 'spawn another, or let another join';
  if (judges !== undefined) {
    const named = [...validatorsFor(state, authorsOf(phase))].slice(0, 3);
    return named.length === 0
      ? `needs a judge: an agent that is no author of what is judged: ${remedy}`
      : `needs a judge: agent ${named.map(({ id }) => id).join(', ')}, which may validate it, takes no work now`;
  }
  const there = able === 1 ? 'there is one' : `there are ${able}`;
  return `needs ${votersOf(phase).length} distinct capable agents; ${there}, and ${able === 1 ? 'it has' : 'each has'} an assignment of this phase: ${remedy}`;
}

/** Busy agents that are looked at for when the first of them will be done. */
const busyLookedAt = 64;

/** From what each needed lately, where that was measured; the timeout of what it holds is the latest in any case. */
function whyAllBusy(lane: Lane, count: number, besides: ReadonlySet<AgentEntry>, now: number): string {
  let expected = Infinity;
  let latest = Infinity;
  for (const entry of firstBusy(lane.profiles, besides)) {
    const { averageMs } = entry.agent.record;
    for (const { assignment } of entry.work.values()) {
      if (assignment.work.status !== 'claimed') continue;
      const { claimedAt } = assignment.work;
      latest = Math.min(latest, timesOutAt(assignment.work));
      // What takes longer than usual may take any time.
      if (averageMs !== null && claimedAt + averageMs > now) expected = Math.min(expected, claimedAt + averageMs);
    }
  }
  const who = count === 1 ? 'the capable agent is busy' : `all ${count} capable agents are busy`;
  if (latest === Infinity) return `${who} with what was offered to ${count === 1 ? 'it' : 'them'} just now`;
  if (expected < latest) return `${who} until about ${iso(expected)}`;
  return `${who}; how long is not known, until ${iso(latest)} at the latest`;
}

function* firstBusy(profiles: Iterable<Profile>, besides: ReadonlySet<AgentEntry>): Iterable<AgentEntry> {
  let looked = 0;
  for (const { agents } of profiles) {
    for (const entry of agents) {
      looked += 1;
      if (looked > busyLookedAt) return;
      if (entry.standing === 'busy' && !besides.has(entry)) yield entry;
    }
  }
}
