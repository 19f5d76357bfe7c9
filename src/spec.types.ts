/**
 * The types of every tool's arguments and results. Generated from protocol/ by scripts/generate: do not edit.
 */

/**
 * Agent, as agent_spawn or swarm_join returned it.
 */
export type AgentId = string;
/**
 * spawning: no worker has joined yet. active: joined and free. busy: holds work. draining: finishes what it holds, takes nothing new, and is stopped then. offline: its connection is gone and it has a grace to come back. failed, stopped: over; `reason` says why.
 */
export type AgentStatus = 'spawning' | 'active' | 'busy' | 'draining' | 'offline' | 'failed' | 'stopped';
/**
 * The resumeToken of the agent to act as, or the leaseToken of the claim that is accompanied. It is needed where requests share no connection: in MCP 2026-07-28 over HTTP.
 */
export type AgentToken = string;
/**
 * Idempotency key: the same id with the same arguments gives the same answer and one effect, for 10 minutes.
 */
export type RequestId = string;
/**
 * ISO 8601, UTC.
 */
export type Time = string;
/**
 * A name for people.
 */
export type Name = string;
/**
 * What the agent can do, in words that requiredCapabilities of tasks use.
 *
 * @maxItems 64
 */
export type Capabilities = string[];
/**
 * queued: can be claimed, or will be after a delay. offered: to an agent, for a moment. claimed: under a lease.
 */
export type AssignmentStatus = 'queued' | 'offered' | 'claimed' | 'succeeded' | 'failed' | 'cancelled';
/**
 * Only these, written as they were reserved.
 *
 * @minItems 1
 * @maxItems 16
 */
export type Globs = [string, ...string[]];
/**
 * Paths relative to the work tree. ? stands for a character and * for any number of them within a name, a whole segment ** for any number of folders: src/** is all that is below src.
 *
 * @minItems 1
 * @maxItems 16
 */
export type Globs1 = [string, ...string[]];
/**
 * The token of the claim, as task_next returned it. It fences off earlier and later holders.
 */
export type LeaseToken = string;
export type TimeOrNull = Time | null;
/**
 * Swarm, as swarm_init returned it.
 */
export type SwarmId = string;
/**
 * Who may message whom, submit tasks and judge results. mesh (the default): anyone. star: the hub and its spokes message each other; the hub submits and judges. hierarchical: parents, children and siblings message each other; parents submit and judge. ring: each messages the next one, which goes on with its results and judges them; a broadcast goes round. A hub or parent that is over is replaced.
 */
export type Topology = 'mesh' | 'star' | 'hierarchical' | 'ring';
/**
 * What the agent can do, in words that requiredCapabilities of tasks use.
 *
 * @maxItems 64
 */
export type Capabilities1 = string[];
/**
 * Since when and why no work is handed out; null: the swarm is not paused.
 */
export type Paused = {
  since: Time;
  /**
   * As swarm_pause was given it.
   */
  reason: string | null;
} | null;
/**
 * Task, as task_orchestrate returned it.
 */
export type TaskId = string;
/**
 * orchestrating: accepted, nothing claimed yet. running: something was claimed. waiting: for a person, who decides with task_decide. completed, failed, cancelled: ended.
 */
export type TaskState = 'orchestrating' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
/**
 * null: the worker did not report any.
 */
export type UsageOut = {
  inputTokens: number | null;
  outputTokens: number | null;
  costUsd: number | null;
} | null;
/**
 * What the attempts of a task may use together; null: no budget.
 */
export type Budget = {
  maxCostUsd: number | null;
  /**
   * Input and output together.
   */
  maxTokens: number | null;
} | null;
/**
 * One copy of a phase's work for one agent: taskId/phase/copy.
 */
export type AssignmentId = string;
/**
 * Higher ones are claimed first; within one, first in, first out. Waiting a minute raises a task by one step, so nothing starves. `medium` is another word for `normal`.
 */
export type Priority = 'critical' | 'high' | 'normal' | 'medium' | 'low';
/**
 * How a task without phases is planned. parallel: one phase, several agents, blind to each other. sequential: one phase for each required capability, in the given order; with fewer than two of them, parallelism passes; each sees the results before it. balanced: one assignment for each of the task's items, taken by whoever is least loaded. adaptive (the default): balanced when items are given, parallel when consensus, parallelism or an aggregation that needs several agents asks for it, else one agent.
 */
export type Strategy = 'parallel' | 'sequential' | 'balanced' | 'adaptive';
/**
 * Only agents that have all of these may claim the work.
 *
 * @maxItems 16
 */
export type RequiredCapabilities = string[];
/**
 * How the results of several agents become one: all of them in a list; the first success, the others being cancelled; what more than half of the planned voters agree on (majority_vote); the same by the weight of agents (weighted_vote: config.weight of the agent, else the share of the required capabilities that it has, at least 0.25); what leads by aheadBy votes, of which more are taken until it does (ahead_by_k); the best one, chosen by an agent that is no author (best).
 */
export type ResultAggregation = 'all' | 'first' | 'majority_vote' | 'weighted_vote' | 'best' | 'ahead_by_k';
/**
 * The newest vote of the task, for audit; null when no phase votes.
 */
export type Consensus = {
  phase: string;
  reached: boolean;
  /**
   * Weight of the leading ballot divided by that of all planned voters; null where no ballots are counted (best).
   */
  share: number | null;
  /**
   * Equal ballots that were needed; of weighted_vote their weight (without consensus: more than it); of ahead_by_k the lead; null where no ballots are counted (best).
   */
  required: number | null;
  /**
   * Voters that were planned; failures and abstentions count against.
   */
  planned: number;
  /**
   * The rule that decided; null while undecided or when none did.
   */
  decidedBy: string | null;
  ballots: {
    assignmentId: string;
    agentId: string | null;
    status: AssignmentStatus;
    /**
     * What was voted for: equal keys agree. null: no ballot.
     */
    ballot: string | null;
    /**
     * vote, voteKey, json or text: where the ballot was taken from; choice: a judge chose the assignment that the ballot names.
     */
    source: string | null;
    weight: number;
    /**
     * Version of the event that recorded the ballot.
     */
    version: number | null;
    /**
     * 2: of the vote that was taken anew.
     */
    round?: number;
    /**
     * Of a judge: the assignments that it chose among, in the order in which it saw them.
     */
    judges?: string[];
  }[];
} | null;
export type TaskStatusResult = TaskDetail | TaskPage;

