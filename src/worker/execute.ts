/**
 * Runs a command for one job and tells truly how that went: the program's exit code and what it wrote decide.
 *
 * No more than `maxOutputBytes` of standard output are ever kept; a program that writes more is stopped.
 */
import type { CommandType } from '../agent-types.ts';
import type { Job } from './job.ts';
import { failed, succeeded, type Outcome } from './outcome.ts';
import { collect, parseOutput } from './output.ts';
import { badExit, runProgram, type RunOptions } from './program.ts';
import { stdinText } from './prompt.ts';

export async function execute(type: CommandType, job: Job, signal: AbortSignal, options: RunOptions): Promise<Outcome> {
  const startedAt = performance.now();
  const program = type.argv[0];
  const output = collect(type.maxOutputBytes);
  const { failure, details } = await runProgram(type, job, signal, options, ({ stdin, stdout, stop }) => {
    stdout.on('data', (chunk: Buffer) => {
      if (output.add(chunk)) return;
      stdout.destroy();
      stop('output_too_large', `wrote more than ${type.maxOutputBytes} bytes to its standard output and was stopped`);
    });
    stdin.end(stdinText(type.stdin, job));
  });
  const bad = failure ?? badExit(program, details);
  if (bad !== null) return failed(bad, details, null, startedAt);
  const parsed = parseOutput(output.bytes(), type.parse);
  if (!parsed.ok) {
    return failed({ reason: parsed.reason, message: `${program} ${parsed.message}` }, details, null, startedAt);
  }
  return succeeded(parsed.result, null, startedAt);
}
