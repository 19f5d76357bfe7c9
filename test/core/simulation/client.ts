/**
 * A client: it asks for this and that, asks again when there was no answer, with the same request id and perhaps
 * another coordinator, and remembers what it was told.
 */
import type { Command } from '../../../src/core/command.ts';
import { asks, type Ask } from './asks.ts';
import type { Chance } from './chance.ts';
import { Link } from './network.ts';
import { Process } from './process.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

/** Shorter than answers are kept: who asks again later cannot expect to be recognised. */
const givesUpMs = 6_000;

export class Client {
  readonly process: Process;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #servers: readonly Server[];
  #link: Link | null = null;

  constructor(name: string, world: World, servers: readonly Server[] = world.servers) {
    this.#servers = servers;
    this.#world = world;
    this.#chance = world.chance.fork(name);
    this.process = new Process(name, world.timeline, this.#chance.fork('clock'));
  }

  /** Whatever comes to its mind, until the faults stop. */
  async live(until: number): Promise<void> {
    const total = asks.reduce((sum, { weight }) => sum + weight, 0);
    for (;;) {
      await this.process.sleep(this.#chance.between(20, 2400));
      if (this.process.now() >= until) return;
      let left = this.#chance.next() * total;
      const ask = asks.find(({ weight }) => (left -= weight) < 0)!;
      await this.#carryOut(ask);
    }
  }

  async #carryOut(ask: Ask): Promise<void> {
    const asked = ask.make(this.#world, this.#chance);
    if (asked === null) return;
    const answer = await this.ask(asked.command, asked.waitMs, givesUpMs);
    if (answer !== null && answer.refused === undefined) ask.learn?.(this.#world, answer);
  }

  /** null: it gave up. */
  async ask(command: Command, waitMs = 0, patienceMs = givesUpMs): Promise<any> {
    const until = this.process.now() + patienceMs;
    while (this.process.now() < until) {
      const link = (this.#link ??= this.#connect());
      const answer = await link.ask(this.#world.swarmId, command, waitMs);
      // It may know less than another, or be about to go.
      const final = answer !== null && !(mayBeOtherwiseElsewhere.has(answer.refused) && this.#chance.happens(0.5));
      if (final) return answer;
      if (!link.open || this.#chance.happens(0.5)) {
        link.cut();
        this.#link = null;
      }
      await this.process.sleep(this.#chance.between(1, 400));
    }
    return null;
  }

  #connect(): Link {
    return new Link(this.#world, this.process, this.#chance.pick(this.#servers));
  }
}

const mayBeOtherwiseElsewhere: ReadonlySet<string | undefined> = new Set([
  'swarm_not_found',
  'swarm_busy',
  'shutting_down',
  'journal_failed',
  'agent_not_found',
  'task_not_found',
]);
