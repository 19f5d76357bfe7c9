/**
 * What every rule is: a function of state, command and world that only reads, and either refuses or decides.
 */
import type { Command, CommandOf, CommandType } from './command.ts';
import { eventVersions, type Event, type EventBody } from './event.ts';
import type { Json } from './json.ts';
import type { Refusal } from './refusal.ts';
import type { Payload, State } from './state.ts';

/** The world outside, as far as a rule may know it: minted by the coordinator for one command. */
export interface World {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** A new identifier such as `task_1757967065850_k3v9x0aq2m1c`. */
  id(kind: 'agent' | 'task' | 'message' | 'reservation' | 'approval'): string;
  /** Unguessable: lease, join and resume tokens. */
  secret(): string;
  /** Uniform in [0, 1): jitter. */
  draw(): number;
  /** Whether the agent waits in `task_next` at this moment. */
  isWaiting(agentId: string): boolean;
  /** Where a user's value is kept: in the event, or beside the journal when it is large. */
  keep(value: Json): Payload;
}

/** What the coordinator does once the events are durable. */
export type Effect =
  /**
   * Something that a parked request of this key waits for may have happened. Of several that wait for work only the first
   * is woken, since it is for one, unless it concerns them `all`.
   */
  | { readonly kind: 'wake'; readonly key: WakeKey; readonly all?: true }
  | {
      readonly kind: 'start_worker';
      readonly agentId: string;
      readonly agentType: string;
      readonly joinToken: string;
      readonly restarts: number;
    }
  | { readonly kind: 'stop_worker'; readonly agentId: string }
  | { readonly kind: 'forget_swarm' };

export type WakeKey =
  `work:${string}` | `messages:${string}` | `task:${string}` | `claim:${string}` | 'files' | 'approvals';

/** Turns a payload into what a reply shows: its value, or a stand-in that the coordinator fills in from the journal. */
export type Show = (payload: Payload) => unknown;

/** Built from the state after the events, so that it tells what has become of the command. */
export type Reply = (state: State, show: Show) => object;

export interface Decision {
  readonly events?: readonly Event[];
  readonly effects?: readonly Effect[];
  /** Commands that follow within the same commit, decided one after the other on the state that they find. */
  readonly then?: readonly Command[];
  readonly reply?: Reply;
  /** There was nothing to hand out: a caller that is willing to wait is woken by this key. */
  readonly idle?: WakeKey;
}

export type Rule<T extends CommandType> = (state: State, command: CommandOf<T>, world: World) => Refusal | Decision;

export function happened(world: World, body: EventBody): Event {
  // In place, since every body is a new one: copying each event costs more than some rules do.
  return Object.assign(body, { v: eventVersions[body.type], at: world.now });
}

/** ISO 8601 in UTC, as replies show times. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}

export function isoOrNull(time: number | null): string | null {
  return time === null ? null : iso(time);
}
