/** What can go wrong in a simulated world, and how often it has. */
export const faultKinds = [
  // processes
  'coordinator_crash',
  'coordinator_stop',
  'coordinator_pause',
  'worker_crash',
  'worker_pause',
  'host_failure',
  'clock_skew',
  // the network
  'connection_cut',
  'request_lost',
  'request_doubled',
  'reply_lost',
  'reply_doubled',
  'slow_message',
  // the journal
  'journal_crash',
  'journal_failover',
  'append_outcome_unknown',
  'append_outlives_its_coordinator',
  'stale_read',
  'announcement_lost',
] as const;

export type FaultKind = (typeof faultKinds)[number];

/** Which faults there are in a world, and how often each has happened. */
export class Faults {
  readonly #enabled: ReadonlySet<FaultKind>;
  readonly counts = new Map<string, number>();
  #over = false;

  constructor(enabled: Iterable<FaultKind>) {
    this.#enabled = new Set(enabled);
  }

  /** From now on nothing goes wrong any more. */
  stop(): void {
    this.#over = true;
  }

  may(kind: FaultKind): boolean {
    return !this.#over && this.#enabled.has(kind);
  }

  /** Counts it if it may happen and `chance` says so. */
  happens(kind: FaultKind, chance: boolean): boolean {
    if (!chance || !this.may(kind)) return false;
    this.count(kind);
    return true;
  }

  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }
}
