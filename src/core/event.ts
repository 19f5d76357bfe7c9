/**
 * The facts that can happen to a swarm, as the journal keeps them.
 *
 * An event holds all that `evolve` needs: ids, times and decided outcomes. `v` is the version of its type: what an
 * event of some version means never changes; a new meaning is a new version.
 */
import type { Json, JsonObject } from './json.ts';
import type {
  Agent,
  ApprovalAnswer,
  AttemptError,
  Ballot,
  Judging,
  Budget,
  Outcome,
  Payload,
  Phase,
  PhaseDefaults,
  PhaseStatus,
  Priority,
  ReservationMode,
  RetryPolicy,
  Strategy,
  Task,
  Topology,
  Usage,
} from './state.ts';

/** The parts of a phase that are decided when its task is accepted. */
export type PhasePlan = Omit<Phase, 'status' | 'reason' | 'assignments' | 'outcome' | 'openedAt' | 'endedAt'>;

export type EventBody =
  // swarm
  | {
      readonly type: 'swarm_created';
      readonly swarmId: string;
      readonly name: string | null;
      readonly topology: Topology;
      readonly maxAgents: number;
      readonly consensusThreshold: number;
      readonly strategy: Strategy;
    }
  | { readonly type: 'swarm_destroyed' }
  | { readonly type: 'hub_elected'; readonly agentId: string; readonly reason: string }
  | { readonly type: 'swarm_paused'; readonly reason: string | null }
  | { readonly type: 'swarm_resumed' }
  // agents
  | {
      readonly type: 'agent_spawned';
      readonly agentId: string;
      readonly agentType: string;
      readonly name: string | null;
      readonly capabilities: readonly string[];
      readonly config: JsonObject;
      readonly runtime: Agent['runtime'];
      readonly maxConcurrent: number;
      readonly joinToken: string;
      /** null: an external agent is waited for without limit. */
      readonly until: number | null;
      /** Of a hierarchy only. Absent, as in version 1, or null: it has none. */
      readonly parentId?: string | null;
    }
  /** parentId null: it is the root now. */
  | {
      readonly type: 'agents_adopted';
      readonly agentIds: readonly string[];
      readonly parentId: string | null;
      readonly reason: string;
    }
  | {
      readonly type: 'agent_joined';
      readonly agentId: string;
      readonly name: string | null;
      readonly capabilities: readonly string[];
      readonly maxConcurrent: number;
      readonly leaseMs: number;
      readonly resumeToken: string;
    }
  | { readonly type: 'agent_offline'; readonly agentId: string; readonly reason: string; readonly until: number }
  | {
      readonly type: 'agent_restarted';
      readonly agentId: string;
      readonly reason: string;
      readonly joinToken: string;
      readonly until: number;
    }
  | { readonly type: 'agent_failed'; readonly agentId: string; readonly reason: string }
  | { readonly type: 'agent_stopped'; readonly agentId: string; readonly reason: string }
  | { readonly type: 'agent_attentive'; readonly agentId: string; readonly attentive: boolean }
  /** It takes no new work, and stops when it holds none any more. */
  | { readonly type: 'agent_draining'; readonly agentId: string; readonly reason: string }
  | { readonly type: 'agents_forgotten'; readonly agentIds: readonly string[]; readonly blobs: readonly string[] }
  // tasks
  | {
      readonly type: 'task_accepted';
      readonly taskId: string;
      readonly description: string;
      readonly priority: Priority;
      readonly strategy: Strategy;
      readonly resolvedStrategy: Task['resolvedStrategy'];
      readonly strategyReason: string;
      readonly input: Payload | null;
      readonly retry: RetryPolicy;
      readonly deadlineAt: number | null;
      /** Absent in journals of before there were budgets. */
      readonly budget?: Budget | null;
      readonly phases: readonly PhasePlan[];
      readonly planning?: PhaseDefaults;
      /** The phases without dependencies. */
      readonly opens: readonly string[];
    }
  | {
      readonly type: 'assignment_offered';
      readonly assignmentId: string;
      readonly agentId: string;
      readonly until: number;
    }
  /** An agent has planned: the phases come after those that there are. */
  | { readonly type: 'task_planned'; readonly taskId: string; readonly phases: readonly PhasePlan[] }
  /** What was planned has failed, and an agent is asked once more. */
  | { readonly type: 'planning_reopened'; readonly taskId: string; readonly planner: PhasePlan }
  /** More copies, because the votes so far do not decide. */
  | { readonly type: 'assignments_added'; readonly taskId: string; readonly phase: string; readonly count: number }
  /** The vote is taken anew, by as many copies as at first. */
  | { readonly type: 'phase_rerun'; readonly taskId: string; readonly phase: string; readonly count: number }
  /** Two assignments: to choose among the candidates in one order, and in the other. */
  | {
      readonly type: 'judging_opened';
      readonly taskId: string;
      readonly phase: string;
      readonly orders: Judging['orders'];
    }
  /** A person has to choose. */
  | {
      readonly type: 'decision_asked';
      readonly taskId: string;
      readonly phase: string;
      readonly reason: string;
      readonly candidates: readonly string[];
    }
  | { readonly type: 'offer_withdrawn'; readonly assignmentId: string; readonly reason: string }
  | { readonly type: 'assignment_ready'; readonly assignmentId: string }
  | {
      readonly type: 'assignment_claimed';
      readonly assignmentId: string;
      readonly agentId: string;
      readonly attempt: number;
      readonly leaseToken: string;
      readonly leaseUntil: number;
      readonly timeoutAt: number;
      /** Of the agent's ballot, where that is not 1. */
      readonly weight?: number;
    }
  /** Of everything that the agent holds. */
  | { readonly type: 'leases_renewed'; readonly agentId: string; readonly until: number }
  | {
      readonly type: 'progress_reported';
      readonly assignmentId: string;
      readonly progress: Json;
      readonly usage: Usage | null;
    }
  | {
      readonly type: 'assignment_released';
      readonly assignmentId: string;
      readonly reason: string;
      /** Not claimable before; null: at once. */
      readonly retryAt: number | null;
    }
  | {
      readonly type: 'attempt_succeeded';
      readonly assignmentId: string;
      readonly agentId: string;
      readonly attempt: number;
      readonly result: Payload;
      readonly ballot: Ballot | null;
      readonly details?: JsonObject;
      readonly usage: Usage | null;
    }
  | {
      readonly type: 'attempt_failed';
      readonly assignmentId: string;
      readonly error: AttemptError;
      readonly usage: Usage | null;
      /** null: it was the last attempt. */
      readonly retryAt: number | null;
    }
  | {
      readonly type: 'phase_settled';
      readonly taskId: string;
      readonly phase: string;
      readonly status: Exclude<PhaseStatus, 'waiting' | 'running'>;
      readonly reason: string | null;
      readonly outcome: Outcome | null;
      /** Dependents whose last open dependency this was. */
      readonly opens: readonly string[];
    }
  | {
      readonly type: 'task_ended';
      readonly taskId: string;
      readonly status: 'completed' | 'failed' | 'cancelled';
      readonly reason: string | null;
    }
  | { readonly type: 'tasks_forgotten'; readonly taskIds: readonly string[]; readonly blobs: readonly string[] }
  // messages
  | {
      readonly type: 'message_sent';
      readonly messageId: string;
      readonly from: string | null;
      readonly to: string;
      readonly replyTo: string | null;
      readonly body: Payload;
      /** Absent, as in version 1: it does not expire. */
      readonly expiresAt?: number;
    }
  /** One message in several inboxes. */
  | {
      readonly type: 'message_broadcast';
      readonly messageId: string;
      readonly from: string | null;
      readonly receivers: readonly { readonly agentId: string; readonly hops: number }[];
      readonly replyTo: string | null;
      readonly body: Payload;
      readonly expiresAt?: number;
    }
  | {
      readonly type: 'messages_expired';
      readonly agentId: string;
      readonly messageIds: readonly string[];
      readonly blobs: readonly string[];
    }
  | {
      readonly type: 'messages_acknowledged';
      readonly agentId: string;
      readonly upTo: number;
      readonly blobs: readonly string[];
    }
  // files
  | {
      readonly type: 'files_reserved';
      readonly reservationId: string;
      readonly agentId: string;
      /** It ends with this claim; null: with its agent. */
      readonly assignmentId: string | null;
      readonly globs: readonly string[];
      readonly mode: ReservationMode;
      readonly until: number;
    }
  | {
      readonly type: 'files_released';
      readonly reservationId: string;
      readonly agentId: string;
      readonly globs: readonly string[];
      readonly reason: 'released' | 'expired';
    }
  // approvals
  | {
      readonly type: 'approval_requested';
      readonly approvalId: string;
      readonly agentId: string;
      /** It ends with this claim; null: with its agent. */
      readonly assignmentId: string | null;
      readonly tool: string;
      readonly input: { readonly json: Json };
      readonly toolUseId: string | null;
      readonly fingerprint: string;
      /** Answers of the agent that are kept no longer. */
      readonly forgets: readonly string[];
    }
  | (Omit<ApprovalAnswer, 'at'> & {
      readonly type: 'approval_decided';
      readonly approvalId: string;
      readonly agentId: string;
      readonly assignmentId: string | null;
    })
  // requests
  | {
      readonly type: 'request_answered';
      readonly requestId: string;
      readonly command: string;
      readonly fingerprint: string;
      readonly answer: { readonly reply: JsonObject } | { readonly claim: string; readonly attempt: number };
      /** Answers given before this time are forgotten. */
      readonly forgetBefore: number;
    };

