/**
 * All the nouns of a swarm.
 *
 * A swarm's state is two things: records, which are plain JSON data and make up a snapshot as they stand, and indexes,
 * which are derived from the records and can be rebuilt from them at any time (`index.ts`). Only `evolve` changes
 * either. Times are milliseconds since the epoch, durations milliseconds.
 */
import type { Fifo } from './fifo.ts';
import type { Indexes } from './index/indexes.ts';
import type { Json, JsonObject } from './json.ts';
import type { Limits } from './limits.ts';

/** A value of a user: inside the state, or, when it is large, beside the journal under an id. */
export type Payload = { readonly json: Json } | { readonly blob: string; readonly bytes: number };

export interface State {
  /** The number of events so far. */
  version: number;
  /** null until the swarm has been created. */
  swarm: Swarm | null;
  readonly agents: Map<string, Agent>;
  readonly tasks: Map<string, Task>;
  readonly reservations: Map<string, Reservation>;
  readonly approvals: Map<string, Approval>;
  readonly requests: Map<string, AnsweredRequest>;
  /** What is over, in the order in which it ended: the oldest is forgotten first. */
  readonly answeredRequests: Fifo<string>;
  readonly endedTasks: Fifo<string>;
  readonly closedAgents: Fifo<string>;
  /** Not part of a swarm's history: they decide when timers are due. */
  readonly limits: Limits;
  readonly indexes: Indexes;
}

export interface Swarm {
  readonly id: string;
  readonly name: string | null;
  readonly topology: Topology;
  readonly maxAgents: number;
  readonly consensusThreshold: number;
  /** What a task that names no strategy gets. */
  readonly strategy: Strategy;
  readonly createdAt: number;
  destroyedAt: number | null;
  /** Of a star, the agent that was elected last; null where none ever was. */
  hubId: string | null;
  /** While it is, nothing is offered or claimed. */
  paused: Pause | null;
  /** Agents and tasks are numbered in the order of their arrival; "the oldest" means the lowest number. */
  nextAgentSeq: number;
  nextTaskSeq: number;
  readonly metrics: Metrics;
}

export interface Pause {
  readonly since: number;
  readonly reason: string | null;
}

export type Topology = 'mesh' | 'star' | 'hierarchical' | 'ring';

export interface Metrics {
  tasksCompleted: number;
  tasksFailed: number;
  tasksCancelled: number;
  /** Sum over completed tasks of acceptance to end. */
  completedMs: number;
  /** What agents of a type took for their successful attempts, and from spawning to joining. */
  readonly types: Record<string, TypeMetrics>;
}

export interface TypeMetrics {
  successes: number;
  successMs: number;
  spawns: number;
  spawnMs: number;
}

/** The names are users' own: one of them may well be that of a member of every object. */
export function measuredType(types: Metrics['types'], agentType: string): TypeMetrics | undefined {
  return Object.hasOwn(types, agentType) ? types[agentType] : undefined;
}

// ---- agents

export interface Agent {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  /** In a hierarchy; null: it is the root. */
  parentId: string | null;
  name: string | null;
  capabilities: readonly string[];
  /** What `agent_spawn` was given for the worker; skein itself reads `timeout` and `weight` out of it. */
  readonly config: JsonObject;
  /** `command`, `acp`: a host starts its worker. `external`: some process joins by itself. */
  readonly runtime: 'command' | 'acp' | 'external';
  maxConcurrent: number;
  leaseMs: number;
  life: Life;
  /** How often a worker has joined as this agent; calls of an earlier join's connection are refused. */
  joins: number;
  /** Restarts of a lost worker by its host since the agent's last success. */
  restarts: number;
  /** False after an offer went unclaimed, until the next `task_next`: such an agent is not offered work. */
  attentive: boolean;
  /** It takes no new work, and stops when it holds none any more. */
  draining: Drain | null;
  /** When a claim of it ended last; before there was one: when its worker joined, or was started again and did. */
  idleSince: number;
  readonly spawnedAt: number;
  /** From the last (re)start of the worker to its join; null until measured. */
  spawnMs: number | null;
  readonly record: AgentRecord;
  /** Claims that ended under the worker's hands lately: `pending.cancel` tells it. */
  revoked: { readonly assignmentId: string; readonly at: number }[];
  /** Unacknowledged messages in ascending order of `seq`. */
  inbox: Message[];
  nextMessageSeq: number;
}

