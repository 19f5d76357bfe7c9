/**
 * Runs an agent of the Agent Client Protocol for one job and tells truly how that went: one process, one session, one
 * turn. How the turn ended decides, and not what the process does afterwards; one that ends before its turn, or has to
 * be stopped, has failed.
 *
 * The result is the agent's last message. Of all its messages no more than `maxOutputBytes` are kept; one that says more
 * is stopped. Before an agent is stopped it is asked to give up its turn.
 */
import type { AcpType } from '../../agent-types.ts';
import { serversFor } from '../access.ts';
import type { Ask } from '../approval.ts';
import type { Job } from '../job.ts';
import { failed, succeeded, type FailureReason, type Outcome } from '../outcome.ts';
import { parseOutput } from '../output.ts';
import { badExit, environment, lastLine, runProgram, type RunOptions } from '../program.ts';
import { renderPrompt } from '../prompt.ts';
import { takeTurn, type Turn, type TurnResult } from './turn.ts';

export interface AcpOptions extends RunOptions {
  /** For a type with `permissions: ask`. The time of the run stands still meanwhile. */
  readonly ask: Ask;
  readonly onProgress: (text: string) => void;
}

export async function runAcp(type: AcpType, job: Job, signal: AbortSignal, options: AcpOptions): Promise<Outcome> {
  const startedAt = performance.now();
  const program = type.argv[0];
  const env = environment(type, job);
  const mcpServers = serversFor(type, options.access ?? null, env);
  const run: { turn?: Turn; result?: TurnResult } = {};
  const { failure, details } = await runProgram(type, env, job, signal, options, (running) => {
    const turn = takeTurn({ ...options, type, env, mcpServers, prompt: renderPrompt(job) }, running);
    run.turn = turn;
    void turn.ended.then((result) => {
      run.result = result;
      running.release();
    });
    return turn.cancel;
  });

  const usage = run.turn?.usage() ?? null;
  const { result } = run;
  const fail = (reason: FailureReason, message: string): Outcome => {
    return failed({ reason, message: `${program} ${message}` }, details, usage, startedAt);
  };
  if (failure !== null) return failed(failure, details, usage, startedAt);
  if (result === undefined) {
    const bad = badExit(program, details);
    if (bad !== null) return failed(bad, details, usage, startedAt);
    return fail('exit_code', `exited with code 0 before its turn had ended${lastLine(details)}`);
  }
  if (!result.ok) return fail(result.reason, result.message);
  const parsed = parseOutput(Buffer.from(result.text), 'text', '');
  return parsed.ok ? succeeded(parsed.result, usage, startedAt) : fail(parsed.reason, parsed.message);
}
