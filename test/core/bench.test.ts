/** What `scripts/bench core` drives still understands the core: a turn is possible, and leaves the swarm as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
// @ts-expect-error The benchmarks are plain JavaScript, which run what has been built.
import { batch, Swarm } from '../../scripts/bench-parts/core-swarm.mjs';

for (const size of [
  { agents: 100, queued: 0 },
  { agents: batch, queued: 100 },
]) {
  test(`a turn of the benchmark in a swarm of ${size.agents} agents and ${size.queued} queued tasks`, () => {
    const swarm = new Swarm(size);
    const live = (): number => swarm.state.indexes.liveTasks;
    swarm.turn();
    const before = live();
    for (const took of Object.values(swarm.turn())) assert.equal(typeof took, 'number');
    assert.equal(live(), before);
  });
}
