/**
 * Keeps a connection within the server's rate limit. The client does not know the limit; it learns from refusals when
 * the next request will be taken. From then on requests take turns, one an interval, until nobody waits any more:
 * if all tried again at once, all but one would be refused again.
 */
export class Pace {
  /** When the last turn that was given away begins. */
  #lastTurn = 0;
  #intervalMs = 0;

  /** Milliseconds until the turn of a new request. */
  turn(now: number): number {
    return this.#lastTurn <= now ? 0 : this.#next(now);
  }

  /** Milliseconds until the next turn of a request that was refused. */
  turnAfterRefusal(retryAfterMs: number, now: number): number {
    this.#intervalMs = retryAfterMs;
    return this.#next(now);
  }

  #next(now: number): number {
    this.#lastTurn = Math.max(this.#lastTurn, now) + this.#intervalMs;
    return this.#lastTurn - now;
  }
}
