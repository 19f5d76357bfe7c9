/**
 * One connection that is made again when it was lost: by whoever needs it next, or by its owner.
 *
 * - Requests wait while it is being made, and after it was made until it is prepared (an agent joins, a stream
 *   subscribes), so that nothing is sent before that.
 * - It never tries twice by itself: how often and when is the business of `retry.ts`.
 * - Requests that the server refuses for their rate are sent again in turn, up to their deadline.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Params } from '../wire/jsonrpc.ts';
import { now, within } from './deadline.ts';
import { closed, deadlineExceeded, nameOf, SkeinError } from './errors.ts';
import { openLink, type Link } from './link.ts';
import type { Settings } from './options.ts';
import { Pace } from './pace.ts';

export type Request = (method: string, params?: Params) => Promise<unknown>;

export interface Behaviour {
  /** Runs on every new connection before it carries anything else; when it rejects, the connection was not made. */
  readonly prepare?: (request: Request) => Promise<void>;
  readonly onNotification?: (method: string, params: Params | undefined) => void;
  /** An open connection is gone, and not because it was closed here. */
  readonly onLost?: () => void;
}

export class Connection {
  readonly #settings: Settings;
  readonly #behaviour: Behaviour;
  readonly #pace = new Pace();
  readonly #closing = new AbortController();
  #link: Link | null = null;
  #opening: Promise<Link> | null = null;

  constructor(settings: Settings, behaviour: Behaviour = {}) {
    this.#settings = settings;
    this.#behaviour = behaviour;
    setMaxListeners(0, this.#closing.signal);
  }

  /** Makes and prepares the connection, unless it stands; whoever asks meanwhile gets the same attempt. */
  async open(): Promise<void> {
    await (this.#link ?? this.#open());
  }

  /** @throws SkeinError */
  async request(method: string, params: Params | undefined, until: number): Promise<unknown> {
    const what = nameOf(method, params);
    let waitMs = this.#pace.turn(now());
    let refusal: SkeinError | undefined;
    for (;;) {
      if (waitMs > 0) await this.#wait(waitMs, what, until, refusal);
      const link = this.#link ?? (await this.#openUntil(until, what));
      try {
        return await link.request(method, params, until);
      } catch (error) {
        if (!(error instanceof SkeinError) || error.reason !== 'rate_limited') throw error;
        refusal = error;
        waitMs = this.#pace.turnAfterRefusal(error.retryAfterMs, now());
      }
    }
  }

  pause(): void {
    this.#link?.pause();
  }

  resume(): void {
    this.#link?.resume();
  }

  /** For good. What waits for an answer is rejected. */
  close(): void {
    this.#closing.abort();
  }

  #open(): Promise<Link> {
    this.#opening ??= this.#make().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #make(): Promise<Link> {
    const { prepare, onNotification = () => {} } = this.#behaviour;
    const { signal } = this.#closing;
    if (signal.aborted) throw connectionClosed();
    const link = await openLink({ ...this.#settings, signal, onNotification, onEnd: () => this.#lost(link) });
    try {
      await prepare?.((method, params) => link.request(method, params, now() + this.#settings.callTimeoutMs));
    } catch (error) {
      link.destroy();
      throw error;
    }
    this.#link = link;
    return link;
  }

  async #openUntil(until: number, what: string): Promise<Link> {
    return within(until, this.#open(), () => new SkeinError(deadlineExceeded(what, { definite: true })));
  }

  async #wait(ms: number, what: string, until: number, cause: SkeinError | undefined): Promise<void> {
    // The turn would come too late: better to hear it at once.
    if (now() + ms >= until) throw new SkeinError(deadlineExceeded(what, { definite: true, cause }));
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => {
      throw connectionClosed();
    });
  }

  #lost(link: Link): void {
    if (this.#link !== link) return;
    this.#link = null;
    if (!this.#closing.signal.aborted) this.#behaviour.onLost?.();
  }
}

function connectionClosed(): SkeinError {
  return new SkeinError(closed('connection', { definite: true }));
}
