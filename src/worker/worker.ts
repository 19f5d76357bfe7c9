/**
 * The bundled worker: a client program with no privileges that acts for one agent. It claims work, executes it,
 * keeps its leases alive, and answers for each claim exactly once.
 *
 * It stops a program as soon as its claim is over, whatever the reason. It outlives the coordinator: what it executes
 * goes on while the connection is being made again, and ends when it could not be made within the grace. Told that its
 * agent is draining, it finishes what it has in hand, claims no more, and ends.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AcpType, CommandType } from '../agent-types.ts';
import type { AgentSession, Held } from '../client/agent.ts';
import { SkeinError } from '../client/errors.ts';
import type { Log } from '../observe/log.ts';
import type { TaskNextResult } from '../spec.types.ts';
import type { Reach } from './access.ts';
import { runAcp } from './acp/run.ts';
import { askPeople } from './approval.ts';
import { execute } from './execute.ts';
import type { Job, Json } from './job.ts';
import type { Outcome } from './outcome.ts';
import { coalesce } from './progress.ts';
import { inWorktree, sweepWorktrees } from './worktree.ts';

type Assignment = NonNullable<TaskNextResult['assignment']>;
type Pending = TaskNextResult['pending'];

export interface WorkerOptions {
  readonly type: CommandType | AcpType;
  /** How its program reaches the coordinator, where its type wants that; null: not at all. */
  readonly reach?: Reach | null;
  readonly log: Log;
  /** Between SIGTERM and SIGKILL of a program that has to end. */
  readonly killGraceMs: number;
  /** Aborted when the worker itself has to end. */
  readonly signal: AbortSignal;
}

const waitSeconds = 60;

/** Progress that a program tells of all the time is passed on that often: each report is an event of the swarm. */
const progressMs = 5_000;

/** How long a worker that has to end may take to give back what it holds. */
const farewellMs = 2_000;

/** Works until it is told to stop, or the agent is over. Resolves with why; rejects for bugs only. */
export async function work(session: AgentSession, options: WorkerOptions): Promise<string> {
  const { type, reach = null, log, signal } = options;
  const running = new Map<string, { readonly leaseToken: string; readonly abort: AbortController }>();
  const ending = new AbortController();
  let why = 'told to stop';
  let draining = false;
  const heed = ({ drain }: Pending): void => {
    if (drain === true && !draining) log.info('draining: takes no more work');
    draining ||= drain === true;
  };
  const end = (reason: string): void => {
    if (ending.signal.aborted) return;
    why = reason;
    ending.abort(reason);
    for (const { abort } of running.values()) abort.abort(reason);
  };
  signal.addEventListener('abort', () => end('told to stop'));
  if (signal.aborted) end('told to stop');
  // The agent is over, or could not be reached within its grace: nobody would take what still runs.
  session.signal.addEventListener('abort', () => end(describe(session.signal.reason)));

  /** After a new join: what the coordinator says we hold, against what we execute. */
  const compare = (held: readonly Held[]): void => {
    const holds = new Set(held.map(({ leaseToken }) => leaseToken));
    for (const { leaseToken, abort } of running.values()) if (!holds.has(leaseToken)) abort.abort('lease lost');
  };
  // What it holds and we do not execute is the answer of a `next` that was lost, and which brings it again.
  session.onRejoin(compare);
  for (const { assignmentId, leaseToken } of session.joined.held) {
    // Left over from an earlier process of this agent.
    session.release({ assignmentId, leaseToken, reason: 'not known to its worker' }).catch(logged(log, 'release'));
  }

  const take = async (): Promise<void> => {
    while (!ending.signal.aborted && !draining) {
      let assignment: Assignment | null;
      try {
        const next = await session.next({ waitSeconds, signal: ending.signal });
        heed(next.pending);
        ({ assignment } = next);
      } catch (error) {
        if (ending.signal.aborted) return;
        if (!(error instanceof SkeinError)) throw error;
        // The claim of a reply that was lost on its way has been given to others: ask anew.
        if (error.reason === 'lease_lost') continue;
        return end(describe(error));
      }
      if (assignment !== null) await carryOut(assignment);
    }
  };

  const carryOut = async (assignment: Assignment): Promise<void> => {
    const { assignmentId, leaseToken } = assignment;
    const abort = new AbortController();
    running.set(assignmentId, { leaseToken, abort });
    const own = log.child({ assignmentId, attempt: assignment.attempt });
    own.info({ phase: assignment.phase }, 'started');
    const done = new AbortController();
    const heartbeats = keepAlive(session, assignment, abort, done.signal, own);
    try {
      const onProgress = coalesce<string>(
        (progress) => {
          session.update({ assignmentId, leaseToken, progress }).catch(logged(own, 'progress'));
        },
        progressMs,
        done.signal,
      );
      const job = jobOf(session, assignment);
      const access = reach === null ? null : { ...reach, leaseToken };
      const how = { killGraceMs: options.killGraceMs, access, log: own };
      const ask = askPeople(session, assignmentId);
      // As long as the coordinator is away it lets no time run out, either.
      const waitedMs = () =>
        session.update({ assignmentId, leaseToken }, { signal: done.signal }).then(
          ({ waitedMs = 0 }) => waitedMs,
          () => 0,
        );
      const outcome = await inWorktree(type, job, { signal: abort.signal, log: own }, (placed) =>
        placed.runtime === 'acp'
          ? runAcp(placed, job, abort.signal, { ...how, ask, onProgress })
          : execute(placed, job, abort.signal, { ...how, waitedMs }),
      );
      done.abort();
      own.info(
        outcome.ok
          ? { ms: outcome.durationMs }
          : { ms: outcome.durationMs, reason: outcome.reason, detail: outcome.message },
        outcome.ok ? 'succeeded' : 'failed',
      );
      const answered = await answer(session, assignment, outcome, abort.signal);
      if (answered !== null) heed(answered.pending);
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error;
      // Too late, or too far away: somebody else does it again.
      own.warn({ reason: error.reason, detail: error.message }, 'the outcome was not taken');
    } finally {
      done.abort();
      running.delete(assignmentId);
      await heartbeats;
    }
  };

  await sweepWorktrees(type, { signal: ending.signal, log });
  await Promise.all(Array.from({ length: type.maxConcurrent }, take));
  if (draining && !ending.signal.aborted) return 'drained';
  if (signal.aborted)
    await Promise.race([session.leave().catch(logged(log, 'leave')), sleep(farewellMs, undefined, { ref: false })]);
  return why;
}

