/**
 * One HTTP request until its response has been sent in full. When its client goes before that, it is aborted, and what
 * its answers had to deliver is given back.
 */
export class Exchange {
  /** Resolves when there is room for more of the response. */
  readonly writable: () => Promise<void>;
  readonly #gone = new AbortController();
  readonly #undelivered = new Set<() => void>();
  readonly #onEnd: (() => void)[] = [];
  #ended = false;

  constructor(writable: () => Promise<void>) {
    this.writable = writable;
  }

  /** Aborted when the client is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** What to do if the response is never sent in full. */
  owes(undelivered: () => void): void {
    if (this.signal.aborted) undelivered();
    else this.#undelivered.add(undelivered);
  }

  /** It is not to be delivered any more. */
  takeBack(undelivered: () => void): void {
    if (this.#undelivered.delete(undelivered)) undelivered();
  }

  onEnd(end: () => void): void {
    if (this.#ended) end();
    else this.#onEnd.push(end);
  }

  ended(wasDelivered: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!wasDelivered) {
      this.#gone.abort();
      for (const undelivered of this.#undelivered) undelivered();
    }
    this.#undelivered.clear();
    for (const end of this.#onEnd.splice(0)) end();
  }
}
