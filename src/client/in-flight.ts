/** The calls of a client that are under way: closing lets them finish, and lets no new ones begin. */
import { now, unlessAborted, within } from './deadline.ts';
import { aborted, closed, SkeinError } from './errors.ts';

export class InFlight {
  readonly #calls = new Set<Promise<unknown>>();
  #closing = false;

  /**
   * `waits`: the call waits for something to happen. Closing does not wait for it: it may take minutes, and what it
   * would bring comes again.
   * @throws SkeinError closed, aborted
   */
  async run<T>(
    what: string,
    call: () => Promise<T>,
    { waits, signal }: { readonly waits: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<T> {
    if (this.#closing) throw new SkeinError(closed('client', { definite: true }));
    if (signal?.aborted === true) throw aborted(what, { definite: true });
    const promise = waits ? call() : this.#keep(call());
    return signal === undefined ? promise : unlessAborted(signal, promise, () => aborted(what, { definite: false }));
  }

  /** Resolves when the last one has its outcome, or after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    const settled = Promise.allSettled(this.#calls);
    await within(now() + timeoutMs, settled, () => new Error('timed out')).catch(() => {});
  }

  async #keep<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }
}
