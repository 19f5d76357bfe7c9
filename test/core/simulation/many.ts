/**
 * Many seeds, on several processes at once, and what they have seen in all. Ends with the first seeds that fail, or when
 * there are no more.
 */
import { fork } from 'node:child_process';
import type { Asked, Told } from './many-child.ts';

export interface Summary {
  seeds: number;
  simulatedMs: number;
  readonly faults: Map<string, number>;
  readonly coverage: Map<string, number>;
  readonly failures: Failure[];
}

export interface Failure {
  readonly seed: number;
  readonly message: string;
}

const failuresMax = 3;
/** Of one order to a process. */
const batch = 10;

/** `more` is asked before each batch whether there shall be another. */
export async function simulateMany(
  first: number,
  processes: number,
  more: (seed: number) => boolean,
): Promise<Summary> {
  const summary: Summary = { seeds: 0, simulatedMs: 0, faults: new Map(), coverage: new Map(), failures: [] };
  let next = first;
  let broken = false;
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(new URL('./many-child.ts', import.meta.url));
      const order = (): void => {
        if (broken || summary.failures.length >= failuresMax || !more(next)) return void child.disconnect();
        child.send({ from: next, to: next + batch } satisfies Asked);
        next += batch;
      };
      child.on('message', (told: Told) => {
        add(summary, told);
        order();
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        broken ||= code !== 0;
        if (code === 0) resolve();
        else reject(new Error(`a process ended with ${signal ?? `code ${code}`}`));
      });
      order();
    });
  await Promise.all(Array.from({ length: processes }, run));
  return summary;
}

function add(summary: Summary, { seeds, simulatedMs, faults, coverage, failures }: Told): void {
  summary.seeds += seeds;
  summary.simulatedMs += simulatedMs;
  for (const [kind, count] of faults) summary.faults.set(kind, (summary.faults.get(kind) ?? 0) + count);
  for (const [kind, count] of coverage) summary.coverage.set(kind, (summary.coverage.get(kind) ?? 0) + count);
  summary.failures.push(...failures);
}
