/** `scripts/simulate`: goes on with new seeds for a while, or replays one world and shows its trace. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { describeFailure } from './failure.ts';
import { simulateMany } from './many.ts';
import { plantedBugs, withPlanted } from './planted-bugs.ts';
import { simulate, theRealOne } from './simulation.ts';
import { settingOf, type Product, type Setting } from './world.ts';

const usage = `scripts/simulate [--minutes N]     new seeds for N minutes (1), on all processors
scripts/simulate --seed N          replays a seed and shows its trace
scripts/simulate --setting JSON    replays a world, as a failing seed names it
                 --bug NAME        with a planted bug: ${plantedBugs.map(({ name }) => name).join(', ')}
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    setting: { type: 'string' },
    bug: { type: 'string' },
    help: { type: 'boolean' },
  },
});

if (values.help === true) process.stdout.write(usage);
else if (values.setting !== undefined) await replay(JSON.parse(values.setting) as Setting);
else if (values.seed !== undefined) await replay(settingOf(Number(values.seed)));
else await goOn(Number(values.minutes));

async function replay(setting: Setting): Promise<void> {
  console.log(JSON.stringify(setting));
  const show = async (product: Product): Promise<void> => {
    try {
      const { traceHash } = await simulate(setting, product, (line) => console.log(line));
      console.log(`holds; the trace is ${traceHash}`);
    } catch (error) {
      console.log(error);
      process.exitCode = 1;
    }
  };
  if (values.bug === undefined) return show(theRealOne);
  const bug = plantedBugs.find(({ name }) => name === values.bug);
  if (bug === undefined) throw new Error(`there is no planted bug '${values.bug}'\n${usage}`);
  await withPlanted(bug, show);
}

async function goOn(minutes: number): Promise<void> {
  const begun = Date.now();
  // None that the tests have seen.
  const first = 1_000_000 + (Math.floor(begun / 1000) % 1_000_000_000);
  console.log(`seeds from ${first}`);
  const more = (): boolean => Date.now() < begun + minutes * 60_000;
  const { seeds, simulatedMs, faults, coverage, failures } = await simulateMany(first, availableParallelism(), more);
  console.log(`${seeds} seeds, ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours`);
  printCounts('faults', faults);
  printCounts('coverage', coverage);
  for (const failure of failures) console.log(await describeFailure(failure));
  if (failures.length > 0) process.exitCode = 1;
}

function printCounts(title: string, counts: ReadonlyMap<string, number>): void {
  console.log(`\n${title}`);
  for (const [kind, count] of [...counts].sort()) console.log(`  ${kind.padEnd(36)}${count.toString().padStart(9)}`);
}