export type EventType = EventBody['type'];

/** `at`: milliseconds since the epoch, by the clock of the coordinator that decided. */
export type Event = EventBody & { readonly v: number; readonly at: number };

/** The current version of every event type. A journal may hold older ones, never newer or unknown ones. */
export const eventVersions: Readonly<Record<EventType, number>> = {
  swarm_created: 1,
  swarm_destroyed: 1,
  swarm_paused: 1,
  swarm_resumed: 1,
  hub_elected: 1,
  agent_spawned: 2,
  agents_adopted: 1,
  agent_joined: 1,
  agent_offline: 1,
  agent_restarted: 1,
  agent_failed: 1,
  agent_stopped: 1,
  agent_attentive: 1,
  agent_draining: 1,
  agents_forgotten: 1,
  task_accepted: 1,
  task_planned: 1,
  planning_reopened: 1,
  assignments_added: 1,
  phase_rerun: 1,
  judging_opened: 1,
  decision_asked: 1,
  assignment_offered: 1,
  offer_withdrawn: 1,
  assignment_ready: 1,
  assignment_claimed: 1,
  leases_renewed: 1,
  progress_reported: 1,
  assignment_released: 1,
  attempt_succeeded: 1,
  attempt_failed: 1,
  phase_settled: 1,
  task_ended: 1,
  tasks_forgotten: 1,
  message_sent: 2,
  message_broadcast: 1,
  messages_expired: 1,
  messages_acknowledged: 1,
  files_reserved: 1,
  files_released: 1,
  approval_requested: 1,
  approval_decided: 1,
  request_answered: 1,
};

/** A journal holds an event that this release does not know. The swarm stops; others go on. */
export class UnknownEvent extends Error {
  constructor(event: { readonly type: string; readonly v?: number }) {
    super(`the journal holds an event of type ${event.type} version ${event.v}, which this release does not know`);
  }
}