export interface Protocol {
  AgentListArguments: AgentListArguments;
  AgentListResult: AgentListResult;
  AgentMessageArguments: AgentMessageArguments;
  AgentMessageResult: AgentMessageResult;
  AgentSpawnArguments: AgentSpawnArguments;
  AgentSpawnResult: AgentSpawnResult;
  AgentStatusArguments: AgentStatusArguments;
  AgentStatusResult: AgentStatusResult;
  AgentStopArguments: AgentStopArguments;
  AgentStopResult: AgentStopResult;
  ApprovalDecideArguments: ApprovalDecideArguments;
  ApprovalDecideResult: ApprovalDecideResult;
  ApproveArguments: ApproveArguments;
  ApproveResult: ApproveResult;
  FileReleaseArguments: FileReleaseArguments;
  FileReleaseResult: FileReleaseResult;
  FileReserveArguments: FileReserveArguments;
  FileReserveResult: FileReserveResult;
  MemoryDeleteArguments: MemoryDeleteArguments;
  MemoryDeleteResult: MemoryDeleteResult;
  MemoryListArguments: MemoryListArguments;
  MemoryListResult: MemoryListResult;
  MemoryRetrieveArguments: MemoryRetrieveArguments;
  MemoryRetrieveResult: MemoryRetrieveResult;
  MemoryStoreArguments: MemoryStoreArguments;
  MemoryStoreResult: MemoryStoreResult;
  MessageAckArguments: MessageAckArguments;
  MessageAckResult: MessageAckResult;
  MessageNextArguments: MessageNextArguments;
  MessageNextResult: MessageNextResult;
  ServerInfoArguments: ServerInfoArguments;
  ServerInfoResult: ServerInfoResult;
  SwarmDestroyArguments: SwarmDestroyArguments;
  SwarmDestroyResult: SwarmDestroyResult;
  SwarmInitArguments: SwarmInitArguments;
  SwarmInitResult: SwarmInitResult;
  SwarmJoinArguments: SwarmJoinArguments;
  SwarmJoinResult: SwarmJoinResult;
  SwarmLeaveArguments: SwarmLeaveArguments;
  SwarmLeaveResult: SwarmLeaveResult;
  SwarmListArguments: SwarmListArguments;
  SwarmListResult: SwarmListResult;
  SwarmPauseArguments: SwarmPauseArguments;
  SwarmPauseResult: SwarmPauseResult;
  SwarmResumeArguments: SwarmResumeArguments;
  SwarmResumeResult: SwarmResumeResult;
  SwarmStatusArguments: SwarmStatusArguments;
  SwarmStatusResult: SwarmStatusResult;
  TaskCancelArguments: TaskCancelArguments;
  TaskCancelResult: TaskCancelResult;
  TaskCompleteArguments: TaskCompleteArguments;
  TaskCompleteResult: TaskCompleteResult;
  TaskDecideArguments: TaskDecideArguments;
  TaskDecideResult: TaskDecideResult;
  TaskFailArguments: TaskFailArguments;
  TaskFailResult: TaskFailResult;
  TaskListArguments: TaskListArguments;
  TaskListResult: TaskListResult;
  TaskNextArguments: TaskNextArguments;
  TaskNextResult: TaskNextResult;
  TaskOrchestrateArguments: TaskOrchestrateArguments;
  TaskOrchestrateResult: TaskOrchestrateResult;
  TaskReleaseArguments: TaskReleaseArguments;
  TaskReleaseResult: TaskReleaseResult;
  TaskResultsArguments: TaskResultsArguments;
  TaskResultsResult: TaskResultsResult;
  TaskStatusArguments: TaskStatusArguments;
  TaskStatusResult: TaskStatusResult;
  TaskUpdateArguments: TaskUpdateArguments;
  TaskUpdateResult: TaskUpdateResult;
  TaskWaitArguments: TaskWaitArguments;
  TaskWaitResult: TaskWaitResult;
}
export interface AgentListArguments {
  /**
   * The swarm; the caller's newest live one when absent.
   */
  swarmId?: string;
  /**
   * Only agents of this status; all when absent.
   */
  filter?: 'all' | 'spawning' | 'active' | 'busy' | 'draining' | 'offline' | 'failed' | 'stopped';
  /**
   * Also give configuration and measurements.
   */
  include_metadata?: boolean;
}
export interface AgentListResult {
  swarmId: string;
  agents: AgentSummaryOpen[];
}
/**
 * An agent as agent_list shows it.
 */
export interface AgentSummaryOpen {
  id: AgentId;
  agentId: AgentId;
  type: string;
  name: string | null;
  status: AgentStatus;
  /**
   * Why it is failed, stopped, offline or draining.
   */
  reason?: string;
  /**
   * 0 to 100: 100 x freshness x (0.5 + 0.5 x share of successes among the newest 20 attempts). Freshness is 1 while connected, falls to 0 over the grace of a lost connection, and is 0 once failed or stopped. null while spawning: nothing is known.
   */
  health: number | null;
  /**
   * Task of the assignment that it claimed first and still holds.
   */
  currentTask: string | null;
  capabilities: string[];
  /**
   * command, acp: a host starts its worker, which runs a program or speaks the Agent Client Protocol with one. external: some process joins by itself.
   */
  runtime: 'command' | 'acp' | 'external';
  /**
   * With include_metadata: the fields of agentDetail, and config as agent_spawn was given it.
   */
  metadata?: {};
}
export interface AgentMessageArguments {
  /**
   * The swarm; the caller's newest live one when absent.
   */
  swarmId?: string;
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  /**
   * true: to everyone that the sender may reach by the topology, and in a ring to everyone, instead of one agentId.
   */
  broadcast?: boolean;
  /**
   * Any JSON value.
   */
  message: unknown;
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  from?: string;
  token?: AgentToken;
  /**
   * The messageId that this answers.
   */
  replyTo?: string;
  /**
   * Seconds after which the message is dropped if it has not been acknowledged; never when absent.
   */
  ttl?: number;
  requestId?: RequestId;
}
export interface AgentMessageResult {
  messageId: string;
  swarmId: string;
  /**
   * The receiver; absent of a broadcast.
   */
  agentId?: string;
  /**
   * The sending agent; null when the caller acts as none.
   */
  from: string | null;
  /**
   * Number of the message in the receiver's inbox; absent of a broadcast.
   */
  seq?: number;
  /**
   * Durable, not yet acknowledged.
   */
  status: 'stored';
  sentAt: Time;
  /**
   * Of a broadcast: everyone who has it in the inbox now.
   */
  receivers?: {
    agentId: string;
    /**
     * Number of the message in this inbox.
     */
    seq: number;
    /**
     * How far along the topology this receiver is from the sender.
     */
    hops: number;
  }[];
  /**
   * ISO 8601, UTC.
   */
  expiresAt?: string;
  pending?: Pending;
}
/**
 * Of the sender; absent when the caller acts as no agent.
 */
export interface Pending {
  /**
   * Messages in the agent's inbox that it has not acknowledged.
   */
  messages: number;
  /**
   * Assignments that it held and that are no longer its own: it should stop working on them.
   */
  cancel: string[];
  /**
   * Only while the agent is draining: the worker finishes what it holds, asks for no more, and may end. task_next is answered at once, with nothing.
   */
  drain?: true;
}
export interface AgentSpawnArguments {
  /**
   * The swarm; the caller's newest live one when absent.
   */
  swarmId?: string;
  /**
   * Type of agent; `external` when absent. One that skein.yaml configures is started by a host; any other joins by itself.
   */
  agentType?: string;
  /**
   * Another spelling of agentType.
   */
  type?: string;
  name?: Name;
  capabilities?: Capabilities;
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  parent?: string;
  config?: AgentConfig;
  /**
   * Limits for the worker. Not enforced in this version, and the reply says so.
   */
  resources?: {
    /**
     * Such as 2000m.
     */
    cpuLimit?: string;
    /**
     * Such as 4Gi.
     */
    memoryLimit?: string;
    gpuAccess?: boolean;
  };
  requestId?: RequestId;
}
/**
 * Configuration for the agent's worker, which gets it when it joins. skein itself reads `capabilities` (added to those of the type), `timeout` (seconds: the longest attempt of this agent), `maxConcurrent` and `weight` (of its ballots); everything else is the worker's business.
 */
