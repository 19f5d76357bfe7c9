/**
 * A doubly linked list: to append, to remove and to step to the next one take constant time, whatever its length.
 */
export interface Link<T> {
  readonly item: T;
  next: Link<T> | null;
  previous: Link<T> | null;
}

export interface Chain<T> extends Iterable<T> {
  readonly first: Link<T> | null;
  append(item: T): Link<T>;
  remove(link: Link<T>): void;
}

export function createChain<T>(): Chain<T> {
  let first: Link<T> | null = null;
  let last: Link<T> | null = null;
  return {
    get first() {
      return first;
    },
    append(item) {
      const link: Link<T> = { item, next: null, previous: last };
      if (last === null) first = link;
      else last.next = link;
      last = link;
      return link;
    },
    remove({ next, previous }) {
      if (previous === null) first = next;
      else previous.next = next;
      if (next === null) last = previous;
      else next.previous = previous;
    },
    *[Symbol.iterator]() {
      for (let link = first; link !== null; link = link.next) yield link.item;
    },
  };
}
