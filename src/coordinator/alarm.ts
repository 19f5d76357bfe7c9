/** One timer for all swarms: it goes off when the earliest of their timers is due. */
import { createHeap, type Slotted } from '../core/heap.ts';
import type { Clock } from './clock.ts';

interface Entry extends Slotted {
  readonly key: string;
  due: number;
}

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: (key: string) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #heap = createHeap<Entry>((a, b) => a.due < b.due);
  #armedFor: number | null = null;
  #disarm: () => void = () => {};

  constructor(clock: Clock, ring: (key: string) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Replaces what was set for the key; null: nothing is due. */
  set(key: string, due: number | null): void {
    const entry = this.#entries.get(key);
    if (due === null) {
      if (entry === undefined) return;
      this.#heap.remove(entry);
      this.#entries.delete(key);
    } else if (entry === undefined) {
      const added: Entry = { key, due, slot: -1 };
      this.#entries.set(key, added);
      this.#heap.push(added);
    } else {
      if (entry.due === due) return;
      entry.due = due;
      this.#heap.moved(entry);
    }
    this.#arm();
  }

  close(): void {
    this.#disarm();
    this.#entries.clear();
    for (let entry = this.#heap.peek(); entry !== undefined; entry = this.#heap.peek()) this.#heap.remove(entry);
  }

  /** A timer that goes off too early is cheaper than arming anew whenever the earliest one moves back. */
  #arm(): void {
    const due = this.#heap.peek()?.due;
    if (due === undefined || (this.#armedFor !== null && this.#armedFor <= due)) return;
    this.#disarm();
    this.#armedFor = due;
    this.#disarm = this.#clock.after(due - this.#clock.now(), () => this.#goOff());
  }

  #goOff(): void {
    this.#armedFor = null;
    const now = this.#clock.now();
    for (let entry = this.#heap.peek(); entry !== undefined && entry.due <= now; entry = this.#heap.peek()) {
      this.#heap.remove(entry);
      this.#entries.delete(entry.key);
      this.#ring(entry.key);
    }
    this.#arm();
  }
}
