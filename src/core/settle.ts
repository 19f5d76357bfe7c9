/**
 * Rules of settling a phase once what was worked out allows it, and what depends on it, and the task.
 *
 *     running ──a rule decides──────────────────────────────────> succeeded
 *        │    ──too many failures───────────────────────────────> failed, its dependents cancelled
 *        └──no rule decides──> expert | judge | human | vote anew ──> succeeded | failed
 */
import type { Command } from './command.ts';
import type { Event, EventBody } from './event.ts';
import { refuse, type Refusal } from './refusal.ts';
import { happened, type Decision, type Effect, type Rule, type World } from './rule.ts';
import type { Agent, Assignment, Outcome, Phase, State, Task } from './state.ts';
import { hasEnded, roleOf } from './state.ts';
import { askJudge } from './judging.ts';
import { claimEnded } from './lease.ts';
import { decidingPhases, planningAgain } from './planner.ts';
import { describeTask, refuseUnknownTask } from './task.ts';
import { countsBallots, succeededIn, verdictOf, verdictOfJudges, type Verdict } from './vote.ts';
import { matchOf, weightIn } from './weight.ts';

type PhaseSettled = Extract<EventBody, { type: 'phase_settled' }>;

/** Votes of a phase, the first one included: a conflict is voted on once more. */
const roundsMax = 2;

/** Follows every end of an assignment. */
export const settlePhase: Rule<'settle_phase'> = (state, command, world) => {
  const task = state.tasks.get(command.taskId)!;
  const phase = phaseOf(task, command.phase)!;
  if (phase.status !== 'running' || phase.asked !== undefined) return {};
  return conclude(state, task, phase, phase.judging === undefined ? verdictOf(phase) : verdictOfJudges(phase), world);
};

/** A person chooses among the results on which no rule could decide, or rejects them all. */
export const taskDecide: Rule<'task_decide'> = (state, command, world) => {
  const task = state.tasks.get(command.taskId);
  if (task === undefined) return refuseUnknownTask(state, command.taskId);
  if (command.from !== undefined) {
    return refuse(
      'decision_is_human',
      `a person decides what agents could not agree on: this connection acts as agent ${command.from}. Decide on one that acts as none`,
      { taskId: task.id },
    );
  }
  const asked = task.phases.filter((phase) => phase.asked !== undefined);
  const phase = command.phase === null ? asked[0] : asked.find(({ name }) => name === command.phase);
  if (phase?.asked === undefined) return refuseUnasked(task, command.phase, asked);
  if (command.phase === null && asked.length > 1) {
    return refuse(
      'invalid_arguments',
      `task ${task.id} waits for several decisions: say with phase which one (${asked.map(({ name }) => name).join(', ')})`,
    );
  }
  const { choice } = command;
  if (choice !== null && !phase.asked.candidates.includes(choice)) {
    return refuse(
      'invalid_arguments',
      `${choice} is not among what phase ${phase.name} can be decided for: choose one of ${phase.asked.candidates.join(', ')}, or reject them all`,
      { candidates: phase.asked.candidates },
    );
  }
  const verdict: Verdict =
    choice === null
      ? { kind: 'failed', reason: command.reason ?? 'rejected' }
      : { kind: 'succeeded', outcome: { decidedBy: 'human', winners: [choice] } };
  return {
    ...conclude(state, task, phase, verdict, world),
    reply: (after) => describeTask(after, after.tasks.get(task.id)!, world.now),
  };
};

function refuseUnasked(task: Task, phase: string | null, asked: readonly Phase[]): Refusal {
  const why =
    task.endedAt !== null
      ? `task ${task.id} ${hasEnded(task)}`
      : asked.length === 0
        ? `task ${task.id} waits for nobody's decision`
        : `phase ${phase} of task ${task.id} waits for nobody's decision: ${asked.map(({ name }) => name).join(', ')} does`;
  return refuse('not_asked', `${why}. task_status shows what is asked`, { taskId: task.id });
}

