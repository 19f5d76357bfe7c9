/**
 * Makes a world that fails smaller, as long as the same thing goes wrong in it: fewer processes, fewer kinds of faults,
 * less time. What is left is quick to read.
 */
import { simulate } from './simulation.ts';
import type { Product, Setting } from './world.ts';

export interface Shrunken {
  readonly setting: Setting;
  /** Of its trace. */
  readonly lines: number;
}

/** @throws when the setting does not fail. */
export async function shrink(setting: Setting, product: Product): Promise<Shrunken> {
  let smallest = await failureOf(setting, product);
  if (smallest === null) throw new Error(`seed ${setting.seed} does not fail`);
  for (let smaller: Failing | null = smallest; smaller !== null;) {
    smallest = smaller;
    smaller = await firstThatFails(smallest, product);
  }
  return { setting: smallest.setting, lines: smallest.lines };
}

interface Failing extends Shrunken {
  readonly what: string;
}

async function firstThatFails({ setting, lines, what }: Failing, product: Product): Promise<Failing | null> {
  for (const candidate of smallerThan(setting)) {
    const failure = await failureOf(candidate, product);
    // With less in it the same may happen much later.
    if (failure?.what === what && failure.lines <= lines) return failure;
  }
  return null;
}

/** The greatest steps first. */
function* smallerThan(setting: Setting): Iterable<Setting> {
  const { topology, seconds, servers, workers, clients, faults } = setting;
  if (faults.length > 0) yield { ...setting, faults: [] };
  for (const less of [Math.floor(seconds / 2), seconds - 5, seconds - 1]) {
    if (less > 0 && less < seconds) yield { ...setting, seconds: less };
  }
  if (topology !== 'mesh') yield { ...setting, topology: 'mesh' };
  if (servers > 1) yield { ...setting, servers: servers - 1 };
  if (clients > 1) yield { ...setting, clients: clients - 1 };
  if (workers > 1) yield { ...setting, workers: workers - 1 };
  for (const fault of faults) yield { ...setting, faults: faults.filter((other) => other !== fault) };
}

async function failureOf(setting: Setting, product: Product): Promise<Failing | null> {
  let lines = 0;
  try {
    await simulate(setting, product, () => (lines += 1));
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { setting, lines, what: withoutNames(message.split('\n')[0]!) };
  }
}

/** Names and numbers differ from world to world. */
function withoutNames(message: string): string {
  return message.replace(/\S*\d\S*/g, '#');
}
