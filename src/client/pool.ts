/**
 * The connections that calls share. generic-pool keeps them: how many there are, and which have nothing to do.
 *
 * A call takes a connection that is free, else a new one while there are fewer than `poolSize`, else it shares the one
 * that carries the fewest calls: requests are multiplexed, so one that waits for long holds up no other.
 */
import genericPool from 'generic-pool';
import { Connection } from './connection.ts';
import { closed, SkeinError } from './errors.ts';
import type { Settings } from './options.ts';

/** A connection that is taken out of the pool, for as long as it carries calls. */
interface Loan {
  readonly connection: Promise<Connection>;
  calls: number;
}

export class Pool {
  readonly #pool: ReturnType<typeof genericPool.createPool<Connection>>;
  readonly #loans = new Set<Loan>();
  readonly #connections = new Set<Connection>();
  #closed = false;

  /** `idleMs`: a connection that has had nothing to do for this long is closed, unless it is one of `poolMin`. */
  constructor(settings: Settings, { idleMs }: { readonly idleMs: number }) {
    this.#pool = genericPool.createPool<Connection>(
      {
        create: async () => {
          const connection = new Connection(settings);
          this.#connections.add(connection);
          // Ready for whoever comes first; if it cannot be made now, it is they who try again and are told.
          connection.open().catch(() => {});
          return connection;
        },
        destroy: async (connection) => {
          this.#connections.delete(connection);
          connection.close();
        },
      },
      {
        min: settings.poolMin,
        max: settings.poolSize,
        evictionRunIntervalMillis: Math.ceil(idleMs / 2),
        numTestsPerEvictionRun: settings.poolSize,
        softIdleTimeoutMillis: idleMs,
        idleTimeoutMillis: Infinity,
      },
    );
  }

  get size(): number {
    return this.#pool.size;
  }

  /** @throws what `run` throws, and SkeinError closed. */
  async use<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#closed) throw new SkeinError(closed('client', { definite: true }));
    const loan = this.#borrow();
    loan.calls += 1;
    try {
      return await run(await loan.connection);
    } finally {
      loan.calls -= 1;
      if (loan.calls === 0) await this.#giveBack(loan);
    }
  }

  /** Rejects what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const connection of this.#connections) connection.close();
    await this.#pool.drain();
    await this.#pool.clear();
  }

  #borrow(): Loan {
    if (this.#loans.size >= this.#pool.max) {
      return [...this.#loans].reduce((least, loan) => (loan.calls < least.calls ? loan : least));
    }
    const loan = { connection: this.#pool.acquire(), calls: 0 };
    this.#loans.add(loan);
    return loan;
  }

  async #giveBack(loan: Loan): Promise<void> {
    this.#loans.delete(loan);
    await this.#pool.release(await loan.connection);
  }
}
