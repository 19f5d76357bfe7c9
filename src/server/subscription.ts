/**
 * A connection's subscription to a swarm: events from the feed to the connection, at the pace at which it reads.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Feed } from '../coordinator/feed.ts';
import type { Log } from '../observe/log.ts';

/** Events that are sent before others have their turn. */
const turnEvents = 64;

/** The connection, as far as a subscription needs it. */
export interface Receiver {
  notify(method: string, params: { readonly [name: string]: unknown }): void;
  writable(): Promise<void>;
}

export class Subscription {
  readonly id: string;
  readonly swarmId: string;
  readonly #feed: Feed;
  #ended = false;

  constructor(id: string, swarmId: string, feed: Feed) {
    this.id = id;
    this.swarmId = swarmId;
    this.#feed = feed;
  }

  /** Runs until it is ended from either side. */
  async run(receiver: Receiver, log: Log): Promise<void> {
    // The reply to `subscribe` goes first: it is on its way and needs no more than this turn.
    await nextTurn();
    let sent = 0;
    try {
      while (!this.#ended) {
        // Events are not read for a client that does not read: each page of them would be held until it does.
        await receiver.writable();
        const events = await this.#feed.next();
        if (this.#ended || events === null) break;
        if ('oldest' in events) {
          this.#tellEnd(receiver, { reason: 'history_trimmed', oldest: events.oldest });
          return;
        }
        for (const event of events) {
          if (this.#ended) return;
          receiver.notify('event', { subscriptionId: this.id, event });
          await receiver.writable();
          if (++sent % turnEvents === 0) await nextTurn();
        }
      }
      if (!this.#ended) this.#tellEnd(receiver, { reason: 'swarm_not_found' });
    } catch (error) {
      log.error({ swarmId: this.swarmId, err: error }, 'subscription failed');
      if (!this.#ended) this.#tellEnd(receiver, { reason: 'internal_error' });
    }
  }

  end(): void {
    this.#ended = true;
    this.#feed.close();
  }

  #tellEnd(receiver: Receiver, why: { readonly reason: string; readonly oldest?: number }): void {
    receiver.notify('subscription_ended', { subscriptionId: this.id, swarmId: this.swarmId, ...why });
    this.end();
  }
}
