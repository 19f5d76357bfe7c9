/** Time as an argument: the system's, or a test's own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `ms` milliseconds; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back once, after whatever else is ready in this turn of the event loop. */
  nextTurn(callback: () => void): void;
}

/** The longest delay that a timer of Node's takes; whoever wants more is called early and asks again. */
const delayMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, ms), delayMax));
    return () => clearTimeout(timer);
  },
  nextTurn: (callback) => void setImmediate(callback),
};
