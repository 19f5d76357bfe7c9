/**
 * A whole world from one seed: coordinators on one journal, workers, clients, and what goes wrong among them. First a
 * while of trouble; then the trouble stops, able workers come, and everything has to end.
 *
 * @throws what did not hold.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Coordinator } from '../../../src/coordinator/coordinator.ts';
import { ramJournal } from '../../../src/journal/ram.ts';
import { lastTask, once, swarmInit } from './asks.ts';
import { Client } from './client.ts';
import { Person } from './person.ts';
import { Server } from './server.ts';
import { letTroubleCome } from './trouble.ts';
import { World, type Product, type Setting } from './world.ts';

export interface Report {
  /** The same for the same setting, on every machine. */
  readonly traceHash: string;
  readonly simulatedMs: number;
  readonly faults: ReadonlyMap<string, number>;
  /** What happened, by kind: events, answers, refusals. */
  readonly coverage: ReadonlyMap<string, number>;
}

export const theRealOne: Product = { Coordinator, ramJournal };

/** Everything has to end within this, once nothing goes wrong any more. */
const endsWithinMs = 180_000;

export async function simulate(
  setting: Setting,
  product: Product = theRealOne,
  watch: (line: string) => void = () => {},
): Promise<Report> {
  const hash = createHash('sha256');
  const world = new World(setting, product, (line) => {
    hash.update(line);
    watch(line);
  });
  const { timeline, faults, oracle, servers } = world;
  const begun = timeline.now;
  for (let number = 1; number <= setting.servers; number += 1) {
    servers.push(new Server(`server${number}`, world, ({ joinToken }) => world.startWorker(joinToken)));
  }

  await create(world);
  for (const server of servers) server.start();
  letTroubleCome(world);
  const until = timeline.now + setting.seconds * 1000;
  for (let number = 1; number <= setting.clients; number += 1) {
    const client = new Client(`client${number}`, world);
    client.live(until).catch((error: unknown) => timeline.fail(error));
  }
  new Person(world).live().catch((error: unknown) => timeline.fail(error));
  letWorkersCome(world);
  letItBeDestroyed(world);
  await timeline.pass(setting.seconds * 1000);

  faults.stop();
  world.say('the faults stop');
  await recover(world);
  await ending(world);
  const simulatedMs = timeline.now - begun;
  return { traceHash: hash.digest('hex'), simulatedMs, faults: faults.counts, coverage: oracle.coverage };
}

/** The others start when there is a swarm, which they then know of. */
async function create(world: World): Promise<void> {
  const { timeline, servers, limits, setting } = world;
  servers[0]!.start();
  const client = new Client('founder', world, [servers[0]!]);
  const { command } = once(world, swarmInit(setting.topology, limits.maxAgents));
  const found = async (): Promise<void> => {
    while (world.swarmId === '') world.swarmId = (await client.ask(command, 0, Infinity)).swarmId ?? '';
  };
  found().catch((error: unknown) => timeline.fail(error));
  const until = timeline.now + endsWithinMs;
  while (world.swarmId === '' && timeline.now < until) await timeline.pass(10);
  assert.notEqual(world.swarmId, '', 'the swarm is never created');
}

/** Who is gone is replaced after a while, as long as there is trouble. */
function letWorkersCome(world: World): void {
  const { timeline, workers, setting } = world;
  const chance = world.chance.fork('workers');
  const look = (): void => {
    if (world.isOver) return;
    for (const worker of workers) if (!worker.process.alive) workers.delete(worker);
    if (workers.size < setting.workers) world.startWorker(null);
    timeline.in(chance.between(50, 2000), look);
  };
  look();
}

/** In some worlds, towards the end. */
function letItBeDestroyed(world: World): void {
  const chance = world.chance.fork('destruction');
  if (!chance.happens(0.08)) return;
  world.timeline.in(chance.between(500, 1000) * world.setting.seconds, () => {
    const client = new Client('destroyer', world);
    client.ask(once(world, { type: 'swarm_destroy' }).command).catch((error: unknown) => world.timeline.fail(error));
  });
}

/** Everybody is up and stays up, and there are workers that can do whatever is asked. */
async function recover(world: World): Promise<void> {
  world.isOver = true;
  for (const { process } of world.workers) process.resume();
  for (const server of world.servers) {
    server.process?.resume();
    server.start();
  }
  await world.timeline.pass(5000);
  for (const server of world.servers) server.start();
  for (const worker of world.workers) worker.kill();
  await world.timeline.pass(world.limits.graceMs);
  makeRoom(world).catch((error: unknown) => world.timeline.fail(error));
}

/**
 * Ends the agents that are left, as an operator would, before the able ones come: their hosts start them again and again,
 * and that one has gone may be among what a failover has lost.
 */
async function makeRoom(world: World): Promise<void> {
  const client = new Client('cleaner', world);
  const { agents = [] } = (await client.ask({ type: 'agent_list', filter: 'all', metadata: false })) ?? {};
  for (const { agentId, status } of agents) {
    if (status !== 'stopped' && status !== 'failed') await client.ask({ type: 'agent_stop', agentId, reason: null });
  }
  await client.ask(once(world, { type: 'swarm_resume' }).command, 0, Infinity);
  for (const type of ableTypes) world.startWorker(null, type);
}

/** Enough for as many copies as there are, someone who judges them, and someone who plans. */
const ableTypes = ['coordinator', 'validator', 'worker', 'worker', 'worker'] as const;

/** All that was acknowledged has ended, everybody says so, and what the journal holds is what everybody knows. */
async function ending(world: World): Promise<void> {
  const { timeline, oracle, journal, swarmId } = world;
  const isDone = (): boolean => {
    const state = oracle.state(swarmId);
    return state === undefined || (state.indexes.liveTasks === 0 && state.swarm!.destroyedAt === null);
  };
  const until = timeline.now + endsWithinMs;
  while (!isDone() && timeline.now < until) await timeline.pass(1000);
  const left = [...(oracle.state(swarmId)?.tasks.values() ?? [])].filter(({ endedAt }) => endedAt === null);
  assert.deepEqual(left, [], `${left.length} tasks never end`);
  assert.ok(isDone(), 'a destroyed swarm is never forgotten');
  const state = oracle.state(swarmId);
  if (state === undefined) return;

  for (const taskId of world.taskIds) {
    assert.ok(
      oracle.isTrue(swarmId, `ended ${taskId}`) || oracle.wasLost(swarmId, `accepted ${taskId}`),
      `${taskId} was acknowledged and never ended`,
    );
  }
  await everybodyKnows(world);
  await oracle.checkReplay(swarmId, journal.history(swarmId), journal.disk);
}

/** One more task, asked for at one coordinator: all of them tell that it has ended. */
async function everybodyKnows(world: World): Promise<void> {
  const { timeline, servers } = world;
  let told = 0;
  const tell = async (): Promise<void> => {
    const { taskId } = await new Client('last', world).ask(lastTask(world).command, 0, Infinity);
    for (const server of servers) {
      const client = new Client(`last ${server.name}`, world, [server]);
      for (let ended = false; !ended; ended = (await client.ask({ type: 'task_wait', taskId }, 1000)).ended === true)
        await client.process.sleep(100);
      told += 1;
    }
  };
  tell().catch((error: unknown) => timeline.fail(error));
  const until = timeline.now + world.limits.taskRetentionMs;
  while (told < servers.length && timeline.now < until) await timeline.pass(100);
  assert.equal(told, servers.length, 'a coordinator does not know that the last task has ended');
}