export interface AgentConfig {
  capabilities?: Capabilities;
  /**
   * Seconds; an attempt of this agent ends after this or the task's timeout, whichever is shorter.
   */
  timeout?: number;
  /**
   * Assignments that the agent holds at once.
   */
  maxConcurrent?: number;
  /**
   * What the agent's ballot weighs in a weighted_vote, and its word for expert_priority.
   */
  weight?: number;
  [k: string]: unknown;
}
export interface AgentSpawnResult {
  agentId: string;
  swarmId: string;
  status: AgentStatus;
  name: string | null;
  agentType: string;
  runtime: 'command' | 'acp' | 'external';
  /**
   * From what this swarm measured for the type; null while nothing was.
   */
  estimatedReadyTime: Time | null;
  /**
   * Where a worker of this agent connects: the address at which this call arrived.
   */
  tcpEndpoint: string;
  capabilities: string[];
  /**
   * What is really enforced of the limits that were asked for.
   */
  resources?: {
    allocated: boolean;
    cpu: string | null;
    memory: string | null;
    gpuDevice: number | null;
    enforcedBy: string | null;
    reason?: string;
  };
  /**
   * For swarm_join; only of external agents.
   */
  joinToken?: string;
}
export interface AgentStatusArguments {
  agentId: AgentId;
  /**
   * The agent's swarm; found by the agent when absent.
   */
  swarmId?: string;
}
export interface AgentStatusResult {
  swarmId: string;
  id: AgentId;
  agentId: string;
  type: string;
  name: string | null;
  status: AgentStatus;
  /**
   * Why it is failed, stopped or offline.
   */
  reason?: string;
  /**
   * 0 to 100: 100 x freshness x (0.5 + 0.5 x share of successes among the newest 20 attempts). Freshness is 1 while connected, falls to 0 over the grace of a lost connection, and is 0 once failed or stopped. null while spawning: nothing is known.
   */
  health: number | null;
  /**
   * Task of the assignment that it claimed first and still holds.
   */
  currentTask: string | null;
  capabilities: string[];
  /**
   * command, acp: a host starts its worker, which runs a program or speaks the Agent Client Protocol with one. external: some process joins by itself.
   */
  runtime: 'command' | 'acp' | 'external';
  spawnedAt: Time;
  maxConcurrent: number;
  /**
   * Restarts of its worker since its last success.
   */
  restarts: number;
  successes: number;
  failures: number;
  /**
   * Seconds; moving average of successful attempts; null while there are none.
   */
  avgDuration: number | null;
  initialisationMetrics?: {
    /**
     * Milliseconds from the start of its worker to its join.
     */
    spawnTime: number;
  };
  assignments: {
    assignmentId: string;
    taskId: string;
    status: AssignmentStatus;
    attempt: number;
  }[];
  pendingMessages: number;
  /**
   * Files that it has reserved.
   */
  reservations: Reservation[];
}
/**
 * Files of a shared work tree that an agent has reserved.
 */
export interface Reservation {
  reservationId: string;
  agentId: string;
  /**
   * The claim with which it ends at the latest; null: it ends with the agent.
   */
  assignmentId: string | null;
  globs: string[];
  mode: 'exclusive' | 'shared';
  expiresAt: Time;
}
export interface AgentStopArguments {
  agentId: AgentId;
  /**
   * The agent's swarm; found by the agent when absent.
   */
  swarmId?: string;
  /**
   * Why, in words: agent_status and the events show it.
   */
  reason?: string;
  /**
   * Let it finish: it takes no new work, keeps its messages, and is stopped as soon as it holds nothing any more, which may be at once. Every reply to its worker says so (pending.drain). Without drain, also for an agent that is draining, it is stopped now.
   */
  drain?: boolean;
  requestId?: RequestId;
}
export interface AgentStopResult {
  agentId: string;
  swarmId: string;
  /**
   * draining: it still holds work. It will be stopped as soon as it does not.
   */
  status: 'stopped' | 'draining';
  reason: string;
}
export interface ApprovalDecideArguments {
  /**
   * As swarm_status shows it.
   */
  approvalId: string;
  /**
   * Its swarm; found by the approval when absent.
   */
  swarmId?: string;
  /**
   * allow: the agent goes on, with updatedInput where that is given. deny: it does not, and is told message.
   */
  behavior: 'allow' | 'deny';
  /**
   * Of deny: what the agent is told.
   */
  message?: string;
  /**
   * Of allow: what to use instead of the input that the agent asked for, all of it; 16,384 characters of JSON at most.
   */
  updatedInput?: {};
  requestId?: RequestId;
}
export interface ApprovalDecideResult {
  approvalId: string;
  swarmId: string;
  agentId: string;
  assignmentId: string | null;
  taskId: string | null;
  tool: string;
  /**
   * As the agent asked for it.
   */
  input: {};
  since: Time;
  behavior: 'allow' | 'deny';
}
export interface ApproveArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  /**
   * What the agent wants to use.
   */
  tool_name: string;
  /**
   * With what. People see all of it up to 16,384 characters of JSON, and of what is longer the beginning.
   */
  input: {};
  /**
   * The asker's own name for this use: asked again with the same one, after a lost connection, the answer is the same.
   */
  tool_use_id?: string;
  /**
   * The claim that it is asked for, and with which it ends; needed only when the agent holds several. An agent that holds none asks until it ends.
   */
  assignmentId?: string;
  /**
   * How long to wait, at most, before the answer is `waiting`: ask again then. When absent the answer is allow or deny, and deny after a day. Waiting renews the agent's leases.
   */
  waitSeconds?: number;
  requestId?: RequestId;
  [k: string]: unknown;
}
export interface ApproveResult {
  /**
   * waiting: nobody has answered within waitSeconds.
   */
  behavior: 'allow' | 'deny' | 'waiting';
  /**
   * Of allow: the input to use, which a person may have changed.
   */
  updatedInput?: {};
  /**
   * Of deny: why.
   */
  message?: string;
  approvalId: string;
  pending?: Pending1;
}
/**
 * What the agent should know; absent when it is over.
 */
export interface Pending1 {
  /**
   * Messages in the agent's inbox that it has not acknowledged.
   */
  messages: number;
  /**
   * Assignments that it held and that are no longer its own: it should stop working on them.
   */
  cancel: string[];
  /**
   * Only while the agent is draining: the worker finishes what it holds, asks for no more, and may end. task_next is answered at once, with nothing.
   */
  drain?: true;
}
export interface FileReleaseArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  /**
   * Only this one of the agent's reservations.
   */
  reservationId?: string;
  globs?: Globs;
  requestId?: RequestId;
}
export interface FileReleaseResult {
  agentId: string;
  released: {
    reservationId: string;
    globs: string[];
  }[];
  pending: Pending2;
}
/**
 * What the agent should know; every reply to a worker has it, because agents do not look into their inbox.
 */
