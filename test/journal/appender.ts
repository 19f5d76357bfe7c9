/**
 * A process for tests: appends to the journal in the data directory argv[2], to several swarms at once, until the
 * journal fails. Commit n of a swarm holds the event n. Lines of JSON on standard output: `{swarm, n}` for what was
 * acknowledged, and at the end, when all has been closed again, a `Report`.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openDataDir } from '../../src/store/data-dir.ts';
import { emptyHead } from '../../src/journal/journal.ts';
import { lmdbJournal } from '../../src/journal/lmdb.ts';
import type { NumberedEvent } from './conformance.ts';

export interface Report {
  /** What `onFailure` was called with. */
  readonly failures: readonly string[];
  /** Why the appends that were under way were rejected. */
  readonly rejections: readonly string[];
  /** How calls after the failure were rejected. */
  readonly later: readonly string[];
  readonly unhandled: readonly string[];
}

const swarmsCount = 8;
const payload = 'x'.repeat(2_000);

const unhandled: string[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));

const store = await openDataDir(process.argv[2]!);
const failures: string[] = [];
const journal = lmdbJournal<NumberedEvent>(store, { onFailure: (error) => failures.push(error.message) });

const rejections = await Promise.all(Array.from({ length: swarmsCount }, (_, i) => appendForever(`swarm_${i}`)));
const later = await Promise.all([
  rejection(journal.append('later', emptyHead, { id: 'c1', events: [{ type: 'numbered', n: 1 }] })),
  rejection(journal.read('swarm_0', 0)),
  rejection(journal.forget('swarm_0')),
]);
await journal.close();
await store.close();
// An unhandled rejection is reported after the turn in which it happens.
await nextTurn();
say({ failures, rejections, later, unhandled } satisfies Report);

async function appendForever(swarm: string): Promise<string> {
  let { head } = await journal.read(swarm, 0);
  for (;;) {
    const n = head.version + 1;
    const events = [{ type: 'numbered', n, data: payload }];
    try {
      const result = await journal.append(swarm, head, { id: `c${n}`, events, blobs: new Map([[`b${n}`, `${n}`]]) });
      if (result.kind === 'conflict') throw new Error(`conflict of ${swarm} at ${n}`);
      head = result.head;
    } catch (error) {
      return (error as Error).message;
    }
    say({ swarm, n });
  }
}

function rejection(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'not rejected',
    (error: Error) => error.message,
  );
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