export type Life =
  | { readonly status: 'spawning'; readonly joinToken: string; readonly since: number; readonly until: number | null }
  | { readonly status: 'joined'; readonly resumeToken: string }
  | { readonly status: 'offline'; readonly resumeToken: string; readonly until: number; readonly reason: string }
  | { readonly status: 'failed'; readonly reason: string; readonly at: number }
  | { readonly status: 'stopped'; readonly reason: string; readonly at: number };

export interface Drain {
  readonly since: number;
  readonly reason: string;
}

export interface AgentRecord {
  successes: number;
  failures: number;
  /** Outcomes of the newest attempts, newest last, at most `recentAttempts` of them. */
  recent: ('success' | 'failure')[];
  /** Moving average of successful attempts; null until there was one. */
  averageMs: number | null;
  /** How it did at the kinds of work that it did last, newest last, at most `recentKinds` of them. */
  kinds: KindRecord[];
}

/** A kind of work is what a phase requires of its agents. */
export interface KindRecord {
  readonly kind: string;
  /** Moving share of successes, between 0 and 1; begins in the middle, where nothing is known. */
  readonly share: number;
}

export interface Message {
  readonly id: string;
  /** Numbers the messages of one receiver; a cursor is the `seq` of the last message seen. */
  readonly seq: number;
  /** null: sent by a client that acts as no agent. */
  readonly from: string | null;
  readonly sentAt: number;
  readonly replyTo: string | null;
  readonly body: Payload;
  /** Not delivered from this time on; absent: it stays until it is acknowledged. */
  readonly expiresAt?: number;
  /** Of a broadcast only: how far along the topology the receiver is from the sender. */
  readonly hops?: number;
}

