/**
 * Timers enter as one command: what has come to its time is dealt with in order, a bounded number at once.
 */
import { agentDue } from './agent.ts';
import type { Timer } from './index/indexes.ts';
import { assignmentDue } from './attempt.ts';
import { inboxDue } from './message.ts';
import { reservationDue } from './reservation.ts';
import { forgetOldAgents, forgetOldTasks } from './retention.ts';
import type { Decision, Rule, World } from './rule.ts';
import type { State } from './state.ts';
import { taskDue } from './task.ts';

/**
 * Deals with the first due timer and follows itself. Each one sees the state that the one before left, and every
 * decision moves or removes its own timer.
 */
export const timersDue: Rule<'timers_due'> = (state, { most }, world) => {
  const timer = state.indexes.timers.peek();
  if (timer === undefined || timer.due > world.now) return {};
  // What follows is the coordinator's: it removes the swarm, and this timer with it.
  if (timer.subject.kind === 'swarm') return { effects: [{ kind: 'forget_swarm' }] };
  const decision = due(state, timer.subject, world);
  if (most === 1) return decision;
  return { ...decision, then: [...(decision.then ?? []), { type: 'timers_due', most: most - 1 }] };
};

function due(state: State, subject: Exclude<Timer['subject'], { kind: 'swarm' }>, world: World): Decision {
  switch (subject.kind) {
    case 'agent':
      return agentDue(state, state.agents.get(subject.id)!, world);
    case 'inbox':
      return inboxDue(state, state.agents.get(subject.agentId)!, world);
    case 'assignment':
      return assignmentDue(state, subject.id, world);
    case 'task':
      return taskDue(state, subject.id, world);
    case 'reservation':
      return reservationDue(state, subject.id, world);
    case 'ended_tasks':
      return forgetOldTasks(state, world);
    case 'closed_agents':
      return forgetOldAgents(state, world);
  }
}
