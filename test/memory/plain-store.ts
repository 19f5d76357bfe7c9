/** The text store that the bank needs, on an LMDB environment of its own with lmdb's default durability. */
import type { Buffer } from 'node:buffer';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { open, type Database } from 'lmdb';
import type { TextStore } from '../../src/memory/group-commit.ts';

export interface Environment {
  readonly texts: Database<string, Buffer>;
  close(): Promise<void>;
}

export function openEnvironment(dir: string): Environment {
  const root = open({ path: dir });
  let closing: Promise<void> | undefined;
  return {
    texts: root.openDB<string, Buffer>({ name: 'memory', encoding: 'string', keyEncoding: 'binary' }),
    close: () => (closing ??= root.close()),
  };
}

export function plainStore({ texts }: Environment): TextStore {
  return {
    textsByBytes: () => texts,
    async write(_scope, action) {
      await nextTurn();
      await texts.batch(action);
    },
  };
}