function conclude(state: State, task: Task, phase: Phase, verdict: Verdict, world: World): Decision {
  switch (verdict.kind) {
    case 'open':
      return {};
    case 'succeeded':
      return succeeded(task, phase, verdict.outcome, world);
    case 'failed':
      return failed(task, phase, verdict.reason, world);
    case 'sample':
      return enlarge(task, phase, 'assignments_added', verdict.count, world);
    case 'choice':
      return choose(task, phase, verdict.candidates, world);
    case 'conflict':
      return resolve(state, task, phase, verdict.reason, world);
  }
}

function succeeded(task: Task, phase: Phase, outcome: Outcome, world: World): Decision {
  return settled(task, phase, { status: 'succeeded', reason: null, outcome }, world);
}

function failed(task: Task, phase: Phase, reason: string, world: World): Decision {
  return settled(task, phase, { status: 'failed', reason, outcome: null }, world);
}

function enlarge(
  task: Task,
  phase: Phase,
  type: 'assignments_added' | 'phase_rerun',
  count: number,
  world: World,
): Decision {
  return {
    events: [happened(world, { type, taskId: task.id, phase: phase.name, count })],
    then: placements(task.id, phase.name, phase.assignments.length + 1, count),
  };
}

function choose(task: Task, phase: Phase, candidates: readonly string[], world: World): Decision {
  return {
    events: [askJudge(task, phase, candidates, world)],
    then: placements(task.id, phase.name, phase.assignments.length + 1, 2),
  };
}

/** Everybody has been heard. */
function resolve(state: State, task: Task, phase: Phase, reason: string, world: World): Decision {
  const { conflictResolution } = phase.rules;
  const candidates = candidatesOf(phase);
  const ids = candidates.map(({ id }) => id);
  if (conflictResolution === 'rerun' && (phase.round ?? 1) < roundsMax) {
    return enlarge(task, phase, 'phase_rerun', phase.parallelism, world);
  }
  if (conflictResolution === undefined || conflictResolution === 'rerun' || ids.length === 0) {
    return failed(task, phase, reason, world);
  }
  switch (conflictResolution) {
    case 'expert_priority':
      return succeeded(task, phase, { decidedBy: 'expert_priority', winners: [expertOf(state, phase).id] }, world);
    case 'judge':
      // Who could not tell the candidates apart is not asked again; one candidate needs no judge.
      if (phase.judging !== undefined) return failed(task, phase, reason, world);
      return ids.length === 1
        ? succeeded(task, phase, { decidedBy: 'only_candidate', winners: ids }, world)
        : choose(task, phase, ids, world);
    case 'human':
      return {
        events: [
          happened(world, { type: 'decision_asked', taskId: task.id, phase: phase.name, reason, candidates: ids }),
        ],
      };
  }
}

