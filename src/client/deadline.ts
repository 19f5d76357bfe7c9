/**
 * The ends of waiting: deadlines, which are readings of a clock that nobody sets (`performance.now()`, milliseconds), and
 * the signals of callers.
 */
import { setMaxListeners } from 'node:events';

export function now(): number {
  return performance.now();
}

/** The promise's outcome, or what `late` makes when `until` comes first. */
export function within<T>(until: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), Math.max(0, until - now()));
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The promise's outcome, or what `stopped` makes when the signal comes first. The work itself goes on. */
export function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>, stopped: () => Error): Promise<T> {
  // A caller may end any number of calls with one signal.
  setMaxListeners(0, signal);
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(stopped());
    signal.addEventListener('abort', stop);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