export interface Pending2 {
  /**
   * Messages in the agent's inbox that it has not acknowledged.
   */
  messages: number;
  /**
   * Assignments that it held and that are no longer its own: it should stop working on them.
   */
  cancel: string[];
  /**
   * Only while the agent is draining: the worker finishes what it holds, asks for no more, and may end. task_next is answered at once, with nothing.
   */
  drain?: true;
}
export interface FileReserveArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  globs: Globs1;
  /**
   * exclusive (the default): nobody else may reserve these files. shared: others may too, as shared; for files that are only read.
   */
  mode?: 'exclusive' | 'shared';
  /**
   * Seconds after which it ends in any case: 3600 when absent.
   */
  ttl?: number;
  /**
   * The claim that the files are for, and with which the reservation ends. When absent: the one that the agent holds, if it holds one.
   */
  assignmentId?: string;
  leaseToken?: LeaseToken;
  /**
   * How long to wait, at most, for files that are reserved: 0 (the default) is refused at once.
   */
  waitSeconds?: number;
  requestId?: RequestId;
}
export interface FileReserveResult {
  reservationId: string;
  agentId: string;
  /**
   * The claim with which it ends at the latest; null: it ends with the agent.
   */
  assignmentId: string | null;
  globs: string[];
  mode: 'exclusive' | 'shared';
  expiresAt: Time;
  pending: Pending2;
}
export interface MemoryDeleteArguments {
  /**
   * The swarm; the caller's newest live one when absent.
   */
  swarmId?: string;
  /**
   * Values of different namespaces do not meet; the default one when absent.
   */
  namespace?: string;
  /**
   * 1 to 512 bytes of UTF-8.
   */
  key: string;
  /**
   * The version that the value must have.
   */
  ifVersion?: number;
  requestId?: RequestId;
}
export interface MemoryDeleteResult {
  swarmId: string;
  namespace: string;
  key: string;
  deleted: boolean;
}
export interface MemoryListArguments {
  /**
   * The swarm; the caller's newest live one when absent.
   */
  swarmId?: string;
  /**
   * Values of different namespaces do not meet; the default one when absent.
   */
  namespace?: string;
  /**
   * Only keys that begin so.
   */
  prefix?: string;
  /**
   * 100 when absent.
   */
  limit?: number;
  /**
   * As the last page gave it.
   */
  cursor?: string;
}
export interface MemoryListResult {
  swarmId: string;
  namespace: string;
  entries: {
    key: string;
    /**
     * Of the value's JSON text.
     */
    bytes: number;
    version: number;
    storedAt: Time;
    expiresAt: TimeOrNull;
  }[];
  cursor: string | null;
  /**
   * Of the whole swarm.
   */
  usage: {
    keys: number;
    bytes: number;
  };
}
export interface MemoryRetrieveArguments {
  /**
   * The swarm; the caller's newest live one when absent.
   */
  swarmId?: string;
  /**
   * Values of different namespaces do not meet; the default one when absent.
   */
  namespace?: string;
  /**
   * 1 to 512 bytes of UTF-8.
   */
  key: string;
}
export interface MemoryRetrieveResult {
  swarmId: string;
  namespace: string;
  key: string;
  found: boolean;
  /**
   * null when not found.
   */
  value: unknown;
  version: number | null;
  storedAt: TimeOrNull;
  expiresAt: TimeOrNull;
  /**
   * Seconds left; null: no expiry.
   */
  ttl: number | null;
}
export interface MemoryStoreArguments {
  /**
   * The swarm; the caller's newest live one when absent.
   */
  swarmId?: string;
  /**
   * Values of different namespaces do not meet; the default one when absent.
   */
  namespace?: string;
  /**
   * 1 to 512 bytes of UTF-8.
   */
  key: string;
  /**
   * Any JSON value.
   */
  value: unknown;
  /**
   * Seconds until it expires; never when absent.
   */
  ttl?: number;
  /**
   * The version that the key must have; 0: it must hold no value.
   */
  ifVersion?: number;
  requestId?: RequestId;
}
export interface MemoryStoreResult {
  swarmId: string;
  namespace: string;
  key: string;
  stored: true;
  version: number;
  storedAt: Time;
  expiresAt: TimeOrNull;
  /**
   * Seconds left; null: no expiry.
   */
  ttl: number | null;
}
export interface MessageAckArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  /**
   * seq of the last message dealt with.
   */
  cursor: number;
  requestId?: RequestId;
}
export interface MessageAckResult {
  agentId: string;
  acknowledged: number;
  pending: Pending2;
}
export interface MessageNextArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  /**
   * seq of the last message seen; 0 (the default) begins with the oldest that is not acknowledged.
   */
  cursor?: number;
  /**
   * 50 when absent.
   */
  limit?: number;
  /**
   * How long to wait, at most, for something to answer with: 30 when absent; 0 answers at once.
   */
  waitSeconds?: number;
}
export interface MessageNextResult {
  agentId: string;
  messages: {
    messageId: string;
    seq: number;
    from: string | null;
    sentAt: Time;
    /**
     * The messageId that it answers.
     */
    replyTo: string | null;
    message: unknown;
    /**
     * ISO 8601, UTC.
     */
    expiresAt?: string;
    /**
     * Of a broadcast only: how far along the topology the receiver is from the sender.
     */
    hops?: number;
  }[];
  /**
   * For message_ack, and for the next call.
   */
  cursor: number;
  pending: Pending2;
  /**
   * Only without messages: what to do now, in words for a model.
   */
  next?: string;
}
export interface ServerInfoArguments {}
export interface ServerInfoResult {
  name: 'skein';
  version: string;
  startedAt: Time;
  uptimeSeconds: number;
  /**
   * What an acknowledgement is worth. journal: of everything but the memory bank; memory: where the memory bank lives.
   */
  durability: {
    journal: 'volatile' | 'fsync' | 'single' | 'replicated';
    memory: 'ram' | 'lmdb' | 'redis';
    meaning: string;
  };
  /**
   * Whether memory calls can succeed right now.
   */
  memoryAvailable: boolean;
  connections: number;
  /**
   * That have not been destroyed.
   */
  swarms: number;
  /**
   * As skein.yaml has them.
   */
  agentTypes: {
    name: string;
    runtime: 'command' | 'acp' | 'external';
    capabilities: string[];
    description: string | null;
  }[];
  /**
   * Every limit of limits.json by its name, as it is set here.
   */
  limits: {
    [k: string]: number | null;
  };
}
export interface SwarmDestroyArguments {
  swarmId: SwarmId;
  requestId?: RequestId;
}
export interface SwarmDestroyResult {
  swarmId: string;
  status: 'destroyed';
  destroyedAt: Time;
}
export interface SwarmInitArguments {
  topology?: Topology;
  name?: Name;
  /**
   * Agents to be spawned with it.
   *
   * @maxItems 1000
   */
  initialAgents?: AgentRequest[];
  /**
   * Limits of the swarm and defaults of its tasks.
   */
  config?: {
    /**
     * Live agents that the swarm may have; 20 (MAX_AGENTS) when absent.
     */
    maxAgents?: number;
    /**
     * Of tasks that require consensus and name no threshold themselves; 0.7 when absent.
     */
    consensusThreshold?: number;
    /**
     * Of tasks that name none; adaptive when absent.
     */
    strategy?: 'parallel' | 'sequential' | 'balanced' | 'adaptive';
  };
  /**
   * Another place for config.maxAgents.
   */
  maxAgents?: number;
  /**
   * Another place for config.strategy.
   */
  strategy?: 'parallel' | 'sequential' | 'balanced' | 'adaptive';
  requestId?: RequestId;
}
/**
 * An agent to be created with the swarm.
 */
