/** Of each task and assignment: who is occupied with it, its timer, and whether it waits to be claimed. */
import { overBudget } from '../budget.ts';
import { timesOutAt, type Assignment, type Phase, type State, type Task } from '../state.ts';
import { agentDue, agentEntry } from './agents.ts';
import type { AgentEntry } from './indexes.ts';
import { refreshQueued } from './matching.ts';
import { refreshStanding } from './standing.ts';
import { setTimer } from './timers.ts';

export function refreshTask(state: State, task: Task): void {
  const live = task.endedAt === null;
  if (!state.indexes.taskBySeq.has(task.seq)) {
    state.indexes.taskBySeq.set(task.seq, task);
    if (live) state.indexes.liveTasks += 1;
  }
  setTimer(state, { kind: 'task', id: task.id }, live ? taskDue(task) : null);
}

function taskDue(task: Task): number | null {
  // Its budget is used up and it holds nothing any more: due ever since.
  return overBudget(task) !== null && !isClaimed(task) ? task.createdAt : task.deadlineAt;
}

export function isClaimed(task: Task): boolean {
  return task.phases.some((phase) => phase.assignments.some(({ work }) => work.status === 'claimed'));
}

/** Follows the budget being used up: what waits of the task cannot be claimed any more. */
export function refreshBudget(state: State, task: Task): void {
  for (const phase of task.phases) {
    for (const assignment of phase.assignments) refreshQueued(state, task, phase, assignment);
  }
  refreshTask(state, task);
}

export function taskHasEnded(state: State, task: Task): void {
  state.indexes.liveTasks -= 1;
  refreshTask(state, task);
}

export function forgetTask(state: State, task: Task): void {
  state.indexes.taskBySeq.delete(task.seq);
}

/** `before` is the agent that the assignment occupied until now. */
export function refreshAssignment(
  state: State,
  task: Task,
  phase: Phase,
  assignment: Assignment,
  before: string | null,
): void {
  const { work } = assignment;
  const after = work.status === 'offered' || work.status === 'claimed' ? work.agentId : null;
  if (before !== after) {
    occupy(state, before, (entry) => entry.work.delete(assignment.id));
    occupy(state, after, (entry) => entry.work.set(assignment.id, { task, phase, assignment }));
  }
  refreshQueued(state, task, phase, assignment);
  setTimer(state, { kind: 'assignment', id: assignment.id }, assignmentDue(assignment));
  if (overBudget(task) !== null) refreshTask(state, task);
}

function occupy(state: State, agentId: string | null, change: (entry: AgentEntry) => void): void {
  const agent = agentId === null ? undefined : state.agents.get(agentId);
  if (agent === undefined) return;
  const entry = agentEntry(state, agent);
  change(entry);
  refreshStanding(state, entry);
  if (agent.draining !== null) setTimer(state, { kind: 'agent', id: agent.id }, agentDue(entry));
}

function assignmentDue({ work }: Assignment): number | null {
  switch (work.status) {
    case 'backoff':
    case 'offered':
      return work.until;
    case 'claimed':
      return Math.min(work.leaseUntil, timesOutAt(work));
    default:
      return null;
  }
}
