/** How the entries of a batch are answered, those of an array as those of the method `batch`. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Delivery, TurnedDown } from '../dialects/dialect.ts';

/** Entries that are under way at once. */
export const batchWindow = 64;

/** Entries that begin in one turn of the event loop. */
const batchTurn = 16;

/**
 * Starts the entries in order, few in a turn of the event loop and some at a time. Once their replies fill the longest
 * line (`charsMax`), the entries that have not been started are refused, which is better than an effect that nobody hears
 * of; of those under way by then, the replies that do not fit are left out. The first reply is as long as it would be alone.
 */
export async function answerInWindow<T>(
  entries: readonly T[],
  charsMax: number,
  run: (entry: T) => Promise<Delivery>,
  refuse: (entry: T, why: TurnedDown) => Delivery,
): Promise<Delivery[]> {
  const deliveries: Promise<Delivery>[] = [];
  let size = 0;
  let full = false;
  const deliver = async (entry: T): Promise<Delivery> => {
    if (full) return refuse(entry, notExecuted);
    const delivery = await run(entry);
    const length = delivery.line?.length ?? 0;
    if (size === 0 || size + length <= charsMax) {
      size += length;
      return delivery;
    }
    full = true;
    delivery.undelivered?.();
    return refuse(entry, replyDropped);
  };
  for (const [index, entry] of entries.entries()) {
    if (index >= batchWindow) await deliveries[index - batchWindow];
    if (index % batchTurn === batchTurn - 1) await nextTurn();
    deliveries.push(deliver(entry));
  }
  return Promise.all(deliveries);
}

/** JSON-RPC has no empty batch: one that held only notifications is not answered at all. */
export function joined(deliveries: readonly Delivery[]): string | undefined {
  const lines = deliveries.flatMap(({ line }) => line ?? []);
  return lines.length === 0 ? undefined : `[${lines.join(',')}]`;
}

/** What to do when none of them can be delivered. */
export function allUndelivered(deliveries: readonly Delivery[]): (() => void) | null {
  const undelivered = deliveries.flatMap((delivery) => delivery.undelivered ?? []);
  return undelivered.length === 0 ? null : () => undelivered.forEach((each) => each());
}

export const nestedBatch: TurnedDown = {
  refused: 'invalid_arguments',
  message: 'batch: a batch cannot be an entry of a batch',
};

const notExecuted: TurnedDown = {
  refused: 'batch_reply_too_large',
  message: 'the replies before this entry fill the longest line, so it was not executed: send it in another batch',
};

const replyDropped: TurnedDown = {
  refused: 'batch_reply_too_large',
  message: 'this entry was executed, but its reply does not fit beside the others: ask for what it said by itself',
  data: { definite: false },
};
