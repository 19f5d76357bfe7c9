/**
 * A machine that runs a coordinator, the real one, and starts it again after it has crashed. Its memory is gone then;
 * what the new one knows, it has from the journal. It has a host, too, which starts workers on request.
 */
import type { Coordinator, StartOrder } from '../../../src/coordinator/coordinator.ts';
import type { Command, CommandOf } from '../../../src/core/command.ts';
import { isRefusal, type Refusal } from '../../../src/core/refusal.ts';
import type { Log } from '../../../src/observe/log.ts';
import type { Chance } from './chance.ts';
import type { Link } from './network.ts';
import { Process } from './process.ts';
import type { World } from './world.ts';

export class Server {
  readonly name: string;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #skewMs: number;
  readonly #startWorker: (order: StartOrder) => { kill(): void };
  readonly #started = new Map<string, { kill(): void }>();
  readonly #links = new Set<Link>();
  #process: Process | null = null;
  /** null until it has read the journal. */
  #coordinator: Coordinator | null = null;

  constructor(name: string, world: World, startWorker: (order: StartOrder) => { kill(): void }) {
    this.name = name;
    this.#world = world;
    this.#chance = world.chance.fork(name);
    this.#startWorker = startWorker;
    const skewed = world.faults.happens('clock_skew', this.#chance.happens(0.8));
    this.#skewMs = skewed ? this.#chance.between(-1500, 1500) : 0;
  }

  get up(): boolean {
    return this.#coordinator !== null;
  }

  get process(): Process | null {
    return this.#process;
  }

  start(): void {
    if (this.#process !== null) return;
    const { timeline, journal, limits, product, faults } = this.#world;
    const number = this.#world.mint();
    const process = new Process(`${this.name}.${number}`, timeline, this.#chance.fork(`clock ${number}`), this.#skewMs);
    const draw = this.#chance.fork(`draw ${number}`);
    const coordinator: Coordinator = new product.Coordinator({
      journal: journal.seenBy(process),
      clock: process,
      mint: {
        id: (kind, now) => `${kind}_${now}_${this.#world.mint()}`,
        secret: () => `secret_${this.#world.mint()}`,
        draw: draw.next,
      },
      log: this.#log(process),
      limits,
      queueLimits: {
        swarmConcurrency: draw.pick([0, 8, 40]),
        batchMax: draw.pick([1, 3, 1000]),
        snapshotEvents: draw.pick([60, 200, 1_000_000]),
        snapshotEventsPerRecord: 0,
        historyEvents: draw.pick([0, 50]),
        swarmsMax: 2,
      },
      starter: {
        start: (order) => {
          if (faults.happens('host_failure', this.#chance.happens(0.2))) {
            const { swarmId, agentId, restarts } = order;
            process.after(5, () =>
              coordinator.report(swarmId, { type: 'worker_failed', agentId, restarts, reason: 'no such command' }),
            );
          } else this.#started.set(order.agentId, this.#startWorker(order));
        },
        stop: (agentId) => this.#started.get(agentId)?.kill(),
      },
      onForget: async () => this.#chance.happens(0.9),
      // As in `serve`: it says so to whoever waits, and ends. Whoever runs it starts it again.
      onFatal: () =>
        process.after(this.#chance.between(0, 20), () => {
          this.crash();
          timeline.in(this.#chance.between(1, 2000), () => this.start());
        }),
    });
    this.#process = process;
    this.#world.say(`${process.name} starts`);
    const opened = (): void => {
      if (process.alive) this.#coordinator = coordinator;
    };
    coordinator.open().then(opened, (error) => timeline.fail(error));
  }

  /** Its memory and its connections are gone. */
  crash(): void {
    if (this.#process === null) return;
    this.#world.say(`${this.#process.name} is gone`);
    this.#process.kill();
    this.#process = null;
    this.#coordinator = null;
    for (const link of this.#links) link.cut();
    this.#links.clear();
  }

  /** As on a signal: whoever waits is told to come back, then it is gone. */
  stop(): void {
    const process = this.#process;
    const done = (): void => {
      if (this.#process === process) this.crash();
    };
    this.#coordinator?.close().then(done, (error) => this.#world.timeline.fail(error));
  }

  restart(): void {
    this.crash();
    this.start();
  }

  // ---- what reaches it

  connected(link: Link): void {
    this.#links.add(link);
  }

  /** Calls back once with the answer, or never. False when nobody listens. */
  receive(
    link: Link,
    swarmId: string,
    command: Command,
    waitMs: number,
    answered: (answer: object | Refusal) => void,
  ): boolean {
    const coordinator = this.#coordinator;
    const process = this.#process;
    if (coordinator === null || process === null || process !== link.at) return false;
    process.run(() => {
      const patience = waitMs === 0 ? null : { until: process.now() + waitMs, signal: link.signal };
      const answer =
        command.type === 'swarm_init'
          ? coordinator.createSwarm(command)
          : coordinator.submit(swarmId, command, patience);
      answer
        .then((reply) => {
          if (!process.alive) return;
          const of = command.type === 'swarm_init' && !isRefusal(reply) ? (reply as any).swarmId : swarmId;
          this.#world.oracle.answered(of, command, reply);
          if (command.type === 'swarm_join' && !isRefusal(reply)) this.#joined(link, swarmId, reply);
          if (link.open) return answered(JSON.parse(JSON.stringify(reply)) as object);
          const { assignment } = reply as any;
          if (command.type === 'task_next' && assignment != null) {
            const { assignmentId, leaseToken } = assignment;
            coordinator.report(swarmId, { type: 'claim_undelivered', assignmentId, leaseToken });
          }
        })
        .catch((error: unknown) => {
          if ((error as Error).constructor.name !== 'Abandoned') this.#world.timeline.fail(error);
        });
    });
    return true;
  }

  /** It notices that the other end is gone. */
  disconnected(link: Link): void {
    this.#links.delete(link);
    for (const { swarmId, actor } of link.actors) this.#lost(swarmId, actor);
  }

  #joined(link: Link, swarmId: string, { agentId, joins }: any): void {
    const actor = { agentId, joins };
    if (link.open) link.actors.push({ swarmId, actor });
    else this.#lost(swarmId, actor);
  }

  #lost(swarmId: string, actor: CommandOf<'worker_lost'>['actor']): void {
    this.#coordinator?.report(swarmId, { type: 'worker_lost', actor, reason: 'connection closed' });
  }

  /** What the coordinator logs as an error is a bug, unless the journal failed it. */
  #log(process: Process): Log {
    const error = (fields: { readonly err?: unknown }, message: string): void => {
      if (process.alive) this.#world.timeline.fail(new Error(message, { cause: fields.err }));
    };
    return { error, fatal: () => {}, warn: () => {}, info: () => {}, debug: () => {} } as unknown as Log;
  }
}
