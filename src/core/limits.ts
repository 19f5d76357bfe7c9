/**
 * The limits and periods of the core: everything has one. The coordinator passes them in with every command; the
 * settings of `config.ts` override some. `protocol/README.md`, section "Limits", documents them.
 */
export interface Limits {
  /** Live agents of a swarm, unless its `maxAgents` says less. */
  readonly maxAgents: number;
  /** Tasks of a swarm that have not ended. */
  readonly liveTasksMax: number;
  readonly phasesMax: number;
  /** Phases one after the other in a plan that an agent makes. */
  readonly planDepthMax: number;
  readonly parallelismMax: number;
  /** Elements of a task's `items`. */
  readonly itemsMax: number;
  readonly inboxMessagesMax: number;
  /** File reservations of an agent. */
  readonly reservationsMax: number;
  /** Globs of all reservations of a swarm: a new one is compared with each. */
  readonly reservedGlobsMax: number;
  /** Approvals of an agent that wait for a person, or whose answer is kept. */
  readonly approvalsMax: number;
  /** Approvals of a swarm that wait for a person. */
  readonly waitingApprovalsMax: number;
  /** An agent that was offered work has this long to claim it before it goes to others. */
  readonly offerMs: number;
  /** Lease of a worker that names none. A third of it is the interval of its heartbeats. */
  readonly leaseMs: number;
  /** How long a lost worker keeps what it holds. */
  readonly graceMs: number;
  /** A worker that a host started has this long to join. */
  readonly spawnMs: number;
  /** The coordinator ends an attempt this long after its timeout: the worker is nearer and reports more. */
  readonly timeoutSlackMs: number;
  /** A given-back assignment is claimable again after this. */
  readonly releaseDelayMs: number;
  /** Waiting this long raises a task by one step of priority. */
  readonly priorityAgingMs: number;
  /** Restarts of an agent's lost worker without a success in between. */
  readonly agentRestartsMax: number;
  readonly taskRetentionMs: number;
  readonly endedTasksMax: number;
  readonly agentRetentionMs: number;
  readonly closedAgentsMax: number;
  readonly swarmRetentionMs: number;
  readonly requestIdMs: number;
  /** Timers handled in one command. */
  readonly timersMax: number;
}

export const defaultLimits: Limits = {
  maxAgents: 20,
  liveTasksMax: 1_000_000,
  phasesMax: 100,
  planDepthMax: 20,
  parallelismMax: 100,
  itemsMax: 1_000,
  inboxMessagesMax: 1_000,
  reservationsMax: 50,
  reservedGlobsMax: 256,
  approvalsMax: 20,
  waitingApprovalsMax: 256,
  offerMs: 5_000,
  leaseMs: 60_000,
  graceMs: 60_000,
  spawnMs: 30_000,
  timeoutSlackMs: 2_000,
  releaseDelayMs: 1_000,
  priorityAgingMs: 60_000,
  agentRestartsMax: 3,
  taskRetentionMs: 24 * 3_600_000,
  endedTasksMax: 10_000,
  agentRetentionMs: 3_600_000,
  closedAgentsMax: 1_000,
  swarmRetentionMs: 3_600_000,
  requestIdMs: 600_000,
  timersMax: 256,
};
