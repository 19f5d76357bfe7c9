/**
 * What `scripts/bench core` runs: the pure core, without wire, journal and clock. How much more does a command cost in a
 * swarm that is 100 times as large, and how much memory does a queued task take?
 *
 * The small and the large swarm stand in one process and are driven in turns. A turn times each command over a batch of
 * it and leaves the swarm as large as it was. What tells of all (swarm_status, agent_list) or wakes all (swarm_resume)
 * grows with the swarm by its nature and is not compared.
 *
 * Commands of a microsecond or two show how far away memory is: what is an agent's first one in a turn finds less in the
 * caches of the processor where there are 100 times as many agents. The second of its kind costs the same in both.
 */
import { restore, snapshot } from '../../dist/core/snapshot.js';
import { batch, limits, Swarm } from './core-swarm.mjs';
import { median, reportCore } from './report.mjs';

/** Until V8 has compiled what is measured. */
const warmUpTurns = 200;
const turns = 500;
const queuedTasks = 100_000;

const comparisons = [
  { title: '100 agents against 10,000', sizes: [100, 10_000].map((agents) => ({ agents, queued: 0 })) },
  { title: '1,000 queued tasks against 100,000', sizes: [1_000, 100_000].map((queued) => ({ agents: batch, queued })) },
];
const goals = { ratio: 1.5, bytes: 2_048 };

// Memory first, while there is nothing else in the heap.
const bytes = measureMemory();
const measured = { queuedTasks, bytes, comparisons: comparisons.map(compare), goals };
console.log(process.argv[2] === '--json' ? JSON.stringify(measured, null, 2) : reportCore(measured));

function compare({ title, sizes }) {
  const swarms = sizes.map((size) => new Swarm(size));
  const times = sizes.map(() => []);
  for (let turn = -warmUpTurns; turn < turns; turn += 1) {
    swarms.forEach((swarm, side) => {
      const taken = swarm.turn();
      if (turn >= 0) times[side].push(taken);
    });
  }
  const commands = Object.keys(times[0][0]).map((name) => {
    // Medians, because whatever else the machine does comes in bursts.
    const [small, large] = times.map((side) => median(side.map((taken) => taken[name])));
    return { name, small, large, ratio: large / small };
  });
  const [small, large] = ['small', 'large'].map((side) => commands.reduce((sum, each) => sum + each[side], 0));
  return { title, commands: [...commands, { name: 'one of each', small, large, ratio: large / small }] };
}

/** Of the heap, for one task that waits for an agent: as it was accepted, and as it is read back from a snapshot. */
function measureMemory() {
  const before = heapUsed();
  const swarm = new Swarm({ agents: 0, queued: queuedTasks });
  const accepted = heapUsed() - before;
  const text = snapshot(swarm.state);
  swarm.state = null;
  const between = heapUsed();
  const restored = restore(text, limits);
  const readBack = heapUsed() - between;
  if (restored.tasks.size !== queuedTasks) throw new Error('the snapshot is not whole');
  return { accepted: accepted / queuedTasks, readBack: readBack / queuedTasks };
}

function heapUsed() {
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}