export interface AgentRequest {
  /**
   * Type of agent; `external` when absent. One that skein.yaml configures is started by a host; any other joins by itself.
   */
  type?: string;
  /**
   * Another spelling of `type`.
   */
  agentType?: string;
  name?: Name;
  capabilities?: Capabilities;
  /**
   * A name for people.
   */
  parent?: string;
  config?: AgentConfig;
}
export interface SwarmInitResult {
  swarmId: string;
  name: string | null;
  topology: string;
  status: 'active' | 'destroyed';
  maxAgents: number;
  strategy: string;
  consensusThreshold: number;
  createdAt: Time;
  agents: AgentSummary[];
}
/**
 * An agent in short.
 */
export interface AgentSummary {
  id: AgentId;
  agentId: AgentId;
  type: string;
  name: string | null;
  status: AgentStatus;
  /**
   * Why it is failed, stopped, offline or draining.
   */
  reason?: string;
  /**
   * 0 to 100: 100 x freshness x (0.5 + 0.5 x share of successes among the newest 20 attempts). Freshness is 1 while connected, falls to 0 over the grace of a lost connection, and is 0 once failed or stopped. null while spawning: nothing is known.
   */
  health: number | null;
  /**
   * Task of the assignment that it claimed first and still holds.
   */
  currentTask: string | null;
  capabilities: string[];
  /**
   * command, acp: a host starts its worker, which runs a program or speaks the Agent Client Protocol with one. external: some process joins by itself.
   */
  runtime: 'command' | 'acp' | 'external';
}
export interface SwarmJoinArguments {
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * joinToken or resumeToken.
   */
  token?: string;
  name?: Name;
  /**
   * Type of a new agent; `external` when absent.
   */
  agentType?: string;
  /**
   * Another spelling of agentType.
   */
  type?: string;
  capabilities?: Capabilities1;
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  parent?: string;
  /**
   * Assignments that the agent holds at once; 1 when absent.
   */
  maxConcurrent?: number;
  /**
   * How long a claim lasts without a call of its holder; when absent 60, and over MCP 900, since models think for long between calls.
   */
  leaseSeconds?: number;
  /**
   * To accompany its claim: a program is told it by the worker that runs it.
   */
  assignmentId?: string;
  leaseToken?: LeaseToken;
  requestId?: RequestId;
}
export interface SwarmJoinResult {
  agentId: string;
  swarmId: string;
  name: string | null;
  agentType: string;
  capabilities: string[];
  /**
   * As agent_spawn was given it, for the worker.
   */
  config: {};
  /**
   * Counts the joins as this agent; only the newest connection acts as it.
   */
  joins: number;
  /**
   * Keep it: it brings the agent back after a lost connection. null: for who accompanies a claim.
   */
  resumeToken: string | null;
  /**
   * While holding work, call task_update at least this often.
   */
  heartbeatSeconds: number;
  leaseSeconds: number;
  /**
   * After a lost connection, how long there is to come back.
   */
  graceSeconds: number;
  /**
   * Claims that are still the agent's. Go on with them, or give them back with task_release.
   */
  held: {
    assignmentId: string;
    attempt: number;
    leaseToken: string;
  }[];
  pending: Pending2;
}
export interface SwarmLeaveArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  /**
   * Why, in words: agent_status and the events show it.
   */
  reason?: string;
  requestId?: RequestId;
}
export interface SwarmLeaveResult {
  agentId: string;
  swarmId: string;
  status: 'stopped';
  reason: string;
}
export interface SwarmListArguments {
  /**
   * active (the default): those that have not been destroyed.
   */
  filter?: 'active' | 'all';
}
export interface SwarmListResult {
  swarms: {
    swarmId: string;
    name?: string | null;
    topology?: string;
    status: 'active' | 'destroyed' | 'quarantined';
    reason?: string;
    /**
     * Live agents.
     */
    agents?: number;
    /**
     * Tasks that have not ended.
     */
    tasks?: number;
    createdAt?: Time;
  }[];
}
export interface SwarmPauseArguments {
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * Why, in words: whoever asks what a task waits for is told.
   */
  reason?: string;
  requestId?: RequestId;
}
export interface SwarmPauseResult {
  swarmId: string;
  paused: Paused;
}
export interface SwarmResumeArguments {
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  requestId?: RequestId;
}
export interface SwarmResumeResult {
  swarmId: string;
  paused: Paused;
}
export interface SwarmStatusArguments {
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * Also list the live agents in the order of their arrival, which is that of a ring, with whom each may message and who may validate its work; the hub of a star; the parents of a hierarchy.
   */
  include_topology?: boolean;
  /**
   * Also list measured durations by agent type and by agent.
   */
  include_performance?: boolean;
}
export interface SwarmStatusResult {
  swarmId: string;
  name: string | null;
  topology: string;
  status: 'active' | 'destroyed';
  maxAgents: number;
  strategy: string;
  consensusThreshold: number;
  createdAt: Time;
  paused: Paused;
  agents: AgentSummary[];
  tasks: {
    orchestrating: number;
    running: number;
    waiting: number;
    completed: number;
    failed: number;
    cancelled: number;
  };
  metrics: {
    tasksCompleted: number;
    tasksFailed: number;
    tasksCancelled: number;
    /**
     * Seconds from acceptance to end of completed tasks; null while there are none.
     */
    avgCompletionTime: number | null;
    /**
     * completed / (completed + failed); null while there are none.
     */
    successRate: number | null;
  };
  /**
   * Files that its agents have reserved, oldest reservation first.
   */
  reservations: Reservation[];
  /**
   * What its agents ask people, oldest first.
   */
  approvals: Approval[];
  /**
   * Number of events so far.
   */
  version: number;
  /**
   * With include_topology, of a star: its hub; null while it has no live agent.
   */
  hub?: string | null;
  /**
   * With include_topology: live agents in the order of their arrival.
   */
  members?: {
    agentId: string;
    /**
     * Whom it may message, 10 of them at most.
     */
    peers: string[];
    /**
     * Who may judge what it did, 10 of them at most.
     */
    validators: string[];
    /**
     * In a hierarchy; null: it is the root.
     */
    parent?: string | null;
  }[];
  performance?: {
    queuedAssignments: number;
    agentTypes: {
      agentType: string;
      successes: number;
      avgDuration: number | null;
      avgSpawnTime: number | null;
    }[];
    agents: AgentDetail[];
  };
}
/**
 * What an agent asks a person: approval_decide answers it.
 */
