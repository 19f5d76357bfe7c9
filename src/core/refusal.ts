/**
 * Refusals: the expected ways in which a request is turned down. They are values, never exceptions.
 *
 * `protocol/errors.json` maps each reason to a JSON-RPC code and says whether it is definite; a test holds this list
 * and that table together.
 */
export const refusalReasons = [
  // swarms
  'swarm_not_found',
  'swarm_destroyed',
  'swarm_full',
  'swarm_quarantined',
  'swarm_busy',
  'swarm_limit',
  // agents
  'agent_not_found',
  'agent_closed',
  'not_joined',
  'join_token_invalid',
  'worker_only',
  'topology_forbids',
  // tasks
  'task_not_found',
  'task_limit',
  'task_ended',
  'not_asked',
  'decision_is_human',
  'invalid_graph',
  // leases
  'assignment_not_found',
  'lease_lost',
  'answer_invalid',
  // messages
  'inbox_full',
  // files
  'file_reserved',
  'reservation_limit',
  // approvals
  'approval_not_found',
  'approval_answered',
  'approval_limit',
  // memory
  'memory_version_conflict',
  'memory_quota',
  'memory_unavailable',
  // arguments that a schema cannot judge
  'invalid_arguments',
  'wait_limit',
  'history_trimmed',
  // any mutation
  'request_id_reused',
  // the coordinator itself
  'journal_failed',
  'shutting_down',
] as const;

export type RefusalReason = (typeof refusalReasons)[number];

/** `message` says what was wrong, where, and what would be right; `data` carries the same facts for programs. */
export interface Refusal {
  readonly refused: RefusalReason;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export function refuse(refused: RefusalReason, message: string, data?: Readonly<Record<string, unknown>>): Refusal {
  return data === undefined ? { refused, message } : { refused, message, data };
}

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value;
}
