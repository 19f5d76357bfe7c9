/**
 * What an event makes true, and what a reply says is true. A reply may only say what is in the journal.
 * One entry an event that replies speak of, one entry a command that acknowledges something.
 */
import type { Command, CommandType } from '../../../src/core/command.ts';
import type { Event, EventType } from '../../../src/core/event.ts';
import type { State } from '../../../src/core/state.ts';

/** `before`: the state that the event finds. */
type FactsOf = {
  readonly [T in EventType]?: (event: Extract<Event, { type: T }>, before: State) => readonly string[];
};

const made: FactsOf = {
  swarm_created: ({ swarmId }) => [`created ${swarmId}`],
  swarm_destroyed: (_event, { tasks }) => [
    'destroyed',
    ...[...tasks.values()].flatMap(({ id, endedAt }) => (endedAt === null ? [`ended ${id}`] : [])),
  ],
  agent_spawned: ({ agentId }) => [`spawned ${agentId}`],
  agent_joined: ({ agentId }) => [`joined ${agentId}`],
  agent_stopped: ({ agentId }) => [`stopped ${agentId}`],
  task_accepted: ({ taskId }) => [`accepted ${taskId}`],
  task_ended: ({ taskId }) => [`ended ${taskId}`],
  assignment_claimed: ({ assignmentId, leaseToken }) => [`claimed ${assignmentId} ${leaseToken}`],
  attempt_succeeded: ({ assignmentId }) => [`succeeded ${assignmentId}`],
  attempt_failed: ({ assignmentId, error }) => [`attempt failed ${assignmentId} ${error.agentId}`],
  assignment_released: ({ assignmentId }) => [`released ${assignmentId}`],
  message_sent: ({ messageId }) => [`sent ${messageId}`],
};

export function factsOf(event: Event, before: State): readonly string[] {
  return (made[event.type] as ((event: Event, before: State) => readonly string[]) | undefined)?.(event, before) ?? [];
}

const ended = new Set(['completed', 'failed', 'cancelled']);
const endOf = ({ taskId, status }: any): string[] =>
  ended.has(status) ? [`accepted ${taskId}`, `ended ${taskId}`] : [];

const claimed: { readonly [T in CommandType]?: (reply: any, command: any) => readonly string[] } = {
  swarm_init: ({ swarmId }) => [`created ${swarmId}`],
  swarm_destroy: () => ['destroyed'],
  agent_spawn: ({ agentId }) => [`spawned ${agentId}`],
  agent_stop: ({ agentId }) => [`stopped ${agentId}`],
  swarm_join: ({ agentId }) => [`joined ${agentId}`],
  swarm_leave: ({ agentId }) => [`stopped ${agentId}`],
  task_orchestrate: ({ taskId }) => [`accepted ${taskId}`],
  task_status: endOf,
  task_wait: endOf,
  task_cancel: endOf,
  task_next: ({ assignment }) =>
    assignment === null ? [] : [`claimed ${assignment.assignmentId} ${assignment.leaseToken}`],
  task_complete: ({ assignmentId }) => [`succeeded ${assignmentId}`],
  task_fail: ({ assignmentId }, { actor }) => [`attempt failed ${assignmentId} ${actor.agentId}`],
  task_release: ({ assignmentId }) => [`released ${assignmentId}`],
  agent_message: ({ messageId }) => [`sent ${messageId}`],
};

export function factsClaimedBy(command: Command, reply: object): readonly string[] {
  return claimed[command.type]?.(reply, command) ?? [];
}

/** What must be the same in every answer to the same request id; null: nothing, it tells how things are. */
export function identityOf(command: Command, reply: any): string | null {
  if (command.type === 'task_update' || command.type === 'message_next') return null;
  if (command.type === 'task_next') return factsClaimedBy(command, reply).join();
  // Joining again is a new join of the same agent; what else is told may have changed since.
  if (command.type === 'swarm_join') return String(reply.agentId);
  const { pending: _, ...kept } = reply;
  return JSON.stringify(kept);
}
