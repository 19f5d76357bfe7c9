/**
 * Whole swarms from seeds, with faults: what must hold holds, everything ends, and enough has happened for that to mean
 * something. `scripts/simulate` goes on with other seeds.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventVersions } from '../../../src/core/event.ts';
import { refusalReasons, type RefusalReason } from '../../../src/core/refusal.ts';
import { describeFailure } from './failure.ts';
import { faultKinds } from './faults.ts';
import { simulateMany } from './many.ts';
import { simulate } from './simulation.ts';
import { settingOf } from './world.ts';

const seeds = 2000;
const processes = 2;

/** What a simulated world cannot be refused for, and why. */
const impossible: { readonly [R in RefusalReason]?: string } = {
  swarm_quarantined: 'all coordinators are of one release: test/coordinator has one that meets a newer journal',
  memory_version_conflict: 'the memory bank is a part of its own',
  memory_quota: 'the memory bank is a part of its own',
  memory_unavailable: 'the memory bank is a part of its own',
  wait_limit: 'of connections, which the server counts',
  history_trimmed: 'of subscriptions, which the server keeps',
};

test(`${seeds} seeds of 60 seconds hold what must hold, and show every refusal, fault and event`, async (t) => {
  const { simulatedMs, faults, coverage, failures } = await simulateMany(1, processes, (seed) => seed <= seeds);
  for (const failure of failures) assert.fail(await describeFailure(failure));
  t.diagnostic(`${(simulatedMs / 3_600_000).toFixed(1)} simulated hours`);

  const never = (kinds: readonly string[], counts: ReadonlyMap<string, number>): string[] =>
    kinds.filter((kind) => !counts.has(kind));
  assert.deepEqual(never([...faultKinds, 'append_conflict'], faults), [], 'faults that never happened');
  const refusals = refusalReasons.filter((reason) => !coverage.has(`refused ${reason}`));
  assert.deepEqual(refusals.sort(), Object.keys(impossible).sort(), 'refusals that never happened');
  const events = Object.keys(eventVersions).map((type) => `event ${type}`);
  assert.deepEqual(never([...events, 'snapshot', 'swarm_forgotten'], coverage), [], 'what never happened');
});

test('the same seed gives the same trace', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const first = await simulate(settingOf(seed));
    assert.deepEqual(await simulate(settingOf(seed)), first, `seed ${seed}`);
  }
});
