/** How many requests a connection may send: a token bucket that holds one second's worth. */
import type { TurnedDown } from '../dialects/dialect.ts';

export class RateLimit {
  readonly #perSecond: number;
  #tokens: number;
  #filledAt: number;

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#filledAt = now;
  }

  /** 0: go ahead. Else the milliseconds until `count` more requests would be taken. */
  take(count: number, now: number): number {
    if (this.#perSecond === 0) return 0;
    // A clock that is set back takes nothing away.
    const refill = (Math.max(0, now - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + refill);
    this.#filledAt = now;
    // A batch larger than the bucket is taken by a full one: it could never be taken otherwise.
    const needed = Math.min(count, this.#perSecond);
    if (this.#tokens < needed) return Math.ceil(((needed - this.#tokens) / this.#perSecond) * 1000);
    this.#tokens -= count;
    return 0;
  }
}

export function rateLimited(rateLimit: number, retryAfterMs: number): TurnedDown {
  return {
    refused: 'rate_limited',
    message: `this connection sends more than ${rateLimit} requests a second: wait, use more connections, or raise MCP_RATE_LIMIT`,
    data: { retryAfterMs },
  };
}