/** A heartbeat that waits for bad news: it returns at once when the claim is over, else in time for the next one. */
async function keepAlive(
  session: AgentSession,
  { assignmentId, leaseToken }: Assignment,
  abort: AbortController,
  done: AbortSignal,
  log: Log,
): Promise<void> {
  while (!done.aborted && !abort.signal.aborted) {
    try {
      const { pending } = await session.update(
        { assignmentId, leaseToken, waitSeconds: session.joined.heartbeatSeconds },
        { signal: done },
      );
      if (pending.cancel.includes(assignmentId)) abort.abort('cancelled');
    } catch (error) {
      if (done.aborted) return;
      if (!(error instanceof SkeinError)) throw error;
      log.info({ reason: error.reason, detail: error.message }, 'the claim is over');
      abort.abort(error.reason);
    }
  }
}

function jobOf(session: AgentSession, assignment: Assignment): Job {
  const { agentId, swarmId } = session.joined;
  const { assignmentId, taskId, phase, role, attempt, description, input, item, dependencies, timeoutMs } = assignment;
  return {
    assignmentId,
    taskId,
    swarmId,
    agentId,
    phase,
    role,
    attempt,
    description,
    dependencies: dependencies as Job['dependencies'],
    timeoutMs,
    ...(input !== null && { input: input as Json }),
    ...(item !== undefined && { item: item as Json }),
  };
}

/** A run that was stopped because its claim is over, or because we end, has nothing to answer for: null. */
async function answer(
  session: AgentSession,
  assignment: Assignment,
  outcome: Outcome,
  stopped: AbortSignal,
): Promise<{ readonly pending: Pending } | null> {
  const { assignmentId, leaseToken } = assignment;
  const { worktree } = outcome;
  const used = outcome.usage === null ? {} : { usage: outcome.usage };
  if (outcome.ok) {
    try {
      // Beside the result, which is the program's own.
      const details = worktree === undefined ? {} : { details: { worktree } };
      return await session.complete({ assignmentId, leaseToken, result: outcome.result, ...details, ...used });
    } catch (error) {
      if (!(error instanceof SkeinError) || error.reason !== 'answer_invalid') throw error;
      // The program has ended: only another attempt can answer better.
      return session.fail({ assignmentId, leaseToken, reason: error.reason, message: error.message, ...used });
    }
  }
  if (stopped.aborted) return null;
  const { reason, message, retryable, details } = outcome;
  return session.fail({
    assignmentId,
    leaseToken,
    reason,
    message,
    retryable,
    details: { ...details, ...(worktree && { worktree }) },
    ...used,
  });
}

function describe(error: unknown): string {
  return error instanceof SkeinError ? `${error.reason}: ${error.message}` : String(error);
}

function logged(log: Log, what: string): (error: unknown) => void {
  return (error) => log.debug({ err: error }, what);
}
