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
  swarm_paused: ({ at }) => [`paused since ${iso(at)}`],
  swarm_destroyed: (_event, { tasks }) => [
    'destroyed',
    ...[...tasks.values()].flatMap(({ id, endedAt }) => (endedAt === null ? [`ended ${id}`] : [])),
  ],
  agent_spawned: ({ agentId }) => [`spawned ${agentId}`],
  agent_joined: ({ agentId }) => [`joined ${agentId}`],
  agent_draining: ({ agentId }) => [`draining ${agentId}`],
  agent_stopped: ({ agentId }) => [`stopped ${agentId}`],
  task_accepted: ({ taskId }) => [`accepted ${taskId}`],
  task_ended: ({ taskId }) => [`ended ${taskId}`],
  assignment_claimed: ({ assignmentId, leaseToken }) => [`claimed ${assignmentId} ${leaseToken}`],
  attempt_succeeded: ({ assignmentId }) => [`succeeded ${assignmentId}`],
  attempt_failed: ({ assignmentId, error }) => [`attempt failed ${assignmentId} ${error.agentId}`],
  assignment_released: ({ assignmentId }) => [`released ${assignmentId}`],
  decision_asked: ({ taskId }) => [`asked ${taskId}`],
  phase_settled: ({ taskId, phase }, { tasks }) =>
    tasks.get(taskId)!.phases.some(({ name, asked }) => name === phase && asked !== undefined)
      ? [`decided ${taskId}`]
      : [],
  message_sent: ({ messageId, to }, before) => [`sent ${messageId}`, inbox(to, nextIn(before, to), messageId)],
  message_broadcast: ({ messageId, receivers }, before) => [
    `sent ${messageId}`,
    ...receivers.map(({ agentId }) => inbox(agentId, nextIn(before, agentId), messageId)),
  ],
  files_reserved: ({ reservationId }) => [`reserved ${reservationId}`],
  files_released: ({ reservationId }) => [`released ${reservationId}`],
  approval_requested: ({ approvalId }) => [`requested ${approvalId}`],
  approval_decided: ({ approvalId, behavior }) => [`${behavior} ${approvalId}`],
};

/** The one place of a message in an inbox. */
function inbox(agentId: string, seq: number, messageId: string): string {
  return `message ${seq} of ${agentId} is ${messageId}`;
}

function nextIn({ agents }: State, agentId: string): number {
  return agents.get(agentId)!.nextMessageSeq;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

export function factsOf(event: Event, before: State): readonly string[] {
  return (made[event.type] as ((event: Event, before: State) => readonly string[]) | undefined)?.(event, before) ?? [];
}

const ended = new Set(['completed', 'failed', 'cancelled']);
const endOf = ({ taskId, status }: any): string[] =>
  ended.has(status)
    ? [`accepted ${taskId}`, `ended ${taskId}`]
    : status === 'waiting'
      ? [`asked ${taskId}`]
      : [`accepted ${taskId}`];
const claimIn = ({ assignment }: any): string[] =>
  assignment === null ? [] : [`claimed ${assignment.assignmentId} ${assignment.leaseToken}`];
const pauseIn = ({ paused }: any): string[] => (paused === null ? [] : [`paused since ${paused.since}`]);
const reservationsIn = ({ reservations }: any): string[] =>
  reservations.map(({ reservationId }: any) => `reserved ${reservationId}`);

const approvalsIn = ({ approvals }: any): string[] => approvals.map(({ approvalId }: any) => `requested ${approvalId}`);
/** What has ended is denied without anybody having said so. */
const answerIn = ({ approvalId, behavior }: any): string[] => [
  `requested ${approvalId}`,
  ...(behavior === 'allow' ? [`allow ${approvalId}`] : []),
];

const claimed: { readonly [T in CommandType]?: (reply: any, command: any) => readonly string[] } = {
  swarm_init: ({ swarmId }) => [`created ${swarmId}`],
  swarm_destroy: () => ['destroyed'],
  swarm_status: (reply) => [...pauseIn(reply), ...reservationsIn(reply), ...approvalsIn(reply)],
  swarm_pause: pauseIn,
  swarm_resume: pauseIn,
  agent_spawn: ({ agentId }) => [`spawned ${agentId}`],
  agent_status: reservationsIn,
  agent_stop: ({ agentId, status }) => [`${status} ${agentId}`],
  swarm_join: ({ agentId }) => [`joined ${agentId}`],
  swarm_accompany: (_reply, { assignmentId, leaseToken }) => [`claimed ${assignmentId} ${leaseToken}`],
  swarm_leave: ({ agentId }) => [`stopped ${agentId}`],
  task_orchestrate: ({ taskId }) => [`accepted ${taskId}`],
  task_status: endOf,
  task_wait: endOf,
  task_cancel: endOf,
  task_next: claimIn,
  task_complete: ({ assignmentId }) => [`succeeded ${assignmentId}`],
  task_fail: ({ assignmentId }, { actor }) => [`attempt failed ${assignmentId} ${actor.agentId}`],
  task_release: ({ assignmentId }) => [`released ${assignmentId}`],
  task_decide: ({ taskId }) => [`decided ${taskId}`],
  agent_message: ({ messageId }) => [`sent ${messageId}`],
  message_next: ({ agentId, messages }) => messages.map(({ seq, messageId }: any) => inbox(agentId, seq, messageId)),
  approve: answerIn,
  approval_wait: answerIn,
  approval_decide: ({ approvalId, behavior }) => [`${behavior} ${approvalId}`],
  file_reserve: ({ reservationId }) => [`reserved ${reservationId}`],
  file_release: ({ released }) => released.map(({ reservationId }: any) => `released ${reservationId}`),
};

export function factsClaimedBy(command: Command, reply: any): readonly string[] {
  const facts = claimed[command.type]?.(reply, command) ?? [];
  if (reply.pending?.drain !== true) return facts;
  return [
    ...facts,
    `draining ${command.type === 'agent_message' ? command.from!.agentId : 'actor' in command ? command.actor.agentId : reply.agentId}`,
  ];
}

/** What must be the same in every answer to the same request id; null: nothing, it tells how things are. */
export function identityOf(command: Command, reply: any): string | null {
  if (tellsHowThingsAre.has(command.type)) return null;
  // Nothing was released, and the next try may find something.
  if (command.type === 'file_release' && reply.released.length === 0) return '';
  if (command.type === 'task_next') return claimIn(reply).join();
  // Joining again is a new join of the same agent; what else is told may have changed since.
  if (command.type === 'swarm_join') return String(reply.agentId);
  const { pending: _, ...kept } = reply;
  return JSON.stringify(kept);
}

const tellsHowThingsAre: ReadonlySet<CommandType> = new Set<CommandType>([
  'task_update',
  'message_next',
  'swarm_pause',
  'swarm_resume',
  'approve',
  'approval_wait',
]);
