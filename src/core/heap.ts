/**
 * A binary heap whose members know their own place, so that any of them can be moved or removed in O(log n).
 *
 * A member belongs to at most one heap at a time; `slot` is -1 while it is in none and is written by the heap only.
 */
export interface Slotted {
  slot: number;
}

export interface Heap<T extends Slotted> {
  readonly size: number;
  push(item: T): void;
  peek(): T | undefined;
  remove(item: T): void;
  /** Restores the order after `item`'s rank has changed. */
  moved(item: T): void;
  /** The first member, in order, that `wanted` accepts. O(k log k) when k members are looked at, `most` at most. */
  first(wanted: (item: T) => boolean, most?: number): T | undefined;
  items(): Iterable<T>;
}

export function createHeap<T extends Slotted>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];

  function place(item: T, slot: number): void {
    items[slot] = item;
    item.slot = slot;
  }

  function siftUp(item: T): void {
    let slot = item.slot;
    while (slot > 0) {
      const parentSlot = (slot - 1) >> 1;
      const parent = items[parentSlot]!;
      if (!before(item, parent)) break;
      place(parent, slot);
      slot = parentSlot;
    }
    place(item, slot);
  }

  function siftDown(item: T): void {
    let slot = item.slot;
    for (;;) {
      let childSlot = 2 * slot + 1;
      if (childSlot >= items.length) break;
      const right = childSlot + 1;
      if (right < items.length && before(items[right]!, items[childSlot]!)) childSlot = right;
      const child = items[childSlot]!;
      if (!before(child, item)) break;
      place(child, slot);
      slot = childSlot;
    }
    place(item, slot);
  }

  function moved(item: T): void {
    siftUp(item);
    siftDown(item);
  }

  return {
    get size() {
      return items.length;
    },
    push(item) {
      item.slot = items.length;
      items.push(item);
      siftUp(item);
    },
    peek() {
      return items[0];
    },
    remove(item) {
      const last = items.pop()!;
      if (last !== item) {
        place(last, item.slot);
        moved(last);
      }
      item.slot = -1;
    },
    moved,
    first(wanted, most = Infinity) {
      const top = items[0];
      if (top === undefined || wanted(top)) return top;
      // Best-first walk: the frontier holds slots whose parents have been looked at and turned down, the next one last.
      const frontier: number[] = [];
      const reach = (slot: number): void => {
        if (slot >= items.length) return;
        let from = 0;
        for (let to = frontier.length; from < to;) {
          const middle = (from + to) >> 1;
          if (before(items[slot]!, items[frontier[middle]!]!)) from = middle + 1;
          else to = middle;
        }
        frontier.splice(from, 0, slot);
      };
      let slot = 0;
      for (let looked = 1; looked < most; looked += 1) {
        reach(2 * slot + 1);
        reach(2 * slot + 2);
        const next = frontier.pop();
        if (next === undefined) return undefined;
        slot = next;
        if (wanted(items[slot]!)) return items[slot];
      }
      return undefined;
    },
    items() {
      return items;
    },
  };
}