export function isExpired({ expiresAt }: Message, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

// ---- tasks

export type TaskStatus = 'orchestrating' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled';
export type Priority = 'critical' | 'high' | 'normal' | 'low';
export type Strategy = 'parallel' | 'sequential' | 'balanced' | 'adaptive';
export type Aggregation = 'all' | 'first' | 'majority_vote' | 'weighted_vote' | 'ahead_by_k' | 'best';
export type ConflictResolution = 'fail' | 'expert_priority' | 'judge' | 'human' | 'rerun';

/** What a task says for all its phases; a phase may say otherwise. */
export interface PhaseDefaults {
  readonly requiredCapabilities: readonly string[];
  readonly agentType: string | null;
  readonly parallelism: number | null;
  readonly aggregation: Aggregation | null;
  readonly consensusRequired: boolean;
  readonly consensusThreshold: number | null;
  readonly failureThreshold: number | null;
  readonly voteKey: string | null;
  readonly votingMechanism: 'equal' | 'weighted' | null;
  readonly conflictResolution: ConflictResolution | null;
  /** Of ahead_by_k. */
  readonly lead: number | null;
  readonly maxVotes: number | null;
  readonly timeoutMs: number;
}

export interface Task {
  readonly id: string;
  readonly seq: number;
  readonly description: string;
  readonly priority: Priority;
  readonly strategy: Strategy;
  readonly resolvedStrategy: 'given_phases' | 'planned_by_agent' | 'parallel' | 'sequential' | 'balanced' | 'single';
  readonly strategyReason: string;
  status: TaskStatus;
  reason: string | null;
  readonly input: Payload | null;
  readonly retry: RetryPolicy;
  readonly createdAt: number;
  readonly deadlineAt: number | null;
  budget: Budget | null;
  /** Of all attempts so far; null until one has reported or ended. */
  usage: TaskUsage | null;
  startedAt: number | null;
  endedAt: number | null;
  readonly phases: Phase[];
  /** Present on a task that an agent plans: what holds for all the phases that it plans. */
  readonly planning?: PhaseDefaults;
}

/** The most that the attempts of a task may use together; null: no limit of its own. At least one of them is set. */
export interface Budget {
  readonly maxCostUsd: number | null;
  /** Input and output together. */
  readonly maxTokens: number | null;
}

export interface RetryPolicy {
  readonly kind: 'none' | 'fixed' | 'exponential_backoff';
  readonly maxAttempts: number;
  readonly initialMs: number;
  readonly maxMs: number;
}

export type PhaseStatus = 'waiting' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** The rules by which a phase's ballots and failures become its outcome. */
export interface VoteRules {
  readonly aggregation: Aggregation;
  /** Only the threshold counts when consensus is required; else a majority is enough. */
  readonly consensusRequired: boolean;
  readonly consensusThreshold: number;
  /** Share of planned assignments that may fail; null: no limit of its own. */
  readonly failureThreshold: number | null;
  /** JSON pointer into a result to what is voted on; null: the whole result. */
  readonly voteKey: string | null;
  /** What happens when everybody has been heard and no rule decides; absent: the phase fails. */
  readonly conflictResolution?: Exclude<ConflictResolution, 'fail'>;
  /** Of ahead_by_k: by how much a ballot has to lead, and how many votes are taken at most. */
  readonly lead?: number;
  readonly maxVotes?: number;
}

export interface Phase {
  readonly name: string;
  readonly description: string | null;
  readonly dependencies: readonly string[];
  readonly requiredCapabilities: readonly string[];
  /** Only agents of this type may claim; null: any type. */
  readonly agentType: string | null;
  readonly parallelism: number;
  readonly rules: VoteRules;
  readonly timeoutMs: number;
  readonly input: Payload | null;
  /** One assignment for each, of which an agent may have several; absent: the assignments are copies, for distinct agents. */
  readonly items?: readonly Payload[];
  /** JSON pointers by the name of a dependency: only that part of its result is handed on. */
  readonly select?: Readonly<Record<string, string>>;
  /** Its result is the plan of the phases that come after it. */
  readonly plans?: true;
  status: PhaseStatus;
  reason: string | null;
  /** Empty until the phase opens; those of later rounds, and the judges, come after the first ones. */
  assignments: readonly Assignment[];
  /** Counts the votes that are taken anew after a conflict; absent: the first. */
  round?: number;
  /** Present once a judge has been asked to choose. */
  judging?: Judging;
  /** Present while a person is asked to choose. */
  asked?: Asked;
  outcome: Outcome | null;
  openedAt: number | null;
  endedAt: number | null;
}

/** A choice among candidates, which a judge sees without their authors, in one order and in another. */
export interface Judging {
  /** Assignments whose results are to be judged, in each order. */
  readonly orders: readonly [readonly string[], readonly string[]];
}

export interface Asked {
  /** Why no rule decided. */
  readonly reason: string;
  readonly candidates: readonly string[];
  readonly since: number;
}

/** What a settled phase hands on. `winners` are the assignments whose results are its result. */
export interface Outcome {
  readonly decidedBy: string;
  readonly winners: readonly string[];
}

export interface Assignment {
  /** `taskId/phase/copy`, copies counted from 1. */
  readonly id: string;
  /** Counts claims; with the lease token it fences off earlier holders. */
  attempt: number;
  /** Counts failed attempts, which the retry policy limits. A released claim is not one. */
  failures: number;
  releases: number;
  /** When it became claimable: its place in the queue. */
  readyAt: number;
  /** Agents whose attempts at it failed or that gave it back: others are preferred. */
  triedBy: readonly string[];
  lastError: AttemptError | null;
  /** Of the newest attempt. */
  usage: Usage | null;
  /** Of its ballot: that of the agent that claimed it last; absent: 1. */
  weight?: number;
  /** Of the vote that it belongs to; absent: the first. */
  round?: number;
  /** Of a judge: which of the two orders it sees. */
  judges?: 0 | 1;
  work: Work;
}

export type Work =
  | { readonly status: 'backoff'; readonly until: number }
  | { readonly status: 'queued' }
  | { readonly status: 'offered'; readonly agentId: string; readonly until: number }
  | Claim
  | {
      readonly status: 'succeeded';
      readonly agentId: string;
      readonly result: Payload;
      readonly ballot: Ballot | null;
      /** How it was done, in its worker's words. */
      readonly details?: JsonObject;
      readonly startedAt: number;
      readonly endedAt: number;
      /** The version of the event that recorded it, for the audit of a vote. */
      readonly version: number;
    }
  | {
      readonly status: 'failed';
      readonly agentId: string | null;
      readonly startedAt: number | null;
      readonly endedAt: number;
    }
  | {
      readonly status: 'cancelled';
      readonly agentId: string | null;
      readonly startedAt: number | null;
      readonly endedAt: number;
    };

/** As others see it: work that waits for its next attempt is queued. */
export function assignmentStatus({ work }: Pick<Assignment, 'work'>): string {
  return work.status === 'backoff' ? 'queued' : work.status;
}

/** For a sentence that begins with the task. */
export function hasEnded({ status }: Task): string {
  return status === 'cancelled' ? 'was cancelled' : `has ${status}`;
}

export interface Claim {
  readonly status: 'claimed';
  readonly agentId: string;
  readonly leaseToken: string;
  readonly claimedAt: number;
  readonly leaseUntil: number;
  /** The attempt's own deadline, whatever the lease says. */
  readonly timeoutAt: number;
  readonly progress: Json;
  /** For people whose approval its holder asks: since when now, and how long before that; absent: for none so far. */
  readonly waits?: { readonly since: number | null; readonly ms: number };
}

/** The clock of an attempt stands still while a person is waited for. */
export function timesOutAt({ timeoutAt, waits }: Claim): number {
  if (waits === undefined) return timeoutAt;
  return waits.since === null ? timeoutAt + waits.ms : Infinity;
}

export function waitedMs({ since, ms }: NonNullable<Claim['waits']>, now: number): number {
  return ms + (since === null ? 0 : Math.max(0, now - since));
}

export interface AttemptError {
  readonly attempt: number;
  readonly agentId: string;
  readonly reason: string;
  readonly message: string | null;
  readonly details: JsonObject | null;
}

/** As the worker measured it; null is unknown, not zero. */
export interface Usage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly costUsd: number | null;
}

