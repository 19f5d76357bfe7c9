/**
 * How a run went, as the worker tells it.
 */
import type { Usage } from '../templates/index.ts';
import type { Json } from './job.ts';

export type FailureReason =
  | 'exit_code'
  | 'signal'
  | 'timeout'
  | 'output_too_large'
  | 'not_found'
  | 'not_executable'
  | 'spawn_failed'
  | 'bad_output'
  | 'cancelled'
  | 'agent_error'
  | 'authentication_required'
  | 'permission_denied'
  | 'refusal'
  | 'max_tokens'
  | 'max_turn_requests'
  | 'turn_cancelled';

/**
 * What a run did may go otherwise the next time. A program that is not there stays away, a cancel is meant, and what
 * somebody has to log in or give permission for waits for that person.
 */
const retryable: Readonly<Record<FailureReason, boolean>> = {
  exit_code: true,
  signal: true,
  timeout: true,
  output_too_large: true,
  not_found: false,
  not_executable: false,
  spawn_failed: true,
  bad_output: true,
  cancelled: false,
  agent_error: true,
  authentication_required: false,
  permission_denied: false,
  refusal: true,
  max_tokens: true,
  max_turn_requests: true,
  turn_cancelled: true,
};

/** How the program ended, as far as it got: both are null when it never ran. The texts are the ends of its streams. */
export interface RunDetails {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
}

/** `usage` null: the program tells of none. */
export type Outcome = { readonly durationMs: number; readonly usage: Usage | null } & (
  | { readonly ok: true; readonly result: Json }
  | (Failure & { readonly ok: false; readonly retryable: boolean; readonly details: RunDetails })
);

/** The outcome of a run that began at `startedAt` of the monotonic clock and ends now. */
export function failed(
  { reason, message }: Failure,
  details: RunDetails,
  usage: Usage | null,
  startedAt: number,
): Outcome {
  return { ok: false, reason, message, retryable: retryable[reason], details, usage, durationMs: since(startedAt) };
}

export function succeeded(result: Json, usage: Usage | null, startedAt: number): Outcome {
  return { ok: true, result, usage, durationMs: since(startedAt) };
}

function since(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}
