/**
 * Runs an agent type's program for one job and tells truly how that went.
 *
 * - The program is started by its argument list; no shell reads it. It gets its own process group.
 * - When the promise resolves, nobody of that group runs any more, however the run ended: cancelled, timed out, with
 *   too much output, or well, but with processes left behind. SIGTERM first, SIGKILL after `killGraceMs`.
 * - A run that was stopped from here is a failure, whatever its exit code and output say. What the program left behind
 *   after it had exited by itself is stopped too, but does not change how the run ended.
 * - No more than `maxOutputBytes` of standard output and the last 4 KiB of standard error are ever kept.
 * - What the program says that it used is told of a failed run, too.
 *
 * The program gets the variables that its type allows or sets, and about its job SKEIN_SWARM_ID, SKEIN_AGENT_ID,
 * SKEIN_TASK_ID, SKEIN_ASSIGNMENT_ID, SKEIN_PHASE and SKEIN_ATTEMPT; with `mcp`, what it takes to reach its swarm. It should not take SKEIN_AGENT_ID out of the
 * environment of what it starts: the host finds by it what has to be stopped with the agent.
 *
 * Its standard streams are sockets, as Node makes them. They are read and written as usual, but cannot be opened a
 * second time by name: a script writes `>&2`, not `>/dev/stderr`.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { Logger } from 'pino';
import type { CommandType } from '../agent-types.ts';
import type { McpSetup, Usage } from '../templates/index.ts';
import { setUpAccess, type Access } from './access.ts';
import type { Job, Json } from './job.ts';
import { collect, lastText, parseOutput, tail } from './output.ts';
import { groupEnds, stopGroup } from './process-group.ts';
import { stdinText } from './prompt.ts';
import { startFailure } from './start-failure.ts';

/** How much of the end of each stream a failure carries. */
const tailBytes = 4 * 1024;
/** How much of the last line is repeated in the message. */
const lastLineCharsMax = 200;
/** After the program has exited: how long what it started may go on holding its streams, and then go on running. */
const drainMs = 500;
/** What a timer of Node can wait for. */
const timerMsMax = 2 ** 31 - 1;

/** Of the worker's own environment, what a program always gets. */
const environmentAlways = 'PATH HOME USER LOGNAME SHELL LANG LC_ALL LC_CTYPE TZ TMPDIR'.split(' ');

export type FailureReason =
  | 'exit_code'
  | 'signal'
  | 'timeout'
  | 'output_too_large'
  | 'not_found'
  | 'not_executable'
  | 'spawn_failed'
  | 'bad_output'
  | 'agent_error'
  | 'permission_denied'
  | 'cancelled';

/** What a run did may go otherwise the next time. Who is not there, or may not, will not either; a cancel is meant. */
const retryable: Readonly<Record<FailureReason, boolean>> = {
  exit_code: true,
  signal: true,
  timeout: true,
  output_too_large: true,
  not_found: false,
  not_executable: false,
  spawn_failed: true,
  bad_output: true,
  agent_error: true,
  permission_denied: false,
  cancelled: false,
};

/** How the program ended, as far as it got: both are null when it never ran. The texts are the ends of its streams. */
export interface RunDetails {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Outcome =
  | { readonly ok: true; readonly result: Json; readonly usage: Usage | null; readonly durationMs: number }
  | {
      readonly ok: false;
      readonly reason: FailureReason;
      readonly message: string;
      readonly retryable: boolean;
      readonly details: RunDetails;
      /** null: it does not say. */
      readonly usage: Usage | null;
      readonly durationMs: number;
    };

export interface ExecuteOptions {
  readonly killGraceMs: number;
  /** What a type with `mcp` is given; null: nothing. */
  readonly access?: Access | null;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

/**
 * Aborting `signal` stops the run; if the reason of the abort is a string, the message repeats it. The run has
 * the smaller of the job's and the type's `timeoutMs`, and may take `killGraceMs` and some seconds more to be stopped.
 */
export async function execute(
  type: CommandType,
  job: Job,
  signal: AbortSignal,
  options: ExecuteOptions,
): Promise<Outcome> {
  const env = environment(type, job);
  let setup: McpSetup;
  try {
    setup = setUpAccess(type, options.access ?? null, env);
  } catch (error) {
    const message = `${type.argv[0]} could not be given its MCP server: ${(error as Error).message}`;
    const reason = 'spawn_failed';
    return { ok: false, reason, message, retryable: retryable[reason], details: neverRan, usage: null, durationMs: 0 };
  }
  try {
    const argv = [...type.argv, ...setup.args] as const;
    return await run({ ...type, argv }, job, Object.assign(env, setup.env), signal, options);
  } finally {
    setup.remove?.();
  }
}

async function run(
  type: CommandType,
  job: Job,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  { killGraceMs, log }: ExecuteOptions,
): Promise<Outcome> {
  const startedAt = performance.now();
  const program = type.argv[0];
  const durationMs = () => Math.round(performance.now() - startedAt);
  const fail = (
    reason: FailureReason,
    message: string,
    details: RunDetails = neverRan,
    usage: Usage | null = null,
  ): Outcome => {
    return { ok: false, reason, message, retryable: retryable[reason], details, usage, durationMs: durationMs() };
  };
  if (signal.aborted) return fail('cancelled', `${program} was not started: ${whyAborted(signal)}`);

  const child = await start(type, env);
  if (child instanceof Error) {
    const failure = startFailure(child, program, type.cwd, env.PATH);
    return fail(failure.reason, failure.message);
  }
  const group = child.pid!;
  const exit: Promise<[number | null, NodeJS.Signals | null]> = once(child, 'exit') as never;
  const closed = once(child, 'close');
  log.debug({ assignmentId: job.assignmentId, program, pid: group }, 'program started');

  let stopped:
    { readonly reason: FailureReason; readonly message: string; readonly done: Promise<boolean> } | undefined;
  const stop = (reason: FailureReason, message: string) => {
    stopped ??= { reason, message: `${program} ${message}`, done: stopGroup(group, killGraceMs) };
  };
  const timeoutMs = Math.min(job.timeoutMs, type.timeoutMs ?? Infinity, timerMsMax);
  const timer = setTimeout(() => stop('timeout', `did not end within ${timeoutMs} ms and was stopped`), timeoutMs);
  const onAbort = () => stop('cancelled', `was stopped: ${whyAborted(signal)}`);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort);

