/**
 * Simulated time: it jumps from event to event. Events of the same millisecond happen in an order drawn from the seed,
 * and each is over, with all the promises that it settles, before the next begins.
 */
import { createHeap, type Slotted } from '../../../src/core/heap.ts';
import type { Chance } from './chance.ts';

interface Event extends Slotted {
  readonly at: number;
  /** Among those of the same millisecond. */
  readonly order: number;
  readonly happen: () => void;
}

export class Timeline {
  static readonly epoch = Date.UTC(2026, 0, 1);
  readonly #chance: Chance;
  readonly #events = createHeap<Event>((a, b) => (a.at !== b.at ? a.at < b.at : a.order < b.order));
  #failure: { readonly error: unknown } | null = null;
  /** Milliseconds since the epoch. */
  now = Timeline.epoch;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** The result takes it back. */
  in(ms: number, happen: () => void): () => void {
    const event: Event = { at: this.now + Math.max(0, Math.ceil(ms)), order: this.#chance.next(), happen, slot: -1 };
    this.#events.push(event);
    return () => {
      if (event.slot !== -1) this.#events.remove(event);
    };
  }

  /** From anywhere, also from within a promise: the run ends with this error. The first one counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** @throws what has failed. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    for (let next = this.#events.peek(); next !== undefined && next.at <= until; next = this.#events.peek()) {
      this.#events.remove(next);
      this.now = next.at;
      try {
        next.happen();
      } catch (error) {
        this.fail(error);
      }
      // Comes after every promise that can settle has settled, and sooner than the next turn of the real event loop.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      if (this.#failure !== null) throw this.#failure.error;
    }
    this.now = until;
  }
}
