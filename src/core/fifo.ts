/**
 * First in, first out, in constant time at both ends. A Map or a Set also keeps its order, but walks over everything
 * that was deleted lately whenever it is asked for its first.
 */
export interface Fifo<T> extends Iterable<T> {
  readonly size: number;
  push(item: T): void;
  first(): T | undefined;
  shift(): T | undefined;
}

/** What has been taken out is given back once it is this much, and more than what is left. */
const gapMax = 1024;

export function createFifo<T>(initial: Iterable<T> = []): Fifo<T> {
  let items = [...initial];
  let head = 0;
  return {
    get size() {
      return items.length - head;
    },
    push(item) {
      items.push(item);
    },
    first() {
      return items[head];
    },
    shift() {
      const item = items[head];
      if (head < items.length) head += 1;
      if (head > gapMax && head > items.length / 2) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
    *[Symbol.iterator]() {
      for (let at = head; at < items.length; at += 1) yield items[at]!;
    },
  };
}
