/**
 * A person who decides what no rule could, and says what agents may do: looks now and then at what waits, takes one of
 * the candidates or rejects them all, allows or denies, and does not always mind what was asked.
 */
import type { Command, CommandBody } from '../../../src/core/command.ts';
import { once } from './asks.ts';
import type { Chance } from './chance.ts';
import { Client } from './client.ts';
import type { World } from './world.ts';

export class Person {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #client: Client;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork('person');
    this.#client = new Client('person', world);
  }

  async live(): Promise<never> {
    for (;;) {
      const hurry = this.#world.isOver;
      await this.#client.process.sleep(hurry ? 1000 : this.#chance.between(1000, 10_000));
      for (const taskId of await this.#waiting()) {
        const command = this.#decision((await this.#client.ask({ type: 'task_status', taskId })) ?? {}, hurry);
        if (command !== null) await this.#client.ask(command);
      }
      for (const approvalId of await this.#asked()) {
        const behavior = this.#chance.pick(['allow', 'deny'] as const);
        const answer: CommandBody = {
          type: 'approval_decide',
          approvalId,
          behavior,
          message: null,
          updatedInput: null,
        };
        await this.#client.ask(once(this.#world, answer).command);
      }
    }
  }

  async #waiting(): Promise<readonly string[]> {
    const list: Command = { type: 'task_list', filter: 'waiting', limit: 5, cursor: null };
    const { tasks = [] } = (await this.#client.ask(list)) ?? {};
    return tasks.map(({ taskId }: any) => taskId);
  }

  /** Some of what agents ask; now and then the same twice, and what nobody asks. */
  async #asked(): Promise<readonly string[]> {
    const { approvals = [] } =
      (await this.#client.ask({ type: 'swarm_status', topology: false, performance: false })) ?? {};
    const ids = approvals.flatMap(({ approvalId }: any) =>
      this.#chance.pick([[], [approvalId], [approvalId, approvalId]]),
    );
    return this.#chance.happens(0.1) ? [...ids, 'approval_none'] : ids;
  }

  #decision({ taskId, phases = [] }: any, hurry: boolean): Command | null {
    const asked = phases.find(({ decision }: any) => decision !== undefined);
    if (asked === undefined) return null;
    const candidates: string[] = asked.decision.candidates.map(({ assignmentId }: any) => assignmentId);
    const choice = hurry ? candidates[0]! : this.#chance.pick([...candidates, ...candidates, null, 'nothing of that']);
    const phase = hurry || this.#chance.happens(0.7) ? asked.name : null;
    return once(this.#world, { type: 'task_decide', taskId, phase, choice, reason: null }).command;
  }
}
