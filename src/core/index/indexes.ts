/**
 * The indexes of a swarm: what makes every command O(log n) in its agents, tasks and waiters.
 *
 * All of it is derived from the records. After changing a record, `evolve` calls the `refresh` function of its kind,
 * which brings every index up to date with it; `restore` does the same for all records of a snapshot.
 */
import { createChain, type Chain, type Link } from '../chain.ts';
import type { Glob } from '../glob.ts';
import { createHeap, type Heap, type Slotted } from '../heap.ts';
import type { Agent, Assignment, Phase, Task } from '../state.ts';

export interface Indexes {
  readonly timers: Heap<Timer>;
  /** By the id of what the timer is for: each thing has at most one. */
  readonly timerOf: Map<string, Timer>;
  readonly agents: Map<string, AgentEntry>;
  /** Agents that are not closed, in the order of their arrival; all of them, and by type. */
  readonly live: Chain<Agent>;
  readonly liveOfType: Map<string, Chain<Agent>>;
  /** Of a hierarchy: the live children of an agent. */
  readonly children: Map<string, Set<Agent>>;
  /** Which agent may join with a token. */
  readonly tokens: Map<string, string>;
  readonly profiles: Map<string, Profile>;
  readonly lanes: Map<string, Lane>;
  /** Free agents by the kinds of work at which they are proven, the best candidate first. */
  readonly proven: Map<string, Heap<Proven>>;
  /** Live agents' profiles by type, and by capability. */
  readonly profilesOfType: Map<string, number>;
  readonly profilesWith: Map<string, number>;
  /** What waits for a claim, offered or not. */
  readonly queued: Map<string, Queued>;
  /** Those of them that are for judges. */
  readonly queuedJudges: Set<string>;
  readonly taskBySeq: Map<number, Task>;
  /** In how many inboxes a blob is: that of a broadcast goes with the last of them. */
  readonly inboxBlobs: Map<string, number>;
  /** By the id of their reservation. */
  readonly reservedGlobsOf: Map<string, readonly Glob[]>;
  /** In all reservations. */
  reservedGlobs: number;
  /** Counts up whenever less is reserved than before. */
  filesFreed: number;
  /** Ids of the approvals that wait for a person, oldest first. */
  readonly waitingApprovals: Set<string>;
  /** Counts up whenever one of them waits no longer. */
  approvalsSettled: number;
  /** Tasks that have not ended, agents that are not closed. */
  liveTasks: number;
  liveAgents: number;
}

export interface Timer extends Slotted {
  due: number;
  readonly subject: TimerSubject;
}

export type TimerSubject =
  | { readonly kind: 'agent'; readonly id: string }
  | { readonly kind: 'inbox'; readonly id: string; readonly agentId: string }
  | { readonly kind: 'task'; readonly id: string }
  | { readonly kind: 'assignment'; readonly id: string }
  | { readonly kind: 'reservation'; readonly id: string }
  | { readonly kind: 'ended_tasks'; readonly id: 'ended_tasks' }
  | { readonly kind: 'closed_agents'; readonly id: 'closed_agents' }
  | { readonly kind: 'swarm'; readonly id: 'swarm' };

/** What is derived of one agent. Its slot is its place among the free agents of its profile. */
export interface AgentEntry extends Slotted {
  readonly agent: Agent;
  /** The assignments offered to it or claimed by it, by id. */
  readonly work: Map<string, Placed>;
  /** Ids of its reservations. */
  readonly reservations: Set<string>;
  /** Ids of its approvals, oldest first. */
  readonly approvals: Set<string>;
  /** null: it is closed. */
  profile: Profile | null;
  standing: Standing | null;
  /** What is listed of it in `proven`, by kind. */
  readonly proven: Map<string, Proven>;
  token: string | null;
  live: boolean;
  /** Among the live agents, and among those of its type; null once it is closed. */
  place: Link<Agent> | null;
  placeOfType: Link<Agent> | null;
  /** Under whom it is listed as a child. */
  parentId: string | null;
}

/** How a live agent stands to new work: who is `free` is offered some, who is `silent` has to ask first. */
export type Standing = 'spawning' | 'offline' | 'draining' | 'busy' | 'silent' | 'free';

export interface Proven extends Slotted {
  readonly entry: AgentEntry;
  share: number;
}

/** An assignment and where it belongs. */
export interface Placed {
  readonly task: Task;
  readonly phase: Phase;
  readonly assignment: Assignment;
}

export interface Profile {
  readonly key: string;
  readonly agentType: string;
  readonly capabilities: ReadonlySet<string>;
  readonly agents: Set<AgentEntry>;
  /** How many of them stand how. */
  readonly standing: Record<Standing, number>;
  /** The free ones, the best candidate first. */
  readonly free: Heap<AgentEntry>;
  readonly lanes: Set<Lane>;
}

export interface Lane {
  readonly key: string;
  readonly requiredCapabilities: readonly string[];
  readonly agentType: string | null;
  readonly queue: Heap<Queued>;
  readonly profiles: Set<Profile>;
}

export interface Queued extends Slotted, Placed {
  readonly lane: Lane;
  /** Lower is served first. */
  readonly rank: number;
  /** Of equal ranks within a task. */
  readonly order: number;
}

/** What has emptied is kept for the next work of its kind, up to this many lanes, or kinds, in all. */
export const idleMax = 64;

export function createIndexes(): Indexes {
  return {
    timers: createHeap((a, b) => a.due < b.due),
    timerOf: new Map(),
    agents: new Map(),
    live: createChain(),
    liveOfType: new Map(),
    children: new Map(),
    tokens: new Map(),
    profiles: new Map(),
    lanes: new Map(),
    proven: new Map(),
    profilesOfType: new Map(),
    profilesWith: new Map(),
    queued: new Map(),
    queuedJudges: new Set(),
    taskBySeq: new Map(),
    inboxBlobs: new Map(),
    reservedGlobsOf: new Map(),
    reservedGlobs: 0,
    filesFreed: 0,
    waitingApprovals: new Set(),
    approvalsSettled: 0,
    liveTasks: 0,
    liveAgents: 0,
  };
}