/** One for each different ballot, by the first who cast it; where ballots do not count, every success. */
function candidatesOf(phase: Phase): readonly Assignment[] {
  const succeeded = succeededIn(phase);
  if (!countsBallots(phase.rules)) return succeeded;
  const seen = new Set<string>();
  return succeeded.filter(({ work }) => {
    const key = work.status === 'succeeded' ? (work.ballot?.key ?? null) : null;
    if (key === null || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Of those who have a say: best capability match, then weight, then validators, then the oldest agent. */
function expertOf(state: State, phase: Phase): Assignment {
  const rank = (assignment: Assignment): readonly number[] => {
    const agent = authorOf(state, assignment);
    return agent === undefined
      ? [0, 0, 0, -Infinity]
      : [matchOf(agent, phase), weightIn(agent, phase), roleOf(agent) === 'validator' ? 1 : 0, -agent.seq];
  };
  const experts = succeededIn(phase).filter(
    ({ work }) => !countsBallots(phase.rules) || (work.status === 'succeeded' && work.ballot !== null),
  );
  return experts.reduce((best, other) => (isHigher(rank(other), rank(best)) ? other : best));
}

function isHigher(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at !== -1 && a[at]! > b[at]!;
}

function authorOf(state: State, { work }: Assignment): Agent | undefined {
  return 'agentId' in work && work.agentId !== null ? state.agents.get(work.agentId) : undefined;
}

/** Finds an agent for each of some assignments of a phase, which are numbered. */
export function placements(taskId: string, phase: string, first: number, count: number): Command[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'place',
    assignmentId: `${taskId}/${phase}/${first + index}`,
  }));
}

function settled(
  task: Task,
  phase: Phase,
  end: { readonly status: 'succeeded' | 'failed'; readonly reason: string | null; readonly outcome: Outcome | null },
  world: World,
): Decision {
  const events: Event[] = [];
  const then: Command[] = [];
  const statuses = new Map<string, Phase['status']>(task.phases.map((of) => [of.name, of.status]));
  const settle = (
    name: string,
    to: Pick<PhaseSettled, 'status' | 'reason' | 'outcome'>,
    opens: readonly string[],
  ): void => {
    statuses.set(name, to.status);
    events.push(
      happened(world, {
        type: 'phase_settled',
        taskId: task.id,
        phase: name,
        status: to.status,
        reason: to.reason,
        outcome: to.outcome,
        opens,
      }),
    );
  };
  if (end.status === 'succeeded') {
    statuses.set(phase.name, 'succeeded');
    const opened = task.phases.filter(
      (of) => of.status === 'waiting' && of.dependencies.every((name) => statuses.get(name) === 'succeeded'),
    );
    settle(
      phase.name,
      end,
      opened.map((of) => of.name),
    );
    for (const of of opened) {
      statuses.set(of.name, 'running');
      then.push(...placements(task.id, of.name, 1, of.parallelism));
    }
  } else {
    settle(phase.name, end, []);
    const reason = `depends on ${phase.name}, which failed`;
    for (const name of dependentsOf(task, phase.name)) settle(name, { status: 'cancelled', reason, outcome: null }, []);
  }
  const effects = openClaims([phase]);
  if ([...statuses.values()].every((status) => status !== 'waiting' && status !== 'running')) {
    const failed = decidingPhases(task)
      .filter((of) => statuses.get(of.name) === 'failed')
      .map((of) => of.name);
    const planning = planningAgain(task, failed);
    if (planning !== null) {
      events.push(happened(world, { type: 'planning_reopened', taskId: task.id, planner: planning }));
      return { events, effects, then: [...then, ...placements(task.id, planning.name, 1, 1)] };
    }
    events.push(
      happened(world, {
        type: 'task_ended',
        taskId: task.id,
        status: failed.length === 0 ? 'completed' : 'failed',
        reason: failed.length === 0 ? null : `phase ${failed.join(', ')} failed`,
      }),
    );
    effects.push({ kind: 'wake', key: `task:${task.id}` });
    then.push({ type: 'forget_excess' });
  }
  return { events, effects, then };
}

/** All that depend on a phase, directly or not, and have not been settled. */
function dependentsOf(task: Task, name: string): string[] {
  const found = new Set<string>([name]);
  for (let grown = true; grown;) {
    grown = false;
    for (const phase of task.phases) {
      if (found.has(phase.name) || !phase.dependencies.some((dependency) => found.has(dependency))) continue;
      found.add(phase.name);
      grown = true;
    }
  }
  found.delete(name);
  return task.phases.filter((phase) => found.has(phase.name) && phase.status === 'waiting').map((phase) => phase.name);
}

/** Whoever still works on one of the phases is told. */
export function openClaims(phases: readonly Phase[]): Effect[] {
  return phases
    .flatMap((phase) => phase.assignments)
    .filter(({ work }) => work.status === 'claimed')
    .flatMap((assignment) => claimEnded(assignment));
}

function phaseOf(task: Task, name: string): Phase | undefined {
  return task.phases.find((candidate) => candidate.name === name);
}
