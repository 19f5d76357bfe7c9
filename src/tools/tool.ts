/**
 * What a tool handler is: arguments -> command -> reply. Arguments have been validated against the tool's schema
 * before; handlers never know which dialect called them.
 */
import type { AgentTypes } from '../agent-types.ts';
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Actor, Worker } from '../core/command.ts';
import type { Refusal } from '../core/refusal.ts';
import type { Bank } from '../memory/bank.ts';

/** What the tools work with; the same for every call. */
export interface Services {
  readonly coordinator: Coordinator;
  readonly bank: Bank;
  readonly agentTypes: AgentTypes;
  readonly now: () => number;
  readonly startedAt: number;
  readonly defaults: {
    readonly maxAgents: number;
    readonly attemptTimeoutMs: number;
    readonly taskDeadlineMs: number;
    readonly consensusThreshold: number;
  };
  /** Open connections, and the most that there may be. */
  readonly connections: () => { readonly active: number; readonly most: number };
  readonly durability: { readonly journal: string; readonly memory: string };
  readonly limits: Readonly<Record<string, number | null>>;
}

/** An agent as which somebody acts, and the token that names it: of its join, or of the claim that is accompanied. */
export interface Acting {
  readonly swarmId: string;
  readonly actor: Actor;
  readonly token: string;
}

/** A worker whose connection is gone. */
export interface LostWorker {
  readonly swarmId: string;
  readonly actor: Worker;
}

/** The connection that calls, or what stands for one, as far as tools see it. */
export interface Caller {
  /** Address and port at which workers are reached. */
  readonly endpoint: string;
  /** The agents as which it acts. */
  readonly acting: ReadonlyMap<string, Acting>;
  /** The swarm that it created or joined last. */
  newestSwarm: string | null;
  /** Its client does not see what its joins answer, and knows the resume token already. */
  readonly resumes: boolean;
  /** Resolves when its `swarm_init` and `swarm_join` that are under way are done; see `identifying`. */
  settling: Promise<unknown> | null;
  /** It acts as the agent from now on. */
  joined(acting: Acting): void;
  left(agentId: string): void;
  /** Takes one of the connection's places for waiting requests; false: they are all taken. */
  beginWait(): boolean;
  endWait(): void;
}

export interface Call<A> {
  readonly args: A;
  readonly caller: Caller;
  readonly services: Services;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Called when the call begins to wait for something to happen, for so many seconds at most. */
  readonly onWait: ((seconds: number) => void) | null;
  /** The longest that the caller's client survives, in seconds, whatever the call asks for. */
  readonly waitSecondsMax: number;
  /** Called when the reply could not be sent, because the connection was gone by then. */
  undelivered: (() => void) | null;
}

export type Answer = object | Refusal;
export type Handler<A> = (call: Call<A>) => Promise<Answer>;
