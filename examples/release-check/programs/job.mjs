/** How every program here talks with its worker: its job is JSON on standard input, its result goes to standard output. */
import { json } from 'node:stream/consumers';

/** Prints what `work` makes of the job. What it throws is the failure, in one line: the worker repeats the last one. */
export async function answer(work) {
  try {
    const result = await work(await json(process.stdin));
    process.stdout.write(typeof result === 'string' ? result : JSON.stringify(result));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
