/**
 * What a dialect is: how neutral answers look on the wire. Results are JSON text, made with one stringify.
 */
import type { ErrorObject } from '../wire/jsonrpc.ts';

/** A request that was turned down: a refusal of a tool, or of the server itself. */
export interface TurnedDown {
  readonly refused: string;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A reply, and what to do when it cannot be delivered. No line: nothing is to be answered. */
export interface Delivery {
  readonly line: string | undefined;
  readonly undelivered: (() => void) | null;
}

export interface Dialect {
  readonly name: string;
  initialize(): string;
  /** `now`: milliseconds since the epoch. */
  ping(now: number): string;
  toolsList(): string;
  toolResult(fields: object): string;
  error(turnedDown: TurnedDown): ErrorObject;
}
