import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openDataDir, type LmdbStore } from '../../src/store/data-dir.ts';
import { emptyHead } from '../../src/journal/journal.ts';
import { lmdbJournal } from '../../src/journal/lmdb.ts';
import { append, event, journalConformance, numbers, type NumberedEvent } from './conformance.ts';

const appender = fileURLToPath(new URL('appender.ts', import.meta.url));

journalConformance('lmdb', async (t) => {
  const dir = temporaryDirectory(t);
  const store = await openStore(t, dir);
  const journal = journalOn(store);
  const reopen = async () => {
    await store.close();
    return journalOn(await openStore(t, dir));
  };
  return { journal, reopen };
});

test('lmdb: what is acknowledged survives kill -9', async (t) => {
  const dir = temporaryDirectory(t);
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--import', 'tsx', appender, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const acknowledged = new Map<string, number>();
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const { swarm, n } = JSON.parse(line) as { swarm: string; n: number };
      acknowledged.set(swarm, n);
      if (++lines === 200) child.kill('SIGKILL');
    }
    assert.deepEqual(await exited, [null, 'SIGKILL']);
    const store = await openStore(t, dir);
    const journal = journalOn(store);
    for (const [swarm, highest] of acknowledged) {
      const { commits, head } = await journal.read(swarm, 0, Infinity);
      assert.ok(head.version >= highest);
      const expected = Array.from({ length: head.version }, (_, i) => i + 1);
      assert.deepEqual(numbers(commits), expected);
      // The blobs are in the same atomic step as their commits.
      for (const n of expected) assert.equal(await journal.blob(swarm, `b${n}`), `${n}`);
      assert.equal(await journal.blob(swarm, `b${head.version + 1}`), undefined);
    }
    await store.close();
  }
});

test('lmdb: events lie in the file as JSON text', async (t) => {
  const dir = temporaryDirectory(t);
  const journal = journalOn(await openStore(t, dir));
  await append(journal, 's', emptyHead, 'c1', [4711]);
  assert.ok(readFileSync(join(dir, 'skein.mdb')).includes('{"id":"c1","events":[{"type":"numbered","n":4711}]}'));
});

test('lmdb: a commit, a blob and a snapshot of many megabytes come back, also after opening again', async (t) => {
  const dir = temporaryDirectory(t);
  // Above 16 MiB lmdb reads in another way.
  const large = 'ä'.repeat(10_000_000);
  const json = JSON.stringify(large);
  const head = { version: 1, commitId: 'c1' };
  let store = await openStore(t, dir);
  const journal = journalOn(store);
  await journal.append('s', emptyHead, { id: 'c1', events: [event(1, large)], blobs: new Map([['b1', json]]) });
  await journal.snapshot('s', head, json, 0);
  for (let i = 0; i < 3; i++) {
    const reader = journalOn(store);
    assert.ok((await reader.blob('s', 'b1')) === json);
    assert.ok((await reader.latestSnapshot('s'))?.state === json);
    assert.deepEqual((await reader.read('s', 0)).commits, [{ head, events: [event(1, large)] }]);
    await store.close();
    store = await openStore(t, dir);
  }
});

test('lmdb: an id that cannot be a key is refused, and the store goes on', async (t) => {
  const journal = journalOn(await openStore(t, temporaryDirectory(t)));
  const long = 'x'.repeat(257);
  for (const id of ['', 'a\0b', long]) {
    await assert.rejects(journal.append(id, emptyHead, { id: 'c1', events: [event(1)] }), /is not 1 to 256 characters/);
    const commit = { id: 'c1', events: [event(1)] };
    await assert.rejects(journal.append('s', emptyHead, { ...commit, blobs: new Map([[id, '1']]) }), /is not 1 to 256/);
    await assert.rejects(journal.append('s', emptyHead, { ...commit, dropBlobs: [id] }), /is not 1 to 256 characters/);
  }
  const longest = '\uffff'.repeat(256);
  await append(journal, longest, emptyHead, longest, [1], { blobs: { [longest]: '1' } });
  await journal.snapshot(longest, { version: 1, commitId: longest }, '{}', 0);
  assert.equal(await journal.blob(longest, longest), '1');
  assert.equal((await journal.latestSnapshot(longest))?.state, '{}');
});

test('store: writes of one turn are one commit', async (t) => {
  const store = await openStore(t, temporaryDirectory(t));
  const database = store.texts('d');
  const order: string[] = [];
  const writes = Array.from({ length: 100 }, async (_, i) => {
    await store.write(`scope ${i}`, () => {
      order.push('put');
      void database.put(i, `${i}`);
      // Nothing is visible before it is durable.
      assert.equal(database.get(0), undefined);
    });
    order.push('done');
    assert.equal(database.get(99), '99');
  });
  await Promise.all(writes);
  assert.deepEqual(order, [...Array<string>(100).fill('put'), ...Array<string>(100).fill('done')]);
});

test('store: writes of one scope see each other, in order, also among those of others', async (t) => {
  const store = await openStore(t, temporaryDirectory(t));
  const database = store.texts('d');
  const increment = (key: string) =>
    store.write(key, () => {
      const next = Number(database.get(key) ?? 0) + 1;
      void database.put(key, `${next}`);
      return next;
    });
  const results = await Promise.all(['a', 'b', 'a', 'c', 'b', 'a'].map(increment));
  assert.deepEqual(results, [1, 1, 2, 1, 2, 3]);
});

test('store: a commit of no changes is done all the same', async (t) => {
  const store = await openStore(t, temporaryDirectory(t));
  assert.equal(await store.write('s', () => 42), 42);
});

test('store: a database cannot be opened into the middle of a commit', async (t) => {
  const store = await openStore(t, temporaryDirectory(t));
  const writing = store.write('s', () => {});
  assert.throws(() => store.texts('late'), /database late must be opened before the first write/);
  await writing;
});

test('store: an action that throws stops everything, once', async (t) => {
  const store = await openStore(t, temporaryDirectory(t));
  const failures: Error[] = [];
  const journal = lmdbJournal<NumberedEvent>(store, { onFailure: (error) => failures.push(error) });
  const head = await append(journal, 's', emptyHead, 'c1', [1]);
  const results = await Promise.allSettled([
    journal.append('s', head, { id: 'c2', events: [event(2)] }),
    store.write('bad', () => {
      throw new Error('a bug');
    }),
    journal.append('other', emptyHead, { id: 'c1', events: [event(1)] }),
    // Not in the same commit as the first one.
    journal.append('s', head, { id: 'c3', events: [event(3)] }),
  ]);
  for (const result of results) assert.match(String(result.status === 'rejected' && result.reason), /a bug/);
  await assert.rejects(journal.read('s', 0), /has stopped, a commit failed: a bug/);
  await assert.rejects(
    store.write('s', () => 1),
    /has stopped, a commit failed: a bug/,
  );
  assert.equal(await store.failed, failures[0]);
  assert.equal(failures.length, 1);
});

function journalOn(store: LmdbStore) {
  return lmdbJournal<NumberedEvent>(store, { onFailure: (error) => assert.fail(error) });
}

async function openStore(t: TestContext, dir: string): Promise<LmdbStore> {
  const store = await openDataDir(dir);
  t.after(() => store.close());
  return store;
}

/** Removed when all that was registered after it has been closed, hence first. */
function temporaryDirectory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'skein-journal-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
