/** One of the processes that simulate many seeds: a batch at a time, until its parent has no more. */
import type { Failure } from './many.ts';
import { simulate } from './simulation.ts';
import { settingOf } from './world.ts';

export interface Asked {
  readonly from: number;
  readonly to: number;
}

export interface Told {
  readonly seeds: number;
  readonly simulatedMs: number;
  readonly faults: readonly (readonly [string, number])[];
  readonly coverage: readonly (readonly [string, number])[];
  readonly failures: readonly Failure[];
}

process.on('message', ({ from, to }: Asked) => {
  void simulateAll(from, to).then((told) => process.send!(told));
});

async function simulateAll(from: number, to: number): Promise<Told> {
  let simulatedMs = 0;
  const faults: [string, number][] = [];
  const coverage: [string, number][] = [];
  const failures: Failure[] = [];
  for (let seed = from; seed < to; seed += 1) {
    try {
      const report = await simulate(settingOf(seed));
      simulatedMs += report.simulatedMs;
      faults.push(...report.faults);
      coverage.push(...report.coverage);
    } catch (error) {
      failures.push({ seed, message: error instanceof Error ? error.message : String(error) });
    }
  }
  return { seeds: to - from, simulatedMs, faults, coverage, failures };
}