/** Sums of what was reported; null: nobody has reported any of it. */
export interface TaskUsage extends Usage {
  /** Attempts that ended without having reported all three. */
  readonly unknownAttempts: number;
}

/** The comparable part of a result; ballots with the same key agree. */
export interface Ballot {
  readonly key: string;
  readonly source: 'vote' | 'voteKey' | 'json' | 'text' | 'choice';
}

// ---- files

/** Of paths in a work tree that agents share. */
export interface Reservation {
  readonly id: string;
  readonly agentId: string;
  /** The claim with which it ends, at the latest; null: it was made for none. */
  readonly assignmentId: string | null;
  globs: readonly string[];
  readonly mode: ReservationMode;
  readonly until: number;
}

export type ReservationMode = 'exclusive' | 'shared';

// ---- approvals

/** What an agent may only do when a person allows it. */
export interface Approval {
  readonly id: string;
  readonly agentId: string;
  /** The claim with which it ends; null: it is asked for none. */
  readonly assignmentId: string | null;
  readonly tool: string;
  /** As people are shown it; null once they have answered. */
  input: Json;
  /** The asker's own name for it. */
  readonly toolUseId: string | null;
  /** Of all that is asked. */
  readonly fingerprint: string;
  readonly at: number;
  /** null: it waits for one. */
  answer: ApprovalAnswer | null;
}

export interface ApprovalAnswer {
  readonly behavior: 'allow' | 'deny';
  /** Why it is denied. */
  readonly message: string | null;
  /** With what it is allowed; null: as it was asked. */
  readonly updatedInput: JsonObject | null;
  readonly at: number;
}

// ---- requests

/** An answer kept for a repeated request id. A claim is rebuilt from the state instead of being kept twice. */
export interface AnsweredRequest {
  readonly command: string;
  readonly fingerprint: string;
  readonly at: number;
  readonly answer: { readonly reply: JsonObject } | { readonly claim: string; readonly attempt: number };
}

/** The part that an agent plays, by its type. */
export function roleOf(agent: Agent): 'coordinator' | 'validator' | 'worker' {
  return agent.type === 'coordinator' || agent.type === 'validator' ? agent.type : 'worker';
}

/** null: it is not closed. */
export function agentClosedAt(agent: Agent): number | null {
  return agent.life.status === 'failed' || agent.life.status === 'stopped' ? agent.life.at : null;
}
