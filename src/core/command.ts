/**
 * What can be asked of a swarm. Commands are never logged: only the events that they lead to are.
 *
 * The tools build them from validated arguments, so they are well-formed; whether they make sense in the swarm's
 * present state is for `decide` to say.
 */
import type { Json, JsonObject } from './json.ts';
import type {
  Agent,
  Aggregation,
  Budget,
  PhaseDefaults,
  Priority,
  ReservationMode,
  RetryPolicy,
  Strategy,
  Topology,
  Usage,
} from './state.ts';

/** The connection of an agent's worker, fenced by the number of the join that it made. */
export interface Worker {
  readonly agentId: string;
  readonly joins: number;
}

/** A connection beside the worker's, of the program that it runs: acts as the agent for as long as the claim lives. */
export interface Companion {
  readonly agentId: string;
  readonly claim: { readonly assignmentId: string; readonly leaseToken: string };
}

/** Who acts as an agent. */
export type Actor = Worker | Companion;

export interface AgentRequest {
  readonly agentType: string;
  readonly name: string | null;
  readonly capabilities: readonly string[];
  readonly config: JsonObject;
  readonly runtime: Agent['runtime'];
  readonly maxConcurrent: number;
  /** Of a hierarchy: an agentId, or in `initialAgents` the name of one before it. Absent: the leader of the swarm. */
  readonly parent?: string;
}

export interface PhaseRequest {
  readonly name: string;
  readonly description: string | null;
  readonly dependencies: readonly string[];
  readonly requiredCapabilities: readonly string[] | null;
  readonly agentType: string | null;
  readonly parallelism: number | null;
  readonly aggregation: Aggregation | null;
  readonly timeoutMs: number | null;
  readonly input: Json | undefined;
  readonly select: Readonly<Record<string, string>> | null;
}

export interface TaskRequest extends PhaseDefaults {
  readonly description: string;
  readonly priority: Priority;
  readonly strategy: Strategy | null;
  readonly input: Json | undefined;
  readonly items: readonly Json[] | null;
  readonly phases: readonly PhaseRequest[] | null;
  /** An agent plans it. */
  readonly planned: boolean;
  readonly retry: RetryPolicy;
  readonly deadlineMs: number | null;
  readonly budget: Budget | null;
}

