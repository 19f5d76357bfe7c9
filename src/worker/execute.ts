/**
 * Runs a command for one job and tells truly how that went: the program's exit code and what it wrote decide.
 *
 * - No more than `maxOutputBytes` of standard output are ever kept; a program that writes more is stopped.
 * - What the program says that it used is told of a failed run, too.
 */
import type { CommandType } from '../agent-types.ts';
import type { McpSetup } from '../templates/index.ts';
import { setUpAccess } from './access.ts';
import type { Job } from './job.ts';
import { failed, succeeded, type Outcome } from './outcome.ts';
import { collect, parseOutput, type Collector, type Parsed } from './output.ts';
import { badExit, environment, neverRan, runProgram, type Ended, type RunOptions } from './program.ts';
import { stdinText } from './prompt.ts';

export async function execute(type: CommandType, job: Job, signal: AbortSignal, options: RunOptions): Promise<Outcome> {
  const startedAt = performance.now();
  const program = type.argv[0];
  const output = collect(type.maxOutputBytes);
  const { failure, details } = await run(type, job, signal, options, output);
  const parsed = parseOutput(output.bytes(), type.parse, details.stderr);
  const bad = failure ?? (saysWhy(parsed) ? null : badExit(program, details));
  if (bad !== null) return failed(bad, details, parsed.usage, startedAt);
  if (parsed.ok) return succeeded(parsed.result, parsed.usage, startedAt);
  return failed({ reason: parsed.reason, message: `${program} ${parsed.message}` }, details, parsed.usage, startedAt);
}

async function run(
  type: CommandType,
  job: Job,
  signal: AbortSignal,
  options: RunOptions,
  output: Collector,
): Promise<Ended> {
  const env = environment(type, job);
  let setup: McpSetup;
  try {
    setup = setUpAccess(type, options.access ?? null, env);
  } catch (error) {
    const message = `${type.argv[0]} could not be given its MCP server: ${(error as Error).message}`;
    return neverRan({ reason: 'spawn_failed', message });
  }
  try {
    const whole = { ...type, argv: [...type.argv, ...setup.args] as const };
    return await runProgram(whole, Object.assign(env, setup.env), job, signal, options, ({ stdin, stdout, stop }) => {
      stdout.on('data', (chunk: Buffer) => {
        if (output.add(chunk)) return;
        stdout.destroy();
        stop('output_too_large', `wrote more than ${type.maxOutputBytes} bytes to its standard output and was stopped`);
      });
      stdin.end(stdinText(type.stdin, job));
    });
  } finally {
    setup.remove?.();
  }
}

/** Whoever says that he has failed, and why, says more than how he ended. */
function saysWhy(parsed: Parsed): boolean {
  return !parsed.ok && (parsed.reason === 'agent_error' || parsed.reason === 'permission_denied');
}
