/**
 * The one error of the client: what a server refused, and what failed on the way to it. Protocol: section "Errors" of
 * protocol/README.md.
 *
 * `reason` is the stable word to test for. Those of the server are in `protocol/errors.json`; the client's own, which
 * have `code` null, are:
 *
 * - `connect_failed`      no connection could be made; nothing was sent
 * - `connection_lost`     the connection ended before the answer came
 * - `deadline_exceeded`   no answer within the call's time
 * - `protocol_error`      what came is not what a coordinator sends
 * - `grace_over`          an agent could not come back in time; its work goes to others
 * - `aborted`             the caller's own signal; what was sent may still happen
 * - `closed`              this client, session or stream was closed by its owner
 * - `invalid_options`     a setting of the client, or a variable of its environment, cannot be
 */
import { errors } from '../spec.ts';
import type { ErrorObject, Params } from '../wire/jsonrpc.ts';

export type ErrorData = { readonly [name: string]: unknown };

/** What there is to say about a failure. */
export interface Failure {
  readonly message: string;
  readonly reason: string;
  /** JSON-RPC code; null: the server was not heard. */
  readonly code: number | null;
  /** It certainly did not happen. When false, it may or may not have happened. */
  readonly definite: boolean;
  /** The same call can succeed a little later. */
  readonly temporary: boolean;
  readonly data: ErrorData;
  readonly cause?: unknown;
}

export class SkeinError extends Error implements Failure {
  readonly reason: string;
  readonly code: number | null;
  readonly definite: boolean;
  readonly temporary: boolean;
  readonly data: ErrorData;

  constructor({ message, reason, code, definite, temporary, data, cause }: Failure) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SkeinError';
    this.reason = reason;
    this.code = code;
    this.definite = definite;
    this.temporary = temporary;
    this.data = data;
  }

  /** How long the server asks to wait before the next try; 0: it does not say. */
  get retryAfterMs(): number {
    const { retryAfterMs } = this.data;
    return typeof retryAfterMs === 'number' ? retryAfterMs : 0;
  }

  /** The same failure of a call that may have happened in an earlier attempt. */
  inDoubt(): SkeinError {
    const { message, reason, code, temporary, data } = this;
    return new SkeinError({ message, reason, code, definite: false, temporary, data, cause: this });
  }
}

/** What the server answered. A reason that this release does not know is taken at its word, and as lasting. */
export function fromServer({ code, message, data }: ErrorObject): Failure {
  const fields = typeof data === 'object' && data !== null ? (data as ErrorData) : {};
  const reason = typeof fields['reason'] === 'string' ? fields['reason'] : 'unknown';
  const temporary = errors.get(reason)?.temporary ?? false;
  return { message, reason, code, definite: fields['definite'] === true, temporary, data: fields };
}

/** What people call a request: a tool by its own name. */
export function nameOf(method: string, params: Params | undefined): string {
  return method === 'tools/call' ? String((params as { readonly name?: unknown }).name) : method;
}

/** The client turned the call down itself, with a reason of the server's: it saves the way. */
export function turnedDown(reason: 'invalid_arguments' | 'too_large', message: string): SkeinError {
  return new SkeinError({ ...fromServer({ code: errors.get(reason)!.code, message }), reason, definite: true });
}

export function connectFailed(place: string, cause: Error & { readonly code?: string }): SkeinError {
  const message = `cannot connect to ${place} (${cause.code ?? cause.message}): start a coordinator there with \`skein serve\`, or name another with MCP_HOST and MCP_TCP_PORT`;
  return new SkeinError({ ...own('connect_failed', message, { definite: true, temporary: true }), cause });
}

export function connectionLost(place: string, why: string): Failure {
  const message = `the connection to ${place} was lost (${why}) before the answer came`;
  return own('connection_lost', message, { definite: false, temporary: true });
}

export function protocolError(place: string, what: string): Failure {
  return own('protocol_error', `${place} does not speak as a coordinator does: ${what}`, {});
}

export function deadlineExceeded(
  what: string,
  { definite, cause }: { readonly definite: boolean; readonly cause?: unknown },
): Failure {
  const message = definite
    ? `${what} could not be sent in time, and did not happen`
    : `${what} was not answered in time: whether it happened is not known`;
  return { ...own('deadline_exceeded', message, { definite }), cause };
}

export function closed(what: string, state: { readonly definite: boolean }): Failure {
  return own('closed', `the ${what} was closed`, state);
}

export function graceOver(agentId: string, graceSeconds: number, cause: SkeinError): SkeinError {
  const message = `agent ${agentId} could not come back within its grace of ${graceSeconds} s, and its work goes to others. The last try: ${cause.message}`;
  return new SkeinError({ ...own('grace_over', message, { definite: true }), cause });
}

export function aborted(what: string, state: { readonly definite: boolean }): SkeinError {
  return new SkeinError(own('aborted', `${what} was aborted by its caller`, state));
}

export function invalidOptions(message: string): SkeinError {
  return new SkeinError(own('invalid_options', message, { definite: true }));
}

function own(
  reason: string,
  message: string,
  { definite = false, temporary = false }: { readonly definite?: boolean; readonly temporary?: boolean },
): Failure {
  return { message, reason, code: null, definite, temporary, data: {} };
}