export type CommandBody =
  // who submits
  | {
      readonly type: 'swarm_init';
      readonly swarmId: string;
      readonly name: string | null;
      readonly topology: Topology;
      readonly maxAgents: number;
      readonly consensusThreshold: number;
      readonly strategy: Strategy;
      readonly initialAgents: readonly AgentRequest[];
    }
  | { readonly type: 'swarm_status'; readonly topology: boolean; readonly performance: boolean }
  | { readonly type: 'swarm_destroy' }
  | { readonly type: 'swarm_pause'; readonly reason: string | null }
  | { readonly type: 'swarm_resume' }
  | { readonly type: 'agent_spawn'; readonly agent: AgentRequest; readonly limitsAsked: boolean }
  | { readonly type: 'agent_list'; readonly filter: string; readonly metadata: boolean }
  | { readonly type: 'agent_status'; readonly agentId: string }
  | {
      readonly type: 'agent_stop';
      readonly agentId: string;
      readonly reason: string | null;
      /** First let it finish what it holds. */
      readonly drain?: boolean;
    }
  | {
      readonly type: 'agent_message';
      readonly from: Actor | null;
      /** null: everyone that the sender may reach. */
      readonly to: string | null;
      readonly message: Json;
      readonly replyTo: string | null;
      readonly ttlMs: number | null;
    }
  | {
      readonly type: 'task_orchestrate';
      readonly task: TaskRequest;
      /** The agent that submits it; absent: who acts as none. */
      readonly from?: string;
    }
  | { readonly type: 'task_status'; readonly taskId: string }
  | { readonly type: 'task_list'; readonly filter: string; readonly limit: number; readonly cursor: string | null }
  | { readonly type: 'task_wait'; readonly taskId: string }
  | { readonly type: 'task_results'; readonly taskId: string }
  | { readonly type: 'task_cancel'; readonly taskId: string; readonly reason: string | null }
  | {
      readonly type: 'task_decide';
      readonly taskId: string;
      readonly phase: string | null;
      /** An agent of the swarm, as which the connection acts. */
      readonly from?: string;
      /** An assignment whose result is to be the phase's; null: none is good enough. */
      readonly choice: string | null;
      readonly reason: string | null;
    }
  | {
      readonly type: 'approval_decide';
      readonly approvalId: string;
      readonly behavior: 'allow' | 'deny';
      readonly message: string | null;
      readonly updatedInput: JsonObject | null;
      /** An agent of the swarm, as which the connection acts. */
      readonly from?: string;
    }
  // who works
  | {
      readonly type: 'swarm_join';
      readonly token: string | null;
      readonly name: string | null;
      readonly agentType: string | null;
      readonly capabilities: readonly string[] | null;
      readonly maxConcurrent: number | null;
      readonly leaseMs: number | null;
      readonly parent?: string;
      /** Only as an agent that has joined before: nobody would be told a resume token that is new. */
      readonly resumes?: true;
    }
  /** A connection wants to be the claim's companion. */
  | { readonly type: 'swarm_accompany'; readonly assignmentId: string; readonly leaseToken: string }
  | { readonly type: 'swarm_leave'; readonly actor: Actor; readonly reason: string | null }
  | {
      readonly type: 'task_next';
      readonly actor: Actor;
      /** An agent that has held no work for so long is told to end, when there is none for it now either. */
      readonly idleExitMs?: number;
    }
  | {
      readonly type: 'task_update';
      readonly actor: Actor;
      readonly assignmentId: string;
      readonly leaseToken: string;
      readonly progress: Json | undefined;
      readonly usage: Usage | null;
    }
  | {
      readonly type: 'task_complete';
      readonly actor: Actor;
      readonly assignmentId: string;
      readonly leaseToken: string;
      readonly result: Json;
      readonly vote: Json | undefined;
      /** What the result says if it is a plan; absent: it does not look like one. */
      readonly plan?: readonly PhaseRequest[] | { readonly faulty: string };
      /** How it was done, beside the result; absent: nothing is said. */
      readonly details?: JsonObject;
      readonly usage: Usage | null;
    }
  | {
      readonly type: 'task_fail';
      readonly actor: Actor;
      readonly assignmentId: string;
      readonly leaseToken: string;
      readonly reason: string;
      readonly message: string | null;
      readonly details: JsonObject | null;
      readonly retryable: boolean;
      readonly usage: Usage | null;
    }
  | {
      readonly type: 'task_release';
      readonly actor: Actor;
      readonly assignmentId: string;
      readonly leaseToken: string;
      readonly reason: string | null;
    }
  | { readonly type: 'message_next'; readonly actor: Actor; readonly after: number; readonly limit: number }
  | { readonly type: 'message_ack'; readonly actor: Actor; readonly upTo: number }
  | {
      readonly type: 'file_reserve';
      readonly actor: Actor;
      /** It ends with this claim; null: with the only one that the agent holds. */
      readonly claim: { readonly assignmentId: string; readonly leaseToken: string } | null;
      readonly globs: readonly string[];
      readonly mode: ReservationMode;
      readonly ttlMs: number;
      /** Whether the caller waits until the files are free. */
      readonly wait: boolean;
    }
  | {
      readonly type: 'file_release';
      readonly actor: Actor;
      /** null: all of the agent's. */
      readonly reservationId: string | null;
      /** null: all of them. */
      readonly globs: readonly string[] | null;
    }
  | {
      readonly type: 'approve';
      readonly actor: Actor;
      /** It ends with this claim; null: with the only one that the agent holds. */
      readonly assignmentId: string | null;
      readonly tool: string;
      readonly input: JsonObject;
      /** The asker's own name for it; null: asked again once it is answered, it is another one. */
      readonly toolUseId: string | null;
    }
  | { readonly type: 'approval_wait'; readonly actor: Actor; readonly approvalId: string }
  // the coordinator itself
  | { readonly type: 'recover' }
  | { readonly type: 'timers_due'; readonly most: number }
  /** The reply with the claim could not be delivered: nobody knows of it. */
  | { readonly type: 'claim_undelivered'; readonly assignmentId: string; readonly leaseToken: string }
  | { readonly type: 'worker_lost'; readonly actor: Worker; readonly reason: string }
  | { readonly type: 'worker_failed'; readonly agentId: string; readonly restarts: number; readonly reason: string }
  // what follows from another command within the same commit
  | { readonly type: 'place'; readonly assignmentId: string }
  | { readonly type: 'settle_phase'; readonly taskId: string; readonly phase: string }
  | { readonly type: 'elect_hub'; readonly reason: string }
  | { readonly type: 'adopt_children'; readonly agentId: string; readonly reason: string }
  | { readonly type: 'forget_excess' };

export type CommandType = CommandBody['type'];

/** `requestId`: the same id gives the same answer and one effect. */
export type Command = CommandBody & { readonly requestId?: string };
export type CommandOf<T extends CommandType> = Extract<CommandBody, { readonly type: T }>;
