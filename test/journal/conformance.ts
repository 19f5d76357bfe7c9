/**
 * What every journal adapter must do. An adapter's own test file calls this with a way to open it, and adds what is
 * particular to it.
 */
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';

import { EventEmitter, once } from 'node:events';
import {
  emptyHead,
  eventsMaxDefault,
  type Head,
  type Journal,
  type JournalEvent,
  type StoredCommit,
} from '../../src/journal/journal.ts';

export interface NumberedEvent extends JournalEvent {
  readonly n: number;
  readonly data?: unknown;
}

export interface Opened {
  /** Empty. */
  readonly journal: Journal<NumberedEvent>;
  /** Opens again, after `close`, what `journal` has left behind. Every adapter that is not volatile has it. */
  readonly reopen?: () => Promise<Journal<NumberedEvent>>;
}

/** `open` cleans up in `t.after`. */
export function journalConformance(name: string, open: (t: TestContext) => Promise<Opened>): void {
  test(`${name}: an unknown swarm is empty`, async (t) => {
    const { journal } = await open(t);
    assert.deepEqual(await journal.read('nobody', 0), { commits: [], head: emptyHead });
    assert.equal(await journal.latestSnapshot('nobody'), undefined);
    assert.equal(await journal.blob('nobody', 'b1'), undefined);
    assert.deepEqual(await swarmsOf(journal), []);
    await journal.forget('nobody');
    const longId = 'x'.repeat(100_000);
    assert.deepEqual(await journal.read(longId, 0), { commits: [], head: emptyHead });
    assert.equal(await journal.latestSnapshot(longId), undefined);
    assert.equal(await journal.blob('nobody', longId), undefined);
  });

  test(`${name}: commits come back in order, under their heads`, async (t) => {
    const { journal } = await open(t);
    const head1 = await append(journal, 's', emptyHead, 'c1', [1, 2, 3]);
    assert.deepEqual(head1, { version: 3, commitId: 'c1' });
    const head2 = await append(journal, 's', head1, 'c2', [4]);
    assert.deepEqual(head2, { version: 4, commitId: 'c2' });
    assert.deepEqual(await journal.read('s', 0), {
      commits: [
        { head: head1, events: [event(1), event(2), event(3)] },
        { head: head2, events: [event(4)] },
      ],
      head: head2,
    });
  });

  test(`${name}: whoever expects another head gets a conflict, and nothing is written`, async (t) => {
    const { journal } = await open(t);
    const head1 = await append(journal, 's', emptyHead, 'c1', [1], { blobs: { kept: '"old"' } });
    const head2 = await append(journal, 's', head1, 'c2', [2]);
    const wrong: Head[] = [
      emptyHead,
      head1,
      { version: 2, commitId: 'c1' },
      { version: 2, commitId: '' },
      { version: 1, commitId: 'c2' },
      { version: 3, commitId: 'c2' },
    ];
    for (const expect of wrong) {
      const commit = { id: 'c3', events: [event(3)], blobs: new Map([['new', '1']]), dropBlobs: ['kept'] };
      assert.deepEqual(await journal.append('s', expect, commit), { kind: 'conflict', head: head2 });
    }
    assert.deepEqual(await journal.append('other', head2, { id: 'c1', events: [event(1)] }), {
      kind: 'conflict',
      head: emptyHead,
    });
    assert.deepEqual((await journal.read('s', 2)).commits, []);
    assert.equal(await journal.blob('s', 'new'), undefined);
    assert.equal(await journal.blob('s', 'kept'), '"old"');
    assert.deepEqual(await swarmsOf(journal), ['s']);
  });

  test(`${name}: of many appends at the same head exactly one wins`, async (t) => {
    const { journal } = await open(t);
    let head = emptyHead;
    for (let round = 1; round <= 5; round++) {
      const ids = Array.from({ length: 20 }, (_, i) => `c${round}-${i}`);
      const results = await Promise.all(ids.map((id) => journal.append('s', head, { id, events: [event(round)] })));
      const winners = results.filter(({ kind }) => kind === 'appended');
      assert.equal(winners.length, 1);
      // The losers are told of the winner, and what they are told can be read.
      head = winners[0]!.head;
      for (const result of results) assert.deepEqual(result.head, head);
      assert.deepEqual((await journal.read('s', round - 1)).commits, [{ head, events: [event(round)] }]);
    }
  });

  test(`${name}: swarms that append at the same time do not disturb each other`, async (t) => {
    const { journal } = await open(t);
    const swarms = Array.from({ length: 40 }, (_, i) => `swarm_${i}`);
    await Promise.all(
      swarms.map(async (swarm, s) => {
        let head = emptyHead;
        for (let n = 0; n < 25; n++) head = await append(journal, swarm, head, `${swarm}-${n}`, [s * 1000 + n]);
      }),
    );
    for (const [s, swarm] of swarms.entries()) {
      const { commits, head } = await journal.read(swarm, 0);
      assert.deepEqual(head, { version: 25, commitId: `${swarm}-24` });
      assert.deepEqual(
        numbers(commits),
        Array.from({ length: 25 }, (_, n) => s * 1000 + n),
      );
    }
    assert.deepEqual(await swarmsOf(journal), swarms.toSorted());
  });

  test(`${name}: swarms with similar ids are different swarms`, async (t) => {
    const { journal } = await open(t);
    const ids = ['a', 'A', 'aa', 'a:', 'a:1', 'a\u0001', 'a b', 'á', 'a\u0301', '{a}', '*', '1', '01', '🦢', '\ue000'];
    const heads = new Map<string, Head>();
    for (const [n, id] of ids.entries()) {
      heads.set(id, await append(journal, id, emptyHead, 'c1', [n], { blobs: { b1: `${n}` } }));
      await journal.snapshot(id, heads.get(id)!, `{"n":${n}}`, 0);
    }
    for (const [n, id] of ids.entries()) {
      assert.deepEqual((await journal.read(id, 0)).commits, [{ head: heads.get(id), events: [event(n)] }]);
      assert.equal(await journal.blob(id, 'b1'), `${n}`);
      assert.equal((await journal.latestSnapshot(id))?.state, `{"n":${n}}`);
    }
    assert.deepEqual(await swarmsOf(journal), ids.toSorted());
    await journal.forget('a');
    assert.deepEqual(await swarmsOf(journal), ids.filter((id) => id !== 'a').toSorted());
    for (const [n, id] of ids.entries()) {
      if (id === 'a') continue;
      assert.deepEqual(numbers((await journal.read(id, 0)).commits), [n]);
      assert.equal(await journal.blob(id, 'b1'), `${n}`);
      assert.equal((await journal.latestSnapshot(id))?.state, `{"n":${n}}`);
    }
  });

  test(`${name}: shares no objects with its callers`, async (t) => {
    const { journal } = await open(t);
    const data = { list: [1] };
    const events = [{ type: 'numbered', n: 1, data }];
    const blobs = new Map([['b1', '1']]);
    const appending = journal.append('s', emptyHead, { id: 'c1', events, blobs });
    data.list.push(2);
    events.push(event(2) as never);
    blobs.set('b2', '2');
    await appending;
    data.list.push(3);
    const stored = { head: { version: 1, commitId: 'c1' }, events: [{ type: 'numbered', n: 1, data: { list: [1] } }] };
    const first = await journal.read('s', 0);
    assert.deepEqual(first.commits, [stored]);
    assert.equal(await journal.blob('s', 'b2'), undefined);
    (first.commits[0]!.events as NumberedEvent[]).pop();
    (first.commits as StoredCommit[]).pop();
    assert.deepEqual((await journal.read('s', 0)).commits, [stored]);
  });

  test(`${name}: JSON comes back as it was`, async (t) => {
    const { journal } = await open(t);
    const data = JSON.parse(
      String.raw`{"": "", "é": "\u0000\u0001\n\u2028\ud83e\udda2", "lone": "\ud800", "bom": "\ufeff", "__proto__": {"a": 1},
        "numbers": [0, -0.5, 1e300, 9007199254740991], "nested": [[[[null, true, {}]]]], "long": "${'ß'.repeat(300_000)}"}`,
    ) as unknown;
    await journal.append('s', emptyHead, { id: 'ç', events: [event(1, data)], blobs: new Map([['ü', '"\ufeff🦢"']]) });
    const { commits } = await journal.read('s', 0);
    assert.deepEqual(commits, [{ head: { version: 1, commitId: 'ç' }, events: [event(1, data)] }]);
    assert.equal(await journal.blob('s', 'ü'), '"\ufeff🦢"');
    const state = JSON.stringify(data);
    await journal.snapshot('s', { version: 1, commitId: 'ç' }, state, 1);
    assert.deepEqual(await journal.latestSnapshot('s'), { head: { version: 1, commitId: 'ç' }, state });
  });

  test(`${name}: a commit without events is a mistake of the caller`, async (t) => {
    const { journal } = await open(t);
    await assert.rejects(journal.append('s', emptyHead, { id: 'c1', events: [] }), /c1 of swarm s has no events/);
    assert.deepEqual(await swarmsOf(journal), []);
  });

  test(`${name}: reads begin after the given version, with a whole commit`, async (t) => {
    const { journal } = await open(t);
    await appendAll(journal, 's', [[1, 2, 3], [4, 5], [6]]);
    const from = async (version: number) => numbers((await journal.read('s', version)).commits);
    assert.deepEqual(await from(0), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await from(1), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await from(2), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await from(3), [4, 5, 6]);
    assert.deepEqual(await from(4), [4, 5, 6]);
    assert.deepEqual(await from(5), [6]);
    assert.deepEqual(await from(6), []);
    assert.deepEqual(await from(7), []);
  });

  test(`${name}: a page ends after the commit that fills it`, async (t) => {
    const { journal } = await open(t);
    const head = await appendAll(journal, 's', [[1, 2, 3], [4, 5], [6], [7, 8]]);
    const page = async (from: number, eventsMax: number) => {
      const read = await journal.read('s', from, eventsMax);
      assert.deepEqual(read.head, head);
      return numbers(read.commits);
    };
    assert.deepEqual(await page(0, 1), [1, 2, 3]);
    assert.deepEqual(await page(0, 3), [1, 2, 3]);
    assert.deepEqual(await page(0, 4), [1, 2, 3, 4, 5]);
    assert.deepEqual(await page(5, 2), [6, 7, 8]);
    assert.deepEqual(await page(6, 100), [7, 8]);
  });

  test(`${name}: ${eventsMaxDefault} events are a page by default`, async (t) => {
    const { journal } = await open(t);
    const commits = Array.from({ length: 25 }, (_, i) => Array.from({ length: 1000 }, (_, k) => i * 1000 + k + 1));
    const head = await appendAll(journal, 's', commits);
    const sizes: number[] = [];
    const seen: number[] = [];
    for (let from = 0; from < head.version; from = seen.length) {
      const page = numbers((await journal.read('s', from)).commits);
      sizes.push(page.length);
      seen.push(...page);
    }
    assert.deepEqual(sizes, [10_000, 10_000, 5_000]);
    assert.deepEqual(seen, commits.flat());
  });

  test(`${name}: blobs come and go with their commits`, async (t) => {
    const { journal } = await open(t);
    const large = JSON.stringify('🦢'.repeat(500_000));
    const head1 = await append(journal, 's', emptyHead, 'c1', [1], { blobs: { b1: '1', b2: large } });
    await append(journal, 'other', emptyHead, 'c1', [1], { blobs: { b1: '"other"' } });
    assert.equal(await journal.blob('s', 'b1'), '1');
    assert.equal(await journal.blob('s', 'b2'), large);
    assert.equal(await journal.blob('s', 'b3'), undefined);
    const head2 = await append(journal, 's', head1, 'c2', [2], { blobs: { b3: '3' }, dropBlobs: ['b1', 'never'] });
    assert.equal(await journal.blob('s', 'b1'), undefined);
    assert.equal(await journal.blob('s', 'b2'), large);
    assert.equal(await journal.blob('s', 'b3'), '3');
    assert.equal(await journal.blob('other', 'b1'), '"other"');
    // Trimming is about commits: the state in the snapshot may still refer to a blob.
    await journal.snapshot('s', head2, '{}', head2.version);
    assert.equal(await journal.blob('s', 'b2'), large);
  });

  test(`${name}: a snapshot replaces what it trims`, async (t) => {
    const { journal } = await open(t);
    const head = await appendAll(journal, 's', [[1, 2], [3, 4], [5, 6], [7]]);
    const at = { version: 6, commitId: 'c3' };
    await journal.snapshot('s', at, '{"sum":21}', 4);
    const snapshot = { head: at, state: '{"sum":21}' };
    assert.deepEqual(await journal.latestSnapshot('s'), snapshot);

    const after = [{ head, events: [event(7)] }];
    for (const from of [0, 1, 3]) assert.deepEqual(await journal.read('s', from), { snapshot, commits: after, head });
    // Nothing is missing after version 4, so these readers go on with events.
    assert.deepEqual(numbers((await journal.read('s', 4)).commits), [5, 6, 7]);
    assert.deepEqual(await journal.read('s', 6), { commits: after, head });
    assert.deepEqual(await journal.read('s', 7), { commits: [], head });
  });

  test(`${name}: a commit that reaches beyond keepAfter is kept whole`, async (t) => {
    const { journal } = await open(t);
    const head = await appendAll(journal, 's', [[1, 2], [3, 4, 5], [6]]);
    await journal.snapshot('s', head, '{}', 4);
    const page = await journal.read('s', 2);
    assert.equal(page.snapshot, undefined);
    assert.deepEqual(numbers(page.commits), [3, 4, 5, 6]);
    assert.deepEqual((await journal.read('s', 1)).snapshot, { head, state: '{}' });
  });

  test(`${name}: everything can be trimmed, and never more than the snapshot covers`, async (t) => {
    const { journal } = await open(t);
    const head2 = await appendAll(journal, 's', [[1, 2], [3]]);
    await journal.snapshot('s', head2, '{"at":3}', 1_000_000);
    const snapshot = { head: head2, state: '{"at":3}' };
    assert.deepEqual(await journal.read('s', 0), { snapshot, commits: [], head: head2 });
    assert.deepEqual(await journal.read('s', 3), { commits: [], head: head2 });
    assert.deepEqual(await swarmsOf(journal), ['s']);

    const stale = await journal.append('s', emptyHead, { id: 'c3', events: [event(4)] });
    assert.deepEqual(stale, { kind: 'conflict', head: head2 });
    const head3 = await append(journal, 's', head2, 'c3', [4, 5]);
    assert.deepEqual(await journal.read('s', 0), {
      snapshot,
      commits: [{ head: head3, events: [event(4), event(5)] }],
      head: head3,
    });
    const head4 = await append(journal, 's', head3, 'c4', [6]);
    await journal.snapshot('s', head3, '{"at":5}', 1_000_000);
    assert.deepEqual(numbers((await journal.read('s', 5)).commits), [6]);
    assert.deepEqual((await journal.read('s', 5)).head, head4);
  });

  test(`${name}: pages go on after a snapshot`, async (t) => {
    const { journal } = await open(t);
    const head = await appendAll(journal, 's', [[1, 2], [3], [4], [5], [6]]);
    await journal.snapshot('s', { version: 3, commitId: 'c2' }, '{}', 3);
    const page = await journal.read('s', 0, 2);
    assert.deepEqual(page.snapshot?.head, { version: 3, commitId: 'c2' });
    assert.deepEqual(numbers(page.commits), [4, 5]);
    const rest = await journal.read('s', page.commits.at(-1)!.head.version, 2);
    assert.equal(rest.snapshot, undefined);
    assert.deepEqual(numbers(rest.commits), [6]);
    assert.deepEqual(rest.head, head);
  });

  test(`${name}: an older snapshot is ignored, and trims nothing`, async (t) => {
    const { journal } = await open(t);
    await appendAll(journal, 's', [
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const at = { version: 4, commitId: 'c2' };
    await journal.snapshot('s', at, '{"by":"first"}', 0);
    await journal.snapshot('s', { version: 2, commitId: 'c1' }, '{"by":"older"}', 2);
    await journal.snapshot('s', at, '{"by":"second"}', 4);
    assert.deepEqual(await journal.latestSnapshot('s'), { head: at, state: '{"by":"first"}' });
    const page = await journal.read('s', 0);
    assert.equal(page.snapshot, undefined);
    assert.deepEqual(numbers(page.commits), [1, 2, 3, 4, 5, 6]);
  });

  test(`${name}: of two snapshots at the same time the newer one stays`, async (t) => {
    const { journal } = await open(t);
    const head = await appendAll(journal, 's', [[1], [2], [3]]);
    await Promise.all([
      journal.snapshot('s', { version: 2, commitId: 'c2' }, '{"at":2}', 2),
      journal.snapshot('s', head, '{"at":3}', 1),
      journal.snapshot('s', { version: 1, commitId: 'c1' }, '{"at":1}', 1),
    ]);
    assert.deepEqual(await journal.latestSnapshot('s'), { head, state: '{"at":3}' });
    assert.deepEqual(numbers((await journal.read('s', 2)).commits), [3]);
  });

  test(`${name}: a snapshot of what the journal does not have is a mistake of the caller`, async (t) => {
    const { journal } = await open(t);
    await append(journal, 's', emptyHead, 'c1', [1]);
    await assert.rejects(journal.snapshot('s', { version: 2, commitId: 'c2' }, '{}', 2), /its journal ends at 1/);
    await assert.rejects(journal.snapshot('nobody', { version: 2, commitId: 'c2' }, '{}', 2), /its journal ends at 0/);
    assert.equal(await journal.latestSnapshot('s'), undefined);
    assert.deepEqual(numbers((await journal.read('s', 0)).commits), [1]);
    assert.deepEqual(await swarmsOf(journal), ['s']);
  });

  test(`${name}: subscribers are woken after each commit, when it can be read`, async (t) => {
    const { journal } = await open(t);
    const woken = new EventEmitter();
    const seen: [string, Head][] = [];
    const unsubscribe = journal.subscribe((swarm, head) => {
      seen.push([swarm, head]);
      woken.emit(head.commitId, journal.read(swarm, head.version - 1));
    });
    const [[read1], head1] = await Promise.all([once(woken, 'c1'), append(journal, 's', emptyHead, 'c1', [1, 2])]);
    assert.deepEqual(numbers((await read1).commits), [1, 2]);
    await journal.append('s', emptyHead, { id: 'conflict', events: [event(3)] });
    await Promise.all([once(woken, 'c2'), append(journal, 'other', emptyHead, 'c2', [1])]);
    await Promise.all([once(woken, 'c3'), append(journal, 's', head1, 'c3', [3])]);
    assert.deepEqual(seen, [
      ['s', { version: 2, commitId: 'c1' }],
      ['other', { version: 1, commitId: 'c2' }],
      ['s', { version: 3, commitId: 'c3' }],
    ]);

    unsubscribe();
    const second = new EventEmitter();
    journal.subscribe((_, { commitId }) => second.emit(commitId));
    await Promise.all([once(second, 'c4'), append(journal, 'third', emptyHead, 'c4', [1])]);
    assert.equal(seen.length, 3);
  });

  test(`${name}: a forgotten swarm leaves nothing behind`, async (t) => {
    const { journal } = await open(t);
    const blobs = { b1: '1' };
    const head = await append(journal, 's', emptyHead, 'c1', [1], { blobs });
    await append(journal, 's', head, 'c2', [2]);
    await append(journal, 'other', emptyHead, 'c1', [1], { blobs });
    await journal.snapshot('s', head, '{}', 0);
    await journal.forget('s');
    assert.deepEqual(await journal.read('s', 0), { commits: [], head: emptyHead });
    assert.equal(await journal.latestSnapshot('s'), undefined);
    assert.equal(await journal.blob('s', 'b1'), undefined);
    assert.deepEqual(await swarmsOf(journal), ['other']);
    assert.equal(await journal.blob('other', 'b1'), '1');

    const again = await append(journal, 's', emptyHead, 'c9', [9]);
    assert.deepEqual(await journal.read('s', 0), { commits: [{ head: again, events: [event(9)] }], head: again });
  });

  test(`${name}: what is called in a row for one swarm happens in that order`, async (t) => {
    const { journal } = await open(t);
    const head1 = { version: 1, commitId: 'c1' };
    const head2 = { version: 2, commitId: 'c2' };
    await Promise.all([
      append(journal, 's', emptyHead, 'c1', [1], { blobs: { b1: '1' } }),
      append(journal, 's', head1, 'c2', [2]),
      journal.snapshot('s', head2, '{}', 1),
      journal.forget('s'),
      append(journal, 's', emptyHead, 'c3', [3]),
    ]);
    const head = { version: 1, commitId: 'c3' };
    assert.deepEqual(await journal.read('s', 0), { commits: [{ head, events: [event(3)] }], head });
    assert.equal(await journal.latestSnapshot('s'), undefined);
    assert.equal(await journal.blob('s', 'b1'), undefined);
  });

  test(`${name}: a closed journal rejects every call`, async (t) => {
    const { journal } = await open(t);
    const head = await append(journal, 's', emptyHead, 'c1', [1]);
    await journal.close();
    await assert.rejects(journal.append('s', head, { id: 'c2', events: [event(2)] }), /closed/);
    await assert.rejects(journal.read('s', 0), /closed/);
    await assert.rejects(journal.latestSnapshot('s'), /closed/);
    await assert.rejects(journal.blob('s', 'b1'), /closed/);
    await assert.rejects(journal.snapshot('s', head, '{}', 0), /closed/);
    await assert.rejects(journal.forget('s'), /closed/);
    await assert.rejects(swarmsOf(journal), /closed/);
  });

  test(`${name}: everything is there after closing and opening again`, async (t) => {
    const { journal, reopen } = await open(t);
    if (journal.durability === 'volatile') return assert.equal(reopen, undefined);
    const head = await appendAll(journal, 's', [[1, 2], [3], [4, 5]]);
    await journal.snapshot('s', { version: 3, commitId: 'c2' }, '{"sum":6}', 2);
    const inFlight = append(journal, 'other', emptyHead, 'c1', [1], { blobs: { b1: '"🦢"' } });
    await journal.close();
    const otherHead = await inFlight;

    const again = await reopen!();
    assert.deepEqual(await swarmsOf(again), ['other', 's']);
    assert.deepEqual(await again.read('s', 2), {
      commits: [
        { head: { version: 3, commitId: 'c2' }, events: [event(3)] },
        { head, events: [event(4), event(5)] },
      ],
      head,
    });
    assert.deepEqual((await again.read('s', 0)).snapshot, await again.latestSnapshot('s'));
    assert.equal((await again.latestSnapshot('s'))?.state, '{"sum":6}');
    assert.equal(await again.blob('other', 'b1'), '"🦢"');
    assert.equal((await again.append('s', emptyHead, { id: 'c4', events: [event(6)] })).kind, 'conflict');
    assert.deepEqual(await append(again, 's', head, 'c4', [6]), { version: 6, commitId: 'c4' });
    await append(again, 'other', otherHead, 'c2', [2]);
  });
}

export function event(n: number, data?: unknown): NumberedEvent {
  return data === undefined ? { type: 'numbered', n } : { type: 'numbered', n, data };
}

export function numbers(commits: readonly StoredCommit<NumberedEvent>[]): number[] {
  return commits.flatMap(({ events }) => events.map(({ n }) => n));
}

/** Appends what must not conflict. */
export async function append(
  journal: Journal<NumberedEvent>,
  swarm: string,
  expect: Head,
  id: string,
  numbered: readonly number[],
  { blobs, dropBlobs = [] }: { blobs?: Record<string, string>; dropBlobs?: string[] } = {},
): Promise<Head> {
  const events = numbered.map((n) => event(n));
  const result = await journal.append(swarm, expect, {
    id,
    events,
    dropBlobs,
    ...(blobs && { blobs: new Map(Object.entries(blobs)) }),
  });
  assert.equal(result.kind, 'appended');
  return result.head;
}

/** Appends commits c1, c2, ... */
async function appendAll(journal: Journal<NumberedEvent>, swarm: string, commits: number[][]): Promise<Head> {
  let head = emptyHead;
  for (const [i, numbered] of commits.entries()) head = await append(journal, swarm, head, `c${i + 1}`, numbered);
  return head;
}

async function swarmsOf(journal: Journal<NumberedEvent>): Promise<string[]> {
  const found: string[] = [];
  for await (const swarm of journal.swarms()) found.push(swarm);
  return found.sort();
}
