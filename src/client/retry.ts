/**
 * When a call is tried again, how often, and with which pauses.
 *
 * Only what can succeed a little later is tried again: freely when it definitely did not happen, and else only when
 * repeating it does no harm, because it reads or carries its idempotency key. A call whose last failure is definite is
 * itself definite only if all its attempts were.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import { now } from './deadline.ts';
import { SkeinError } from './errors.ts';

export interface Retries {
  readonly repeatable: boolean;
  /** How often it is tried again, at most. */
  readonly retryAttempts: number;
  /** Before the first of them; doubled each time. */
  readonly retryDelayMs: number;
  /** Nothing is begun after this. */
  readonly until: number;
  readonly signal: AbortSignal;
}

/** @throws SkeinError of the last attempt. */
export async function retry<T>(attempt: () => Promise<T>, retries: Retries): Promise<T> {
  const { repeatable, retryAttempts, retryDelayMs, until, signal } = retries;
  let underWay = false;
  let inDoubt = false;
  const begin = (): Promise<T> => {
    underWay = true;
    return attempt();
  };
  try {
    return await pRetry(begin, {
      retries: retryAttempts,
      minTimeout: retryDelayMs,
      factor: 2,
      signal,
      onFailedAttempt: ({ error }) => {
        underWay = false;
        inDoubt ||= !(error instanceof SkeinError && error.definite);
      },
      shouldRetry: async ({ error, retriesConsumed }) => {
        if (!(error instanceof SkeinError) || !mayRetry(error, repeatable)) return false;
        if (now() + error.retryAfterMs + retryDelayMs * 2 ** retriesConsumed >= until) return false;
        // When this is cut short, p-retry finds out by itself.
        await sleep(error.retryAfterMs, undefined, { signal }).catch(() => {});
        return true;
      },
    });
  } catch (error) {
    // Under way: it was cut short by the signal, which knows nothing of it.
    throw (inDoubt || underWay) && error instanceof SkeinError && error.definite ? error.inDoubt() : error;
  }
}

export function mayRetry(error: SkeinError, repeatable: boolean): boolean {
  return error.temporary && (error.definite || repeatable);
}

const reopenDelayMsMax = 5_000;

/**
 * Opens a connection that was lost, with growing pauses, until it stands, is refused for good, or `forMs` is over.
 * @throws SkeinError of the last attempt.
 */
export function reopen(
  open: () => Promise<void>,
  { delayMs, forMs, signal }: { readonly delayMs: number; readonly forMs: number; readonly signal: AbortSignal },
): Promise<void> {
  return pRetry(open, {
    retries: Infinity,
    maxRetryTime: forMs,
    minTimeout: delayMs,
    maxTimeout: reopenDelayMsMax,
    // All who lost the same coordinator come back to it, and better not at once.
    randomize: true,
    signal,
    shouldRetry: ({ error }) => error instanceof SkeinError && mayRetry(error, true),
  });
}
