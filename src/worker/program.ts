/**
 * Starts an agent type's program for one job, and ends it with all that it started. What is said on its streams is the
 * caller's.
 *
 * - The program is started by its argument list; no shell reads it. It gets its own process group.
 * - When the promise resolves, nobody of that group runs any more, however the run ended: cancelled, timed out, stopped
 *   by the caller, or well, but with processes left behind. SIGTERM first, SIGKILL after `killGraceMs`.
 * - A run that was stopped has a failure, whatever its exit code and output say. What the program left behind after it
 *   had exited by itself is stopped too, and so is a program that had done its work and did not end; neither changes
 *   how the run ended.
 * - No more than the last 4 KiB of each stream are ever kept here.
 *
 * The program gets the variables that its type allows or sets, and about its job SKEIN_SWARM_ID, SKEIN_AGENT_ID,
 * SKEIN_TASK_ID, SKEIN_ASSIGNMENT_ID, SKEIN_PHASE and SKEIN_ATTEMPT; with `mcp`, what it takes to reach its swarm. It
 * should not take SKEIN_AGENT_ID out of the environment of what it starts: the host finds by it what has to be stopped
 * with the agent.
 *
 * Its standard streams are sockets, as Node makes them. They are read and written as usual, but cannot be opened a
 * second time by name: a script writes `>&2`, not `>/dev/stderr`.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { Logger } from 'pino';
import type { ProgramType } from '../agent-types.ts';
import type { Access } from './access.ts';
import type { Job } from './job.ts';
import type { Failure, FailureReason, RunDetails } from './outcome.ts';
import { tail } from './output.ts';
import { groupEnds, stopGroup } from './process-group.ts';
import { startFailure } from './start-failure.ts';
import { startTimeout } from './timeout.ts';

/** How much of the end of each stream a failure carries. */
const tailBytes = 4 * 1024;
/** How much of the last line is repeated in the message. */
const lastLineCharsMax = 200;
/** After the program has exited: how long what it started may go on holding its streams, and then go on running. */
const drainMs = 500;
/** How long a program that has done its work may take to end by itself. */
const farewellMs = 1_000;

/** Of the worker's own environment, what a program always gets. */
const environmentAlways = 'PATH HOME USER LOGNAME SHELL LANG LC_ALL LC_CTYPE TZ TMPDIR'.split(' ');

export interface RunOptions {
  /** How long the attempt has waited for people, other than in a pause of its time; never rejects. */
  readonly waitedMs?: () => Promise<number>;
  readonly killGraceMs: number;
  /** What a type with `mcp` is given; null: nothing. */
  readonly access?: Access | null;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
}

/** A program while it runs. */
export interface Running {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Stops it, which is a failure. `message` continues a sentence that begins with its name; the first one counts. */
  stop(reason: FailureReason, message: string): void;
  /** Its time stands still until the function that this gives is called. */
  pause(): () => void;
  /** It has done its work: its input ends, nothing can fail any more, and it is stopped when it does not end soon. */
  release(): void;
}

/** What is done before the program gets its first signal, if there is something; it has to end soon. */
export type BeforeStop = () => Promise<void>;

export interface Ended {
  /** Why it was not started, or was stopped; null when it ended by itself. */
  readonly failure: Failure | null;
  readonly details: RunDetails;
}

/**
 * Aborting `signal` stops the run; if the reason of the abort is a string, the message repeats it. The run has
 * the smaller of the job's and the type's `timeoutMs`, and may take `killGraceMs` and some seconds more to be stopped.
 */
