/**
 * Requests that wait for something to happen: parked under a wake key until it does, until their time is up, or until
 * whoever asked goes away.
 */
import type { WakeKey } from '../core/rule.ts';
import type { Clock } from './clock.ts';

/** How long a caller is willing to wait, and whether it still is. */
export interface Patience {
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
}

export interface Parked {
  /** Asks again. `last`: the time is up, so this answer is the answer. */
  retry(last: boolean): void;
  gone(): void;
}

export class Parking {
  readonly #clock: Clock;
  readonly #byKey = new Map<WakeKey, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(key: WakeKey): boolean {
    return this.#byKey.has(key);
  }

  park(key: WakeKey, patience: Patience, parked: Parked): void {
    const leave = (): void => {
      cancel();
      patience.signal.removeEventListener('abort', abandon);
      const others = this.#byKey.get(key);
      others?.delete(wake);
      if (others?.size === 0) this.#byKey.delete(key);
    };
    const wake = (): void => {
      leave();
      parked.retry(false);
    };
    const abandon = (): void => {
      leave();
      parked.gone();
    };
    const cancel = this.#clock.after(patience.until - this.#clock.now(), () => {
      leave();
      parked.retry(true);
    });
    patience.signal.addEventListener('abort', abandon);
    const others = this.#byKey.get(key);
    if (others === undefined) this.#byKey.set(key, new Set([wake]));
    else others.add(wake);
  }

  /** Work is for one: the others would find nothing. Everything else is news for all, and so may be what is told of work. */
  wake(key: WakeKey, all = false): void {
    const parked = this.#byKey.get(key);
    if (parked === undefined) return;
    if (!all && key.startsWith('work:')) {
      const [first] = parked;
      first?.();
    } else for (const wake of [...parked]) wake();
  }

  wakeAll(): void {
    for (const key of [...this.#byKey.keys()]) {
      for (const wake of [...(this.#byKey.get(key) ?? [])]) wake();
    }
  }
}