  const stdout = collect(type.maxOutputBytes);
  const stderr = tail(tailBytes);
  child.stdout.on('data', (chunk: Buffer) => {
    if (stdout.add(chunk)) return;
    child.stdout.destroy();
    stop('output_too_large', `wrote more than ${type.maxOutputBytes} bytes to its standard output and was stopped`);
  });
  child.stderr.on('data', (chunk: Buffer) => stderr.add(chunk));
  // A program need not read its input: the broken pipe is no failure, and its exit code tells whether it minds.
  child.stdin.on('error', (error) => log.debug({ assignmentId: job.assignmentId, err: error }, 'input not read'));
  child.stdin.end(stdinText(type.stdin, job));

  const [exitCode, exitSignal] = await exit;
  clearTimeout(timer);
  signal.removeEventListener('abort', onAbort);
  let leftBehind = false;
  if (stopped === undefined) {
    const endedByItself = (await settlesWithin(closed, drainMs)) && (await groupEnds(group, drainMs));
    if (!endedByItself) leftBehind = await stopGroup(group, killGraceMs);
  }
  await stopped?.done;
  const drained = await settlesWithin(closed, drainMs);
  if (!drained) {
    child.stdout.destroy();
    child.stderr.destroy();
  }
  if (leftBehind || !drained) {
    log.warn({ assignmentId: job.assignmentId, program, drained }, 'program left processes behind');
  }

  const details: RunDetails = {
    exitCode,
    signal: exitSignal,
    stdout: lastText(stdout.bytes(), tailBytes),
    stderr: stderr.text(),
  };
  const parsed = parseOutput(stdout.bytes(), type.parse, details.stderr);
  const { usage } = parsed;
  if (stopped !== undefined) return fail(stopped.reason, stopped.message, details, usage);
  // Whoever says that he has failed, and why, says more than how he ended.
  const saysWhy = !parsed.ok && (parsed.reason === 'agent_error' || parsed.reason === 'permission_denied');
  if (exitSignal !== null && !saysWhy) {
    return fail('signal', `${program} was ended by ${exitSignal}${lastLine(details)}`, details, usage);
  }
  if (exitCode !== 0 && !saysWhy) {
    return fail('exit_code', `${program} exited with code ${exitCode}${lastLine(details)}`, details, usage);
  }
  if (!parsed.ok) return fail(parsed.reason, `${program} ${parsed.message}`, details, usage);
  return { ok: true, result: parsed.result, usage, durationMs: durationMs() };
}

const neverRan: RunDetails = { exitCode: null, signal: null, stdout: '', stderr: '' };

/** Node reports some failures by throwing and some by an event; here both are a value. */
async function start(type: CommandType, env: NodeJS.ProcessEnv): Promise<ChildProcessWithoutNullStreams | Error> {
  const [program, ...args] = type.argv;
  try {
    const child = spawn(program, args, { cwd: type.cwd, env, detached: true });
    if (child.pid !== undefined) return child;
    const [error] = (await once(child, 'error')) as [Error];
    return error;
  } catch (error) {
    return error as Error;
  }
}

function environment(type: CommandType, job: Job): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const name of [...environmentAlways, ...type.env]) {
    if (process.env[name] !== undefined) env[name] = process.env[name];
  }
  return Object.assign(env, type.setEnv, {
    SKEIN_SWARM_ID: job.swarmId,
    SKEIN_AGENT_ID: job.agentId,
    SKEIN_TASK_ID: job.taskId,
    SKEIN_ASSIGNMENT_ID: job.assignmentId,
    SKEIN_PHASE: job.phase,
    SKEIN_ATTEMPT: String(job.attempt),
  });
}

function whyAborted(signal: AbortSignal): string {
  return typeof signal.reason === 'string' ? signal.reason : 'cancelled';
}

/** Where a program says what went wrong: the last line that it wrote, on standard error if there is one. */
function lastLine({ stdout, stderr }: RunDetails): string {
  const text = stripVTControlCharacters(stderr.trim() || stdout.trim());
  const line = text.slice(text.lastIndexOf('\n') + 1);
  return line === '' ? ' and wrote nothing' : `: ${line.slice(-lastLineCharsMax)}`;
}

async function settlesWithin(promise: Promise<unknown>, withinMs: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise.then(() => true), sleep(withinMs, false, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}
