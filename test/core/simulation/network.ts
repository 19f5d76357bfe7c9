/**
 * The network: connections that break, messages that take their time, get lost, and arrive twice.
 */
import { setMaxListeners } from 'node:events';
import type { Command, Worker } from '../../../src/core/command.ts';
import type { Refusal } from '../../../src/core/refusal.ts';
import type { Process } from './process.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

/** How long an answer may take, beyond what the caller is willing to wait for news. */
const answerMs = 1_500;

/** One connection, as both its ends see it. */
export class Link {
  readonly server: Server;
  readonly #world: World;
  readonly #by: Process;
  /** The coordinator's; one that comes after it knows nothing of this connection. */
  readonly at: Process | null;
  readonly #chance;
  readonly #gone = new AbortController();
  /** Each is called when there will be no answer. */
  readonly #asking = new Set<() => void>();
  /** As whom it acts, as far as the server knows. */
  readonly actors: { readonly swarmId: string; readonly actor: Worker }[] = [];
  #open = true;

  constructor(world: World, by: Process, server: Server) {
    this.#world = world;
    this.#by = by;
    this.#chance = world.chance.fork(`link ${world.mint()}`);
    // One for each request that waits.
    setMaxListeners(0, this.#gone.signal);
    this.server = server;
    this.at = server.process;
    server.connected(this);
  }

  get open(): boolean {
    return this.#open && this.#by.alive;
  }

  /** Aborted when the server has noticed that the other end is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** null: there was no answer, and what was asked may have happened or not. */
  ask(swarmId: string, command: Command, waitMs = 0): Promise<any> {
    const { timeline, faults } = this.#world;
    return new Promise<object | Refusal | null>((resolve) => {
      const settle = (answer: object | Refusal | null): void => {
        this.#asking.delete(giveUp);
        stopWaiting();
        resolve(answer);
      };
      const giveUp = (): void => settle(null);
      const stopWaiting = this.#by.after(waitMs + answerMs, giveUp);
      this.#asking.add(giveUp);
      if (!this.open) return this.#by.run(giveUp);
      for (let copies = this.#copies('request'); copies > 0; copies -= 1) {
        timeline.in(this.#delay(), () => {
          const heard = this.server.receive(this, swarmId, command, waitMs, (answer) => {
            for (let replies = this.#copies('reply'); replies > 0; replies -= 1) {
              timeline.in(this.#delay(), () => this.#by.run(() => settle(answer)));
            }
          });
          if (!heard) this.cut();
        });
      }
      if (faults.happens('connection_cut', this.#chance.happens(0.003))) timeline.in(this.#delay(), () => this.cut());
    });
  }

  /** Both ends learn of it, the server's perhaps late. */
  cut(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const giveUp of this.#asking) this.#by.run(giveUp);
    const noticed = this.#chance.happens(0.8) ? this.#delay() : this.#chance.between(500, 5000);
    this.#world.timeline.in(noticed, () =>
      this.at?.run(() => {
        this.#gone.abort();
        this.server.disconnected(this);
      }),
    );
  }

  #copies(what: 'request' | 'reply'): number {
    const { faults } = this.#world;
    if (faults.happens(`${what}_lost`, this.#chance.happens(0.02))) return 0;
    return faults.happens(`${what}_doubled`, this.#chance.happens(0.03)) ? 2 : 1;
  }

  #delay(): number {
    const slow = this.#world.faults.happens('slow_message', this.#chance.happens(0.03));
    return slow ? this.#chance.between(100, 4000) : this.#chance.between(0, 8);
  }
}