export interface Approval {
  approvalId: string;
  agentId: string;
  /**
   * The claim with which it ends; null: it ends with the agent.
   */
  assignmentId: string | null;
  taskId: string | null;
  /**
   * What the agent wants to use.
   */
  tool: string;
  /**
   * With what; of one that is longer than 16,384 characters of JSON {tooLarge: true, characters, begins}.
   */
  input: {};
  since: Time;
}
/**
 * What was measured of an agent.
 */
export interface AgentDetail {
  agentId: string;
  spawnedAt: Time;
  maxConcurrent: number;
  /**
   * Restarts of its worker since its last success.
   */
  restarts: number;
  successes: number;
  failures: number;
  /**
   * Seconds; moving average of successful attempts; null while there are none.
   */
  avgDuration: number | null;
}
export interface TaskCancelArguments {
  taskId: TaskId;
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * Why, in words: task_status shows it.
   */
  reason?: string;
  requestId?: RequestId;
}
/**
 * The task as it is now.
 */
export interface TaskCancelResult {
  taskId: string;
  swarmId: string;
  status: TaskState;
  /**
   * Why it failed or was cancelled; null otherwise.
   */
  reason: string | null;
  description: string;
  priority: string;
  progress: Progress;
  phases: PhaseState[];
  budget: Budget;
  usage: UsageSum;
  createdAt: Time;
  /**
   * Of the first claim.
   */
  startedAt: Time | null;
  endedAt: TimeOrNull;
  /**
   * It fails then if it has not ended.
   */
  deadlineAt: Time | null;
}
/**
 * How many phases are settled.
 */
export interface Progress {
  /**
   * Settled phases.
   */
  done: number;
  total: number;
}
/**
 * A phase and its assignments.
 */
export interface PhaseState {
  name: string;
  /**
   * waiting: for the phases that it depends on. cancelled: one of them failed, or the task ended.
   */
  status: 'waiting' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  /**
   * Why it failed (attempts_exhausted, failure_threshold, no_consensus) or was cancelled; null otherwise.
   */
  reason: string | null;
  dependencies: string[];
  assignments: {
    assignmentId: string;
    agentId: string | null;
    status: AssignmentStatus;
    /**
     * Claims so far.
     */
    attempt: number;
    /**
     * Failed attempts so far.
     */
    failures: number;
    leaseExpiresAt?: Time;
    /**
     * What its holder last reported.
     */
    progress?: unknown;
    lastError?: AttemptError;
    usage?: UsageOut;
    /**
     * 2: of the vote that was taken anew.
     */
    round?: number;
    /**
     * Of a judge: the assignments that it chose among, in the order in which it saw them.
     */
    judges?: string[];
  }[];
  /**
   * A person is to choose: task_decide.
   */
  decision?: {
    /**
     * Why no rule decided.
     */
    reason: string;
    since: Time;
    candidates: {
      assignmentId: string;
      agentId: string | null;
      /**
       * What it says, as it was compared; null where no ballots are counted: see task_results.
       */
      ballot: string | null;
      /**
       * Of all equal ballots.
       */
      weight: number;
    }[];
  };
  /**
   * What its agents ask people, oldest first; absent: nothing. The attempt's timeout stands still meanwhile.
   */
  approvals?: Approval[];
  /**
   * Why something of this phase is not running, and what would change it.
   */
  waitingFor?: string;
}
/**
 * How the newest failed attempt ended.
 */
export interface AttemptError {
  attempt: number;
  agentId: string;
  /**
   * A stable word: exit_code, timeout, lease_expired, agent_lost, ...
   */
  reason: string;
  message: string | null;
  details: {} | null;
}
/**
 * What all attempts of a task used, failed ones too, as far as it was reported. null: nobody has reported any of it. While unknownAttempts is not 0, it was at least this much.
 */
export interface UsageSum {
  inputTokens: number | null;
  outputTokens: number | null;
  costUsd: number | null;
  /**
   * Attempts that ended without having reported all three.
   */
  unknownAttempts: number;
}
export interface TaskCompleteArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  assignmentId: AssignmentId;
  leaseToken: LeaseToken;
  /**
   * Any JSON value.
   */
  result: unknown;
  /**
   * What this result votes for, where agents vote; the result itself when absent.
   */
  vote?: unknown;
  /**
   * How it was done, where that is no part of the result: of at most 4,096 characters. task_results shows it; voters and later phases do not see it.
   */
  details?: {};
  usage?: Usage;
  requestId?: RequestId;
}
/**
 * What the attempt used, as the worker measured it. Leave out what is not known; it is reported as null, never as 0. A later report replaces what an earlier one of the same attempt said.
 */
export interface Usage {
  inputTokens?: number | null;
  outputTokens?: number | null;
  costUsd?: number | null;
}
export interface TaskCompleteResult {
  assignmentId: string;
  taskId: string;
  status: 'succeeded';
  taskStatus: TaskState;
  pending: Pending2;
}
export interface TaskDecideArguments {
  taskId: TaskId;
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * The phase that waits; needed only when several of the task do.
   */
  phase?: string;
  /**
   * One copy of a phase's work for one agent: taskId/phase/copy.
   */
  choice?: string;
  /**
   * Instead of a choice: none of them is good enough.
   */
  reject?: true;
  /**
   * Of a rejection: why the phase fails.
   */
  reason?: string;
  requestId?: RequestId;
}
/**
 * The task as it is now.
 */
export interface TaskDecideResult {
  taskId: string;
  swarmId: string;
  status: TaskState;
  /**
   * Why it failed or was cancelled; null otherwise.
   */
  reason: string | null;
  description: string;
  priority: string;
  progress: Progress;
  phases: PhaseState[];
  budget: Budget;
  usage: UsageSum;
  createdAt: Time;
  /**
   * Of the first claim.
   */
  startedAt: Time | null;
  endedAt: TimeOrNull;
  /**
   * It fails then if it has not ended.
   */
  deadlineAt: Time | null;
}
export interface TaskFailArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  assignmentId: AssignmentId;
  leaseToken: LeaseToken;
  /**
   * A stable word, such as exit_code or timeout.
   */
  reason: string;
  /**
   * For people.
   */
  message?: string;
  /**
   * What else helps whoever looks for the cause, such as the end of an output.
   */
  details?: {};
  /**
   * true when absent.
   */
  retryable?: boolean;
  usage?: Usage;
  requestId?: RequestId;
}
export interface TaskFailResult {
  assignmentId: string;
  taskId: string;
  /**
   * queued: can be claimed, or will be after a delay. offered: to an agent, for a moment. claimed: under a lease.
   */
  status: 'queued' | 'offered' | 'claimed' | 'succeeded' | 'failed' | 'cancelled';
  /**
   * Attempts that have not been used. After a failure that is not retryable they stay unused.
   */
  attemptsLeft: number;
  taskStatus: TaskState;
  pending: Pending2;
}
export interface TaskListArguments {
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * active: has not ended. all when absent.
   */
  filter?: 'all' | 'active' | 'orchestrating' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
  /**
   * Tasks of a page; 50 when absent.
   */
  limit?: number;
  /**
   * As the last page gave it.
   */
  cursor?: string;
}
/**
 * The tasks that were asked for.
 */
export interface TaskListResult {
  swarmId: string;
  tasks: TaskSummary[];
  /**
   * Pass it back for the tasks that follow; null: there are none.
   */
  cursor: string | null;
}
/**
 * A task in short.
 */
