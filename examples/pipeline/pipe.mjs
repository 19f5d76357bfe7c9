/**
 * Runs a program that knows nothing of skein as a stage of a pipeline: `node pipe.mjs PROGRAM [ARGUMENT...]`.
 *
 * Reads the job as JSON. The program's standard input is the result of the one phase that this one depends on, or for
 * the first phase the task's input; its output and its exit code are this program's own.
 */
import { spawnSync } from 'node:child_process';
import { json } from 'node:stream/consumers';

const [program, ...args] = process.argv.slice(2);
const { input, dependencies } = await json(process.stdin);
const [text = input] = Object.values(dependencies);
if (typeof text !== 'string') {
  console.error(`a stage of a pipeline reads text, and this one was given ${JSON.stringify(text)}`);
  process.exit(1);
}
const { status, error } = spawnSync(program, args, {
  // A result of type text has lost its last newline.
  input: `${text}\n`,
  stdio: ['pipe', 'inherit', 'inherit'],
});
if (status === null) console.error(error?.message ?? `${program} was stopped`);
process.exitCode = status ?? 1;
