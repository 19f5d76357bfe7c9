/**
 * Rules of forgetting: what is over is kept for a while and up to a number, so that a swarm that runs for months does
 * not grow. The oldest go first, some at a time.
 */
import { blobsOnlyIn } from './index/inboxes.ts';
import { happened, type Decision, type Rule, type World } from './rule.ts';
import { agentClosedAt, type Payload, type State, type Task } from './state.ts';

/** Forgotten in one event. */
const batch = 100;

/** Follows the end of a task or an agent. */
export const forgetExcess: Rule<'forget_excess'> = (state, _command, world) => {
  const tasks = state.endedTasks.size >= state.limits.endedTasksMax + batch;
  const agents = state.closedAgents.size >= state.limits.closedAgentsMax + batch;
  return {
    events: [
      ...(tasks
        ? forgotTasks(
            state,
            oldest(state.endedTasks, () => true),
            world,
          )
        : []),
      ...(agents
        ? forgotAgents(
            state,
            oldest(state.closedAgents, () => true),
            world,
          )
        : []),
    ],
  };
};

export function forgetOldTasks(state: State, world: World): Decision {
  const horizon = world.now - state.limits.taskRetentionMs;
  const old = oldest(state.endedTasks, (taskId) => state.tasks.get(taskId)!.endedAt! <= horizon);
  return { events: forgotTasks(state, old, world) };
}

export function forgetOldAgents(state: State, world: World): Decision {
  const horizon = world.now - state.limits.agentRetentionMs;
  const old = oldest(state.closedAgents, (agentId) => agentClosedAt(state.agents.get(agentId)!)! <= horizon);
  return { events: forgotAgents(state, old, world) };
}

function forgotTasks(state: State, taskIds: readonly string[], world: World) {
  const blobs = taskIds.flatMap((taskId) => taskBlobs(state.tasks.get(taskId)!));
  return [happened(world, { type: 'tasks_forgotten', taskIds, blobs })];
}

function forgotAgents(state: State, agentIds: readonly string[], world: World) {
  const bodies = agentIds.flatMap((agentId) => state.agents.get(agentId)!.inbox.map(({ body }) => body));
  const blobs = blobsOnlyIn(state, bodies);
  return [happened(world, { type: 'agents_forgotten', agentIds, blobs })];
}

function oldest(ids: Iterable<string>, wanted: (id: string) => boolean): string[] {
  const found: string[] = [];
  for (const id of ids) {
    if (found.length === batch || !wanted(id)) break;
    found.push(id);
  }
  return found;
}

function taskBlobs(task: Task): string[] {
  const payloads = [task.input];
  for (const phase of task.phases) {
    payloads.push(phase.input, ...(phase.items ?? []));
    for (const { work } of phase.assignments) if (work.status === 'succeeded') payloads.push(work.result);
  }
  return payloads.flatMap(blobsOf);
}

function blobsOf(payload: Payload | null): string[] {
  return payload !== null && 'blob' in payload ? [payload.blob] : [];
}
