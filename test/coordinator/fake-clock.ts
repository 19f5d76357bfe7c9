/** Time that passes only when the test says so. */
import type { Clock } from '../../src/coordinator/clock.ts';

interface Pending {
  readonly at: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  readonly #pending = new Set<Pending>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const pending = { at: this.#now + Math.max(0, ms), callback };
    this.#pending.add(pending);
    return () => this.#pending.delete(pending);
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback);
  }

  /** Everything that is due by then happens, in its order, and what it leads to as well. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settle();
      const [next] = [...this.#pending].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = until;
    await settle();
  }
}

/** Lets everything that is ready run: promises, and the turns of the event loop that the coordinator takes. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
