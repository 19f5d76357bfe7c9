/** What somebody who sees a seed fail needs: what went wrong, and how to see it again, also in a smaller world. */
import type { Failure } from './many.ts';
import { shrink } from './shrink.ts';
import { theRealOne } from './simulation.ts';
import { settingOf } from './world.ts';

export async function describeFailure({ seed, message }: Failure): Promise<string> {
  const { setting, lines } = await shrink(settingOf(seed), theRealOne);
  return [
    `seed ${seed} fails: ${message}`,
    `replay it with           scripts/simulate --seed ${seed}`,
    `in a smaller world with  scripts/simulate --setting '${JSON.stringify(setting)}'  (${lines} lines)`,
  ].join('\n');
}