export async function runProgram(
  type: ProgramType,
  env: NodeJS.ProcessEnv,
  job: Job,
  signal: AbortSignal,
  { killGraceMs, log, waitedMs }: RunOptions,
  attach: (program: Running) => BeforeStop | void,
): Promise<Ended> {
  const program = type.argv[0];
  const { assignmentId } = job;
  if (signal.aborted) {
    return neverRan({ reason: 'cancelled', message: `${program} was not started: ${whyAborted(signal)}` });
  }
  const child = await start(type, env);
  if (child instanceof Error) return neverRan(startFailure(child, program, type.cwd, env.PATH));
  const group = child.pid!;
  const exit: Promise<[number | null, NodeJS.Signals | null]> = once(child, 'exit') as never;
  const closed = once(child, 'close');
  log.debug({ assignmentId, program, pid: group }, 'program started');

  let failure: Failure | null = null;
  let stopping: Promise<unknown> | undefined;
  let farewell: NodeJS.Timeout | undefined;
  let beforeStop: BeforeStop | void;
  const stop = (reason: FailureReason, message: string): void => {
    if (failure !== null || farewell !== undefined) return;
    failure = { reason, message: `${program} ${message}` };
    stopping = Promise.race([beforeStop?.(), exit]).then(() => stopGroup(group, killGraceMs));
  };
  const timeoutMs = Math.min(job.timeoutMs, type.timeoutMs ?? Infinity);
  const onTimeout = () => stop('timeout', `did not end within ${timeoutMs} ms and was stopped`);
  const timeout = startTimeout(timeoutMs, onTimeout, undefined, waitedMs);
  const onAbort = () => stop('cancelled', `was stopped: ${whyAborted(signal)}`);
  const release = (): void => {
    child.stdin.end();
    if (child.exitCode !== null || child.signalCode !== null) return;
    farewell ??= setTimeout(() => (stopping ??= stopGroup(group, killGraceMs)), farewellMs);
  };

  const stdout = tail(tailBytes);
  const stderr = tail(tailBytes);
  child.stdout.on('data', (chunk: Buffer) => stdout.add(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.add(chunk));
  // A program need not read its input: the broken pipe is no failure, and its exit code tells whether it minds.
  child.stdin.on('error', (error) => log.debug({ assignmentId, err: error }, 'input not read'));
  const { pause } = timeout;
  beforeStop = attach({ stdin: child.stdin, stdout: child.stdout, stop, pause, release });
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort);

  const [exitCode, exitSignal] = await exit;
  timeout.clear();
  clearTimeout(farewell);
  signal.removeEventListener('abort', onAbort);
  let leftBehind = false;
  if (stopping === undefined) {
    const endedByItself = (await settlesWithin(closed, drainMs)) && (await groupEnds(group, drainMs));
    if (!endedByItself) leftBehind = await stopGroup(group, killGraceMs);
  }
  await stopping;
  const drained = await settlesWithin(closed, drainMs);
  if (!drained) {
    child.stdout.destroy();
    child.stderr.destroy();
  }
  if (leftBehind || !drained) log.warn({ assignmentId, program, drained }, 'program left processes behind');
  return { failure, details: { exitCode, signal: exitSignal, stdout: stdout.text(), stderr: stderr.text() } };
}

/** Why a program that ended by itself ended badly: by its exit code or a signal; null when it ended well. */
export function badExit(program: string, details: RunDetails): Failure | null {
  const { exitCode, signal } = details;
  if (signal !== null) return { reason: 'signal', message: `${program} was ended by ${signal}${lastLine(details)}` };
  if (exitCode === 0) return null;
  return { reason: 'exit_code', message: `${program} exited with code ${exitCode}${lastLine(details)}` };
}

/** Where a program says what went wrong: the last line that it wrote, on standard error if there is one. */
export function lastLine({ stdout, stderr }: RunDetails): string {
  const text = stripVTControlCharacters(stderr.trim() || stdout.trim());
  const line = text.slice(text.lastIndexOf('\n') + 1);
  return line === '' ? ' and wrote nothing' : `: ${line.slice(-lastLineCharsMax)}`;
}

export function neverRan(failure: Failure): Ended {
  return { failure, details: { exitCode: null, signal: null, stdout: '', stderr: '' } };
}

/** Node reports some failures by throwing and some by an event; here both are a value. */
async function start(type: ProgramType, env: NodeJS.ProcessEnv): Promise<ChildProcessWithoutNullStreams | Error> {
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

/** What the program gets of variables, before what it takes to reach its swarm. */
export function environment(type: ProgramType, job: Job): NodeJS.ProcessEnv {
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

export async function settlesWithin(promise: Promise<unknown>, withinMs: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise.then(() => true), sleep(withinMs, false, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}
