/** What the parts of a simulated world share, and how big it is. */
import type { Coordinator } from '../../../src/coordinator/coordinator.ts';
import type { Limits } from '../../../src/core/limits.ts';
import { defaultLimits } from '../../../src/core/limits.ts';
import type { Topology } from '../../../src/core/state.ts';
import type { ramJournal } from '../../../src/journal/ram.ts';
import { chanceOf, type Chance } from './chance.ts';
import { faultKinds, Faults, type FaultKind } from './faults.ts';
import { Oracle } from './oracle.ts';
import type { Server } from './server.ts';
import { SharedJournal } from './shared-journal.ts';
import { Timeline } from './timeline.ts';
import { Worker } from './worker.ts';

/** All that a run depends on: the same setting gives the same run. */
export interface Setting {
  readonly seed: number;
  readonly topology: Topology;
  /** Of faults. What comes after, until everything has ended, is not counted. */
  readonly seconds: number;
  readonly servers: number;
  readonly workers: number;
  readonly clients: number;
  readonly faults: readonly FaultKind[];
}

/** What is simulated: the real one, unless a test plants a bug. */
export interface Product {
  readonly Coordinator: typeof Coordinator;
  readonly ramJournal: typeof ramJournal;
}

/** Each seed is a world of its own kind: some quiet, some in which everything goes wrong. */
export function settingOf(seed: number): Setting {
  const chance = chanceOf(seed).fork('setting');
  const share = chance.pick([0.15, 0.4, 0.7, 1]);
  return {
    seed,
    topology: chance.pick(['mesh', 'mesh', 'star', 'hierarchical', 'ring']),
    seconds: 60,
    servers: chance.pick([1, 1, 1, 1, 2, 2, 3]),
    workers: chance.between(2, 4),
    clients: chance.between(1, 3),
    // A journal that can lose what it has acknowledged is a world of its own: less can be held against it.
    faults: faultKinds.filter((kind) => chance.happens(kind === 'journal_failover' ? 0.15 : share)),
  };
}

/** Short, so that in a minute everything comes to its time, and small, so that everything gets full. */
const limits: Limits = {
  ...defaultLimits,
  maxAgents: 9,
  liveTasksMax: 16,
  inboxMessagesMax: 3,
  reservationsMax: 1,
  reservedGlobsMax: 4,
  approvalsMax: 2,
  waitingApprovalsMax: 3,
  planDepthMax: 2,
  offerMs: 800,
  leaseMs: 3_000,
  graceMs: 4_000,
  spawnMs: 2_500,
  timeoutSlackMs: 300,
  releaseDelayMs: 400,
  priorityAgingMs: 3_000,
  agentRestartsMax: 2,
  taskRetentionMs: 10_000,
  endedTasksMax: 20,
  agentRetentionMs: 8_000,
  closedAgentsMax: 5,
  swarmRetentionMs: 4_000,
  requestIdMs: 20_000,
  timersMax: 3,
};

export class World {
  readonly setting: Setting;
  readonly product: Product;
  readonly limits = limits;
  readonly chance: Chance;
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly oracle: Oracle;
  readonly journal: SharedJournal;
  readonly servers: Server[] = [];
  readonly workers = new Set<Worker>();
  readonly say: (line: string) => void;
  /** What clients and workers have been told of. */
  swarmId = '';
  readonly taskIds: string[] = [];
  readonly agentIds: string[] = [];
  /** No more trouble, and nobody new. */
  isOver = false;
  #minted = 0;

  constructor(setting: Setting, product: Product, say: (line: string) => void) {
    this.setting = setting;
    this.product = product;
    this.chance = chanceOf(setting.seed);
    this.timeline = new Timeline(this.chance.fork('order'));
    this.say = (line) => say(`${((this.timeline.now - Timeline.epoch) / 1000).toFixed(3)} ${line}`);
    this.faults = new Faults(setting.faults);
    this.oracle = new Oracle(limits, setting.seed % 10 === 0 ? 1 : 16, this.say);
    const { timeline, faults, oracle } = this;
    const { ramJournal } = product;
    this.journal = new SharedJournal(timeline, this.chance.fork('journal'), faults, oracle, ramJournal);
  }

  /** One that joins with the token, or as a new agent. */
  startWorker(token: string | null, able: string | null = null): Worker {
    const worker = new Worker(`worker${this.mint()}`, this, token, able);
    this.workers.add(worker);
    worker.start();
    return worker;
  }

  /** Numbers whatever needs a name that nothing else has. */
  mint(): number {
    this.#minted += 1;
    return this.#minted;
  }
}
