/** Each planted bug is found within the seeds that the tests run, and what is found can be shrunk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plantedBugs, withPlanted } from './planted-bugs.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulation.ts';
import { settingOf, type Product, type Setting } from './world.ts';

const seeds = 2000;

/** And not before its trace has so many lines. */
async function firstThatFails(product: Product, linesMin = 0): Promise<Setting> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    let lines = 0;
    try {
      await simulate(settingOf(seed), product, () => (lines += 1));
    } catch {
      if (lines >= linesMin) return settingOf(seed);
    }
  }
  return assert.fail(`none of ${seeds} seeds finds it`);
}

for (const bug of plantedBugs) {
  test(`finds: ${bug.name}`, async (t) => {
    await withPlanted(bug, async (product) => {
      const { seed } = await firstThatFails(product);
      t.diagnostic(`seed ${seed}`);
    });
  });
}

test('a world that fails is made smaller, and fails in the same way', async (t) => {
  const bug = plantedBugs.find(({ name }) => name === 'one attempt too many')!;
  await withPlanted(bug, async (product) => {
    const found = await firstThatFails(product, 500);
    const linesOf = async (setting: Setting): Promise<number> => {
      let lines = 0;
      await assert.rejects(
        simulate(setting, product, () => (lines += 1)),
        /attempts are limited/,
      );
      return lines;
    };
    const { setting, lines } = await shrink(found, product);
    assert.equal(await linesOf(setting), lines);
    const before = await linesOf(found);
    t.diagnostic(`from ${before} lines to ${lines}: ${JSON.stringify(setting)}`);
    assert.ok(lines < before && setting.faults.length === 0);
  });
});
