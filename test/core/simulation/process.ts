/**
 * A simulated process: it has a clock of its own, which may be wrong, and it can be paused and killed between any two
 * steps. What reaches a paused one waits; what would have happened in a killed one never does.
 */
import type { Clock } from '../../../src/coordinator/clock.ts';
import type { Chance } from './chance.ts';
import type { Timeline } from './timeline.ts';

export class Process implements Clock {
  readonly name: string;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #skewMs: number;
  /** How busy its machine is: timers go off up to this much late, and never early. */
  readonly #lateMs: number;
  #held: (() => void)[] | null = null;
  #alive = true;

  constructor(name: string, timeline: Timeline, chance: Chance, skewMs = 0) {
    this.name = name;
    this.#timeline = timeline;
    this.#chance = chance;
    this.#skewMs = skewMs;
    this.#lateMs = chance.pick([0, 4, 40]);
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#held !== null;
  }

  now(): number {
    return this.#timeline.now + this.#skewMs;
  }

  after(ms: number, callback: () => void): () => void {
    let wanted = true;
    const late = this.#chance.between(0, this.#lateMs);
    const takeBack = this.#timeline.in(Math.max(0, ms) + late, () => this.run(() => wanted && callback()));
    return () => {
      wanted = false;
      takeBack();
    };
  }

  nextTurn(callback: () => void): void {
    this.#timeline.in(this.#chance.happens(0.2) ? this.#chance.below(4) : 0, () => this.run(callback));
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Now, or when it goes on. */
  run(step: () => void): void {
    if (!this.#alive) return;
    if (this.#held === null) step();
    else this.#held.push(step);
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    // Each in a turn of its own: it may be killed in between.
    for (const step of held) this.#timeline.in(0, () => this.run(step));
  }

  kill(): void {
    this.#alive = false;
    this.#held = null;
  }
}
