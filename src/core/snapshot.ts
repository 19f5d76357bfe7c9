/**
 * A state as JSON text, and back: the records as they stand, in their order. The indexes are rebuilt, and what a snapshot
 * of an earlier release lacks gets the value that it had then.
 */
import { createState } from './evolve.ts';
import { refreshAgent } from './index/agents.ts';
import { refreshApproval } from './index/approvals.ts';
import { messageStored } from './index/inboxes.ts';
import { refreshReservation } from './index/reservations.ts';
import { refreshSwarm } from './index/swarm.ts';
import { refreshAssignment, refreshTask } from './index/tasks.ts';
import type { Limits } from './limits.ts';
import type { Agent, AnsweredRequest, Approval, Reservation, State, Swarm, Task } from './state.ts';

interface Snapshot {
  readonly format: 1;
  readonly version: number;
  readonly swarm: Swarm | null;
  readonly agents: readonly Agent[];
  readonly tasks: readonly Task[];
  /** Absent in snapshots of releases that knew none. */
  readonly reservations?: readonly Reservation[];
  readonly approvals?: readonly Approval[];
  readonly requests: readonly (readonly [string, AnsweredRequest])[];
  readonly endedTasks: readonly string[];
  readonly closedAgents: readonly string[];
}

export function snapshot(state: State): string {
  const {
    version,
    swarm,
    agents,
    tasks,
    reservations,
    approvals,
    requests,
    answeredRequests,
    endedTasks,
    closedAgents,
  } = state;
  const content: Snapshot = {
    format: 1,
    version,
    swarm,
    agents: [...agents.values()],
    tasks: [...tasks.values()],
    reservations: [...reservations.values()],
    approvals: [...approvals.values()],
    requests: [...answeredRequests].map((requestId) => [requestId, requests.get(requestId)!]),
    endedTasks: [...endedTasks],
    closedAgents: [...closedAgents],
  };
  return JSON.stringify(content);
}

export function restore(text: string, limits: Limits): State {
  const content = JSON.parse(text) as Snapshot;
  if (content.format !== 1) throw new Error(`a snapshot of format ${content.format}, which this release does not know`);
  const state = createState(limits);
  state.version = content.version;
  state.swarm = content.swarm;
  if (state.swarm !== null) {
    state.swarm.hubId ??= null;
    state.swarm.paused ??= null;
  }
  for (const taskId of content.endedTasks) state.endedTasks.push(taskId);
  for (const agentId of content.closedAgents) state.closedAgents.push(agentId);
  for (const [requestId, answered] of content.requests) {
    state.requests.set(requestId, answered);
    state.answeredRequests.push(requestId);
  }
  for (const agent of content.agents) {
    agent.parentId ??= null;
    agent.draining ??= null;
    agent.record.kinds ??= [];
    state.agents.set(agent.id, agent);
    refreshAgent(state, agent);
    for (const message of agent.inbox) messageStored(state, agent, message);
  }
  for (const task of content.tasks) {
    task.budget ??= null;
    task.usage ??= null;
    state.tasks.set(task.id, task);
    refreshTask(state, task);
    for (const phase of task.phases) {
      for (const assignment of phase.assignments) refreshAssignment(state, task, phase, assignment, null);
    }
  }
  for (const reservation of content.reservations ?? []) {
    state.reservations.set(reservation.id, reservation);
    refreshReservation(state, reservation);
  }
  for (const approval of content.approvals ?? []) {
    state.approvals.set(approval.id, approval);
    refreshApproval(state, approval);
  }
  refreshSwarm(state);
  return state;
}
