/**
 * The resources of which a client wants to hear when they change, and their list, on one connection and in one era. Each is
 * watched once, however many subscriptions have it, and no longer than one of them lasts.
 */
import type { RequestId } from '@modelcontextprotocol/server';
import type { TurnedDown } from '../dialect.ts';
import { readingOf } from './resources.ts';

/** Calls back when something of the swarm has changed, or of one task of it; the function that is returned ends it. */
export type Watch = (swarmId: string, taskId: string | null, onChange: () => void) => (() => void) | TurnedDown;

/** What resources/list has. */
export const listed = Symbol('the list of resources');
export type Watched = string | typeof listed;
export type WatchList = (onChange: () => void) => () => void;

export class Watching {
  readonly #watch: Watch;
  readonly #watchList: WatchList;
  readonly #most: number;
  readonly #onChange: (what: Watched) => void;
  /** By what names the subscription: in modern the id of its request, in legacy what is watched. */
  readonly #subscriptions = new Map<RequestId | Watched, readonly Watched[]>();
  readonly #watched = new Map<Watched, { subscriptions: number; readonly stop: () => void }>();

  /** `most`: resources at once. */
  constructor(watch: Watch, watchList: WatchList, most: number, onChange: (what: Watched) => void) {
    this.#watch = watch;
    this.#watchList = watchList;
    this.#most = most;
    this.#onChange = onChange;
  }

  /** What names those that are open. */
  get subscriptions(): readonly (RequestId | Watched)[] {
    return [...this.#subscriptions.keys()];
  }

  /** All of them, or none and why. */
  open(subscription: RequestId | Watched, wanted: readonly Watched[]): TurnedDown | null {
    this.close(subscription);
    const begun: Watched[] = [];
    this.#subscriptions.set(subscription, begun);
    for (const what of wanted) {
      const problem = this.#begin(what);
      if (problem === null) begun.push(what);
      else {
        this.close(subscription);
        return problem;
      }
    }
    return null;
  }

  close(subscription: RequestId | Watched): void {
    for (const what of this.#subscriptions.get(subscription) ?? []) {
      const watched = this.#watched.get(what)!;
      watched.subscriptions -= 1;
      if (watched.subscriptions > 0) continue;
      watched.stop();
      this.#watched.delete(what);
    }
    this.#subscriptions.delete(subscription);
  }

  closeAll(): void {
    for (const subscription of this.subscriptions) this.close(subscription);
  }

  #begin(what: Watched): TurnedDown | null {
    const present = this.#watched.get(what);
    if (present !== undefined) {
      present.subscriptions += 1;
      return null;
    }
    if (this.#watched.size >= this.#most) {
      return { refused: 'wait_limit', message: `this connection watches ${this.#most} resources, which is the most` };
    }
    const stop = what === listed ? this.#watchList(() => this.#onChange(what)) : this.#beginResource(what);
    if (typeof stop !== 'function') return stop;
    this.#watched.set(what, { subscriptions: 1, stop });
    return null;
  }

  #beginResource(uri: string): (() => void) | TurnedDown {
    const of = readingOf(uri);
    if (of === null) return { refused: 'invalid_arguments', message: `${uri} is no resource of this server` };
    if (of.tool === 'memory_retrieve') {
      return {
        refused: 'invalid_arguments',
        message: `${uri} cannot be subscribed to, since the memory bank tells nobody of its changes: read it again`,
      };
    }
    return this.#watch(of.args.swarmId, of.args.taskId ?? null, () => this.#onChange(uri));
  }
}