export interface TaskSummary {
  taskId: string;
  swarmId: string;
  status: TaskState;
  /**
   * Why it failed or was cancelled; null otherwise.
   */
  reason: string | null;
  description: string;
  priority: string;
  progress: Progress;
  createdAt: Time;
  endedAt: TimeOrNull;
}
export interface TaskNextArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  /**
   * How long to wait, at most, for something to answer with: 30 when absent; 0 answers at once.
   */
  waitSeconds?: number;
  /**
   * Seconds without work after which the agent is to end: an answer without an assignment then says so by `pending.drain`, and the agent is stopped. Counted from the end of its last claim, or from when it joined first; a lost connection or a restart of the server does not begin it anew. Never when absent.
   */
  idleExitAfter?: number;
  requestId?: RequestId;
}
export interface TaskNextResult {
  /**
   * The work that was claimed; null: there is none now, so call again.
   */
  assignment: {
    assignmentId: string;
    taskId: string;
    phase: string;
    role: 'coordinator' | 'worker' | 'validator';
    attempt: number;
    leaseToken: string;
    leaseExpiresAt: Time;
    /**
     * What is to be done in this phase.
     */
    description: string;
    /**
     * What the whole task is about.
     */
    taskDescription: string;
    /**
     * The phase's or the task's input; null: none.
     */
    input: unknown;
    /**
     * The part of the work that this assignment is for, where the task has items.
     */
    item?: unknown;
    /**
     * Results of the phases that this one depends on, by name.
     */
    dependencies: {};
    /**
     * The attempt ends as failed after this.
     */
    timeoutMs: number;
    requiredCapabilities: string[];
  } | null;
  pending: Pending2;
  /**
   * Only without an assignment: what to do now, in words for a model.
   */
  next?: string;
}
export interface TaskOrchestrateArguments {
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * The task: an object, or just its description.
   */
  task:
    | string
    | {
        /**
         * What is to be done, in words that an agent understands.
         */
        description: string;
        priority?: Priority;
        strategy?: Strategy;
        /**
         * Seconds that one attempt may take; AGENT_TIMEOUT (300) when absent.
         */
        timeout?: number;
        /**
         * Seconds until the whole task fails if it has not ended; 86,400 when absent.
         */
        deadline?: number;
        /**
         * Any JSON value, given to the agents as it is.
         */
        input?: unknown;
        /**
         * Parts of the work, for the strategy balanced: an assignment for each, with the part as its `item`. The result is the list of their results in this order, with null for what failed.
         *
         * @minItems 1
         * @maxItems 1000
         *
         * Items: Any JSON value.
         */
        items?: [
          {
            [k: string]: unknown;
          },
          ...{
            [k: string]: unknown;
          }[],
        ];
        requiredCapabilities?: RequiredCapabilities;
        /**
         * Only agents of this type may claim it.
         */
        agentType?: string;
        /**
         * Assignments on distinct agents; of given phases, of those that name none of their own.
         */
        parallelism?: number;
        /**
         * Several agents have to agree: see consensusThreshold of the swarm.
         */
        consensusRequired?: boolean;
        /**
         * Share of the planned voters that has to agree; the swarm's when absent. Of three voters 0.7 needs all three, 0.66 two.
         */
        consensusThreshold?: number;
        /**
         * JSON pointer into a result to the part that is voted on, such as /verdict.
         */
        voteKey?: string;
        /**
         * A graph of phases. Without it the strategy plans.
         *
         * @minItems 1
         * @maxItems 100
         */
        phases?: [PhaseRequest, ...PhaseRequest[]];
        /**
         * An agent of type coordinator plans the phases; when one of them fails, it is asked once more. The other settings of the task hold for the phases that it plans.
         */
        plan?: 'agent';
      };
  /**
   * Higher ones are claimed first; within one, first in, first out. Waiting a minute raises a task by one step, so nothing starves. `medium` is another word for `normal`.
   */
  priority?: 'critical' | 'high' | 'normal' | 'medium' | 'low';
  /**
   * How a task without phases is planned. parallel: one phase, several agents, blind to each other. sequential: one phase for each required capability, in the given order; with fewer than two of them, parallelism passes; each sees the results before it. balanced: one assignment for each of the task's items, taken by whoever is least loaded. adaptive (the default): balanced when items are given, parallel when consensus, parallelism or an aggregation that needs several agents asks for it, else one agent.
   */
  strategy?: 'parallel' | 'sequential' | 'balanced' | 'adaptive';
  /**
   * How the work is carried out and how results become one.
   */
  execution?: {
    /**
     * The only mode that there is, so it changes nothing.
     */
    mode?: 'distributed';
    /**
     * What follows a failed attempt. exponential_backoff (the default) waits a random time up to retryDelay, doubled with each failure, 30 s at most; fixed waits retryDelay; with none, maxAttempts and retryDelay are refused.
     */
    retryPolicy?: 'none' | 'fixed' | 'exponential_backoff';
    /**
     * Attempts of one assignment; 3 when absent, 1 with retryPolicy none.
     */
    maxAttempts?: number;
    /**
     * Milliseconds: the fixed delay, or the first of the exponential ones; 100 when absent.
     */
    retryDelay?: number;
    resultAggregation?: ResultAggregation;
    /**
     * Share of a phase's planned assignments that may fail for good; when more do, the phase fails and what is left of it is cancelled.
     */
    failureThreshold?: number;
    /**
     * Whether ballots count alike (equal, the default), or by the weight of their agents (the same as resultAggregation weighted_vote).
     */
    votingMechanism?: 'equal' | 'weighted';
    /**
     * What happens when everybody has been heard and no rule decides. fail (the default): the phase fails. expert_priority: the ballot of the agent with the best capability match, then weight, then a validator, then the oldest. judge: an agent that is no author chooses among the different results. human: the task waits for task_decide. rerun: the vote is taken once more.
     */
    conflictResolution?: 'fail' | 'expert_priority' | 'judge' | 'human' | 'rerun';
    /**
     * Of ahead_by_k: votes by which a ballot has to lead the next one; 2 when absent.
     */
    aheadBy?: number;
    /**
     * Of ahead_by_k: votes that are taken at most, failures included; twice aheadBy and one more when absent.
     */
    maxVotes?: number;
    /**
     * Budget in US dollars, of all attempts together, as far as workers report what they used. Once it is used up, nothing of the task is claimed any more; it fails with budget_exceeded when what is claimed has ended, and its results so far are kept.
     */
    maxCostUsd?: number;
    /**
     * Budget in tokens, input and output together; as maxCostUsd.
     */
    maxTokens?: number;
  };
  requestId?: RequestId;
}
/**
 * A phase of a task.
 */
