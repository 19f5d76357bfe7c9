/** When a swarm is to be forgotten, and what of it: its oldest ended task, its agent that closed first. */
import { agentClosedAt, type State } from '../state.ts';
import { setTimer } from './timers.ts';

export function refreshSwarm(state: State): void {
  const { swarm, limits } = state;
  const destroyedAt = swarm?.destroyedAt ?? null;
  setTimer(state, { kind: 'swarm', id: 'swarm' }, destroyedAt === null ? null : destroyedAt + limits.swarmRetentionMs);
  const oldestTask = state.endedTasks.first();
  const endedAt = oldestTask === undefined ? null : state.tasks.get(oldestTask)!.endedAt!;
  const tasksDue = endedAt === null ? null : endedAt + limits.taskRetentionMs;
  setTimer(state, { kind: 'ended_tasks', id: 'ended_tasks' }, destroyedAt === null ? tasksDue : null);
  const oldestAgent = state.closedAgents.first();
  const closedAt = oldestAgent === undefined ? null : agentClosedAt(state.agents.get(oldestAgent)!);
  const agentsDue = closedAt === null ? null : closedAt + limits.agentRetentionMs;
  setTimer(state, { kind: 'closed_agents', id: 'closed_agents' }, destroyedAt === null ? agentsDue : null);
}
