/**
 * The resources of which a client wants to hear when they change, on one connection and in one era. Each is watched once,
 * however many subscriptions have it, and no longer than one of them lasts.
 */
import type { RequestId } from '@modelcontextprotocol/server';
import type { TurnedDown } from '../dialect.ts';
import { toolCallFor } from './resources.ts';

/** Calls back when something of the swarm has changed, or of one task of it; the function that is returned ends it. */
export type Watch = (swarmId: string, taskId: string | null, onChange: () => void) => (() => void) | TurnedDown;

export class Watching {
  readonly #watch: Watch;
  readonly #most: number;
  readonly #onChange: (uri: string) => void;
  /** By what names the subscription: in modern the id of its request, in legacy the URI. */
  readonly #subscriptions = new Map<RequestId, readonly string[]>();
  readonly #watched = new Map<string, { subscriptions: number; readonly stop: () => void }>();

  /** `most`: resources at once. */
  constructor(watch: Watch, most: number, onChange: (uri: string) => void) {
    this.#watch = watch;
    this.#most = most;
    this.#onChange = onChange;
  }

  /** All of them, or none and why. */
  open(subscription: RequestId, uris: readonly string[]): TurnedDown | null {
    this.close(subscription);
    const begun: string[] = [];
    this.#subscriptions.set(subscription, begun);
    for (const uri of uris) {
      const problem = this.#begin(uri);
      if (problem === null) begun.push(uri);
      else {
        this.close(subscription);
        return problem;
      }
    }
    return null;
  }

  close(subscription: RequestId): void {
    for (const uri of this.#subscriptions.get(subscription) ?? []) {
      const watched = this.#watched.get(uri)!;
      watched.subscriptions -= 1;
      if (watched.subscriptions > 0) continue;
      watched.stop();
      this.#watched.delete(uri);
    }
    this.#subscriptions.delete(subscription);
  }

  closeAll(): void {
    for (const subscription of [...this.#subscriptions.keys()]) this.close(subscription);
  }

  #begin(uri: string): TurnedDown | null {
    const present = this.#watched.get(uri);
    if (present !== undefined) {
      present.subscriptions += 1;
      return null;
    }
    if (this.#watched.size >= this.#most) {
      return { refused: 'wait_limit', message: `this connection watches ${this.#most} resources, which is the most` };
    }
    const of = toolCallFor(uri);
    if (of === null) return { refused: 'invalid_arguments', message: `${uri} is no resource of this server` };
    if (of.tool === 'memory_retrieve') {
      return {
        refused: 'invalid_arguments',
        message: `${uri} cannot be subscribed to, since the memory bank tells nobody of its changes: read it again`,
      };
    }
    const stop = this.#watch(of.args.swarmId, of.args.taskId ?? null, () => this.#onChange(uri));
    if (typeof stop !== 'function') return stop;
    this.#watched.set(uri, { subscriptions: 1, stop });
    return null;
  }
}

/** What the params of `subscriptions/listen` want to hear of; whether they are well-formed is the library's to say. */
export function listenedUris(params: unknown): readonly string[] {
  const { notifications } = (params ?? {}) as { readonly notifications?: { readonly resourceSubscriptions?: unknown } };
  const uris = notifications?.resourceSubscriptions;
  return Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : [];
}