export interface PhaseRequest {
  /**
   * Unique within the task; others name it in their dependencies.
   */
  name: string;
  /**
   * What is to be done; the task's description when absent.
   */
  description?: string;
  /**
   * Phases that have to succeed first; their results are given to this one.
   *
   * @maxItems 100
   */
  dependencies?: string[];
  requiredCapabilities?: RequiredCapabilities;
  /**
   * Only agents of this type may claim it.
   */
  agentType?: string;
  /**
   * Assignments on distinct agents.
   */
  parallelism?: number;
  resultAggregation?: ResultAggregation;
  /**
   * Seconds an attempt may take.
   */
  timeout?: number;
  /**
   * Any JSON value, given to the agents as it is; the task's input when absent.
   */
  input?: unknown;
  /**
   * JSON pointers by the name of a dependency: instead of its whole result only that part is given, null where there is nothing.
   */
  select?: {
    [k: string]: string;
  };
}
export interface TaskOrchestrateResult {
  taskId: string;
  swarmId: string;
  status: TaskState;
  reason: string | null;
  /**
   * given_phases: as they were given. planned_by_agent: phase plan, whose answer is the others. parallel: one phase of several assignments. sequential: one phase after the other. balanced: one phase with an assignment for each item. single: one phase of one.
   */
  resolvedStrategy: 'given_phases' | 'planned_by_agent' | 'parallel' | 'sequential' | 'balanced' | 'single';
  /**
   * Why it was planned like this.
   */
  strategyReason: string;
  /**
   * Agents to whom work of the task has been offered already.
   */
  assignedAgents: {
    agentId: string;
    role: 'coordinator' | 'worker' | 'validator';
    capabilities: string[];
  }[];
  orchestrationPlan: {
    phases: {
      name: string;
      agents: string[];
      /**
       * Seconds, from what this swarm measured for the type of its agents; null while that is not known.
       */
      estimatedDuration: number | null;
      dependencies: string[];
      requiredCapabilities: string[];
      parallelism: number;
      resultAggregation: string;
      /**
       * Equal ballots that win; null: no vote.
       */
      requiredVotes: number | null;
      /**
       * Assignments that may fail without the phase failing.
       */
      maxFailures: number;
      waitingFor?: string;
    }[];
  };
  /**
   * Of the phase with the most assignments.
   */
  coordination: {
    /**
     * null: no consensus is required.
     */
    consensusThreshold: number | null;
    votingMechanism: string | null;
    conflictResolution: string;
    requiredVotes: number | null;
    maxFailures: number;
  };
  estimatedCompletion: TimeOrNull;
  mcpConnections: {
    /**
     * Connections to this server right now.
     */
    active: number;
    /**
     * Those, divided by the most that it takes.
     */
    poolUtilization: number;
  };
}
export interface TaskReleaseArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  assignmentId: AssignmentId;
  leaseToken: LeaseToken;
  /**
   * Why, in words: the events show it.
   */
  reason?: string;
  requestId?: RequestId;
}
export interface TaskReleaseResult {
  assignmentId: string;
  status: 'queued';
  pending: Pending2;
}
export interface TaskResultsArguments {
  taskId: TaskId;
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
}
export interface TaskResultsResult {
  taskId: string;
  swarmId: string;
  status: TaskState;
  reason: string | null;
  /**
   * The aggregate: the result of the last phase; of several last phases an object by name. null unless the task has completed.
   */
  result: unknown;
  results: AttemptResult[];
  consensus: Consensus;
  /**
   * All votes, when several phases vote.
   */
  votes?: Consensus[];
}
/**
 * What has become of an assignment.
 */
export interface AttemptResult {
  phase: string;
  assignmentId: string;
  /**
   * Who ended it, or holds it; null: nobody.
   */
  agentId: string | null;
  /**
   * Claims so far.
   */
  attempt: number;
  status: AssignmentStatus;
  /**
   * null unless it has succeeded.
   */
  result: unknown;
  /**
   * Of its newest failed attempt; null when it has succeeded, and while none has failed.
   */
  error: AttemptError | null;
  usage: UsageOut;
  /**
   * From its last claim to its end; null while it has not ended.
   */
  durationMs: number | null;
  /**
   * How it was done, in its worker's words; only where it says so. `worktree`: branch and commit with what was changed.
   */
  details?: {};
  /**
   * 2: of the vote that was taken anew.
   */
  round?: number;
  /**
   * Of a judge: the assignments that it chose among, in the order in which it saw them.
   */
  judges?: string[];
}
export interface TaskStatusArguments {
  taskId?: TaskId;
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * Without taskId. active: has not ended. all when absent.
   */
  filter?: 'all' | 'active' | 'orchestrating' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
  /**
   * Without taskId. Tasks of a page; 50 when absent.
   */
  limit?: number;
  /**
   * Without taskId. As the last page gave it.
   */
  cursor?: string;
}
/**
 * A task and its phases.
 */
export interface TaskDetail {
  taskId: string;
  swarmId: string;
  status: TaskState;
  /**
   * Why it failed or was cancelled; null otherwise.
   */
  reason: string | null;
  description: string;
  priority: string;
  progress: Progress;
  phases: PhaseState[];
  budget: Budget;
  usage: UsageSum;
  createdAt: Time;
  /**
   * Of the first claim.
   */
  startedAt: Time | null;
  endedAt: TimeOrNull;
  /**
   * It fails then if it has not ended.
   */
  deadlineAt: Time | null;
}
/**
 * A page of tasks, newest first.
 */
export interface TaskPage {
  swarmId: string;
  tasks: TaskSummary[];
  /**
   * Pass it back for the tasks that follow; null: there are none.
   */
  cursor: string | null;
}
export interface TaskUpdateArguments {
  /**
   * Agent, as agent_spawn or swarm_join returned it.
   */
  agentId?: string;
  token?: AgentToken;
  /**
   * One copy of a phase's work for one agent: taskId/phase/copy.
   */
  assignmentId?: string;
  leaseToken?: LeaseToken;
  /**
   * Any JSON value of at most 4,096 characters; task_status shows it.
   */
  progress?: unknown;
  usage?: Usage;
  /**
   * How long the reply may be held back: 0, that is not at all, when absent. Not longer than heartbeatSeconds: waiting renews nothing.
   */
  waitSeconds?: number;
  requestId?: RequestId;
}
export interface TaskUpdateResult {
  assignmentId: string;
  leaseExpiresAt: Time;
  /**
   * How long the attempt has waited for people so far (approve): its timeout is that much later. Absent: it has not.
   */
  waitedMs?: number;
  pending: Pending2;
}
export interface TaskWaitArguments {
  taskId: TaskId;
  /**
   * Swarm, as swarm_init returned it.
   */
  swarmId?: string;
  /**
   * How long to wait, at most, for something to answer with: 30 when absent; 0 answers at once.
   */
  waitSeconds?: number;
}
export interface TaskWaitResult {
  taskId: string;
  swarmId: string;
  status: TaskState;
  reason: string | null;
  description: string;
  priority: string;
  progress: Progress;
  phases: PhaseState[];
  budget: Budget;
  usage: UsageSum;
  createdAt: Time;
  startedAt: TimeOrNull;
  endedAt: TimeOrNull;
  deadlineAt: TimeOrNull;
  ended: boolean;
  /**
   * Only while it has not ended: what to do now, in words for a model.
   */
  next?: string;
  /**
   * The aggregate: the result of the last phase; of several last phases an object by name. null unless the task has completed.
   */
  result?: unknown;
  results?: AttemptResult[];
  consensus?: Consensus;
  /**
   * All votes, when several phases vote.
   */
  votes?: Consensus[];
}
