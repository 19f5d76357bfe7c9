import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Database } from 'lmdb';
import type { Bank, BankLimits, Entry, ListPage, Stored, Usage } from '../../src/memory/bank.ts';
import type { TextStore } from '../../src/memory/group-commit.ts';
import { lmdbBank } from '../../src/memory/lmdb.ts';
import { openDataDir } from '../../src/store/data-dir.ts';
import { address, bankConformance, keys, ok, refused } from './conformance.ts';

const limits: BankLimits = { memoryKeysMax: 1_000, memoryBytesMax: 1e6, requestIdMs: 60_000 };
const swarmId = 'swarm_1';
const k = address(swarmId, 'k');

bankConformance('lmdb', async (t, limits) => {
  const dir = temporaryDirectory(t);
  const clock = fakeClock();
  const first = await open(t, limits, dir, clock);
  return {
    bank: first.bank,
    swarmId,
    async reopen(newLimits = limits) {
      await first.close();
      return (await open(t, newLimits, dir, clock)).bank;
    },
    pass: async (ms) => clock.advance(ms),
  };
});

test('a value is live up to, but not at, its expiry', async (t) => {
  const { bank, clock } = await open(t);
  const { expiresAt } = ok(await bank.put(k, '1', { ttlMs: 1_000, requestId: 'r' })) as Stored;
  assert.equal(expiresAt, clock.now() + 1_000);
  clock.advance(999);
  assert.equal(((await bank.get(k)) as Entry).value, '1');
  refused(await bank.put(k, '2', { ifVersion: 0 }), 'memory_version_conflict');
  clock.advance(1);
  assert.equal(await bank.get(k), null);
  assert.deepEqual(await keys(bank, swarmId), []);
  ok(await bank.put(k, '2', { ifVersion: 0 }));
});

test('a value whose alarm has not rung yet is gone all the same', async (t) => {
  const { bank, clock } = await open(t, { ...limits, memoryKeysMax: 1 });
  ok(await bank.put(k, '1', { ttlMs: 1_000 }));
  clock.jump(1_000);
  assert.equal(await bank.get(k), null);
  assert.deepEqual(await keys(bank, swarmId), []);
  assert.deepEqual(await bank.delete(k, {}), { deleted: false });
  ok(await bank.put(address(swarmId, 'other'), '1', {}));
  assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 6 });
});

test('what expires while its own commit is under way leaves the quota at once', async (t) => {
  const { bank, clock } = await open(t, { ...limits, memoryKeysMax: 1 });
  const first = bank.put(k, '1', { ttlMs: 10 });
  clock.jump(10);
  const second = bank.put(address(swarmId, 'other'), '2', {});
  ok(await first);
  ok(await second);
  assert.deepEqual(await keys(bank, swarmId), ['other']);
});

test('a late alarm for an expired request leaves the one that came after it alone', async (t) => {
  const { bank, clock } = await open(t);
  ok(await bank.put(k, '1', { requestId: 'r' }));
  clock.jump(limits.requestIdMs);
  const { version } = ok(await bank.put(k, '2', { requestId: 'r' })) as Stored;
  clock.advance(0);
  assert.equal((ok(await bank.put(k, '2', { requestId: 'r' })) as Stored).version, version);
});

test('one alarm, for the earliest expiry, removes what has expired from the store', async (t) => {
  const { bank, clock, texts } = await open(t);
  const records = async (): Promise<string[]> => {
    await bank.usage(swarmId);
    return Array.from(texts().getKeys(), (key) => key.toString('latin1', 0, 1)).sort();
  };
  ok(await bank.put(address(swarmId, 'late'), '1', { ttlMs: 3_000 }));
  ok(await bank.put(address(swarmId, 'early'), '1', { ttlMs: 1_000 }));
  ok(await bank.put(address(swarmId, 'never'), '1', {}));
  ok(await bank.put(address(swarmId, 'deleted'), '1', { ttlMs: 500 }));
  ok(await bank.delete(address(swarmId, 'deleted'), {}));
  ok(await bank.put(address(swarmId, 'late'), '2', { ttlMs: 2_000, requestId: 'r' }));
  assert.equal(clock.alarms(), 1);
  assert.equal((await records()).join(''), 'mmmrsvvvxxx');
  clock.advance(500);
  clock.advance(500);
  assert.equal((await records()).join(''), 'mmrsvvxx');
  assert.equal(clock.alarms(), 1);
  clock.advance(1_000);
  assert.equal((await records()).join(''), 'mrsvx');
  clock.advance(limits.requestIdMs);
  assert.equal((await records()).join(''), 'msv');
  assert.equal(clock.alarms(), 0);
  assert.deepEqual(await bank.clear(swarmId), undefined);
  assert.deepEqual(await records(), []);
});

test('the alarm is set again after a restart, and thousands that are due are removed in steps', async (t) => {
  const dir = temporaryDirectory(t);
  const clock = fakeClock();
  const before = await open(t, { ...limits, memoryKeysMax: 5_000 }, dir, clock);
  const many = Array.from({ length: 2_500 }, (_, i) => address(swarmId, `${i}`));
  await Promise.all(many.map((at) => before.bank.put(at, '1', { ttlMs: 1_000 })));
  await before.close();
  clock.jump(5_000);

  const { bank, texts } = await open(t, limits, dir, clock);
  assert.equal(clock.alarms(), 1);
  let steps = 0;
  while (clock.alarms() > 0) {
    clock.advance(0);
    steps++;
  }
  assert.equal(steps, 3);
  await bank.close();
  assert.deepEqual(
    Array.from(texts().getKeys(), (key) => key.toString('latin1')),
    ['s\u0007swarm_1'],
  );
});

test('no answer leaves before what it tells of is on disk', async (t) => {
  const { bank, hold } = await open(t);
  ok(await bank.put(k, '1', {}));
  const release = hold();
  const order: string[] = [];
  const note =
    <T>(what: string) =>
    (answer: T): T => {
      order.push(what);
      return answer;
    };
  const waiting = Promise.all([
    bank.put(k, '2', {}).then(note('put')),
    bank.get(k).then(note('get')),
    bank.put(k, '3', { ifVersion: 1 }).then(note('conflict')),
    bank.list(swarmId, '', { prefix: '', limit: 1 }).then(note('list')),
    bank.usage(swarmId).then(note('usage')),
    bank.delete(k, {}).then(note('delete')),
    bank.get(k).then(note('get nothing')),
  ]);
  assert.deepEqual(await bank.get(address(swarmId, 'another')).then(note('get another')), null);
  assert.deepEqual(order, ['get another']);
  release();
  const [put, got, conflict, listed, usage, deleted, nothing] = await waiting;
  assert.deepEqual(order.sort(), ['conflict', 'delete', 'get', 'get another', 'get nothing', 'list', 'put', 'usage']);
  assert.equal((put as Stored).version, 2);
  assert.equal((got as Entry).value, '2');
  refused(conflict, 'memory_version_conflict', { currentVersion: 2 });
  assert.equal((listed as ListPage).entries[0]!.version, 2);
  assert.deepEqual(usage, { keys: 1, bytes: 2 });
  assert.deepEqual(deleted, { deleted: true });
  assert.equal(nothing, null);
});

test('what is written during a commit goes into one next commit', async (t) => {
  const { bank, commits, hold } = await open(t);
  const many = Array.from({ length: 100 }, (_, i) => address(swarmId, `${i}`));
  const release = hold();
  const first = many.map((at) => bank.put(at, '1', {}));
  while (commits() === 0) await nextTurn();
  const second = many.slice(0, 50).map((at) => bank.put(at, '2', {}));
  second.push(...many.slice(50).map((at) => bank.put(at, '3', {})));
  const listed = bank.list(swarmId, '', { prefix: '', limit: 1_000 });
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  assert.equal(commits(), 1);
  release();
  for (const answer of await Promise.all([...first, ...second])) ok(answer);
  assert.equal(commits(), 2);
  const { entries } = ok(await listed) as ListPage;
  assert.deepEqual(
    entries.map((entry) => entry.key),
    many.map((at) => at.key).sort(),
  );
  assert.ok(entries.every((entry) => entry.version > 100));
});

test('a failed commit is fail-stop: what it held is in doubt, everything later is refused', async (t) => {
  const { bank, fail } = await open(t);
  ok(await bank.put(k, '1', {}));
  fail();
  const [put, conflict, got] = await Promise.all([
    bank.put(k, '2', {}),
    bank.put(k, '3', { ifVersion: 1 }),
    bank.get(k),
  ]);
  refused(put, 'memory_unavailable', { definite: false });
  refused(conflict, 'memory_unavailable', { definite: true });
  refused(got!, 'memory_unavailable');
  assert.equal(bank.available(), false);
  refused(await bank.put(k, '4', {}), 'memory_unavailable', { definite: true });
  refused((await bank.get(k))!, 'memory_unavailable');
  refused(await bank.list(swarmId, '', { prefix: '', limit: 1 }), 'memory_unavailable');
  refused(await bank.usage(swarmId), 'memory_unavailable');
  refused((await bank.clear(swarmId)) as object, 'memory_unavailable');
});

test('a commit of somebody else that fails stops the bank too', async (t) => {
  const { bank, stop } = await open(t);
  ok(await bank.put(k, '1', {}));
  stop();
  await nextTurn();
  assert.equal(bank.available(), false);
  refused((await bank.get(k))!, 'memory_unavailable');
  refused(await bank.put(k, '2', {}), 'memory_unavailable', { definite: true });
});

test('kill -9 at any time leaves values, order, usage and versions in agreement, and loses nothing acknowledged', async (t) => {
  const dir = temporaryDirectory(t);
  const writer = fileURLToPath(new URL('writer.ts', import.meta.url));
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--import', 'tsx', writer, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const acknowledged = new Map<string, Stored>();
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const { key, stored } = JSON.parse(line) as { key: string; stored: Stored };
      acknowledged.set(key, stored);
      if (++lines === 500) child.kill('SIGKILL');
    }
    assert.deepEqual(await exited, [null, 'SIGKILL']);

    const { bank, close } = await open(t, limits, dir);
    let highest = 0;
    for (const [key, { version }] of acknowledged) {
      const entry = ok((await bank.get(address(swarmId, key)))!) as Entry;
      assert.ok(entry.version >= version);
      assert.equal(JSON.parse(entry.value).length, JSON.parse(entry.value)[0]);
      highest = Math.max(highest, entry.version);
    }
    const { entries } = ok(await bank.list(swarmId, '', { prefix: '', limit: 1_000 })) as ListPage;
    const usage = ok(await bank.usage(swarmId)) as Usage;
    assert.equal(usage.keys, entries.length);
    assert.equal(
      usage.bytes,
      entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.key) + entry.bytes, 0),
    );
    assert.ok((ok(await bank.put(k, '1', {})) as Stored).version > highest);
    ok(await bank.delete(k, {}));
    await close();
  }
});

interface Opened {
  readonly bank: Bank;
  readonly clock: FakeClock;
  /** The bank's records. */
  readonly texts: () => Database<string, Buffer>;
  readonly close: () => Promise<void>;
  /** Commits are made, but nobody is told until the result is called. */
  readonly hold: () => () => void;
  /** The next commit fails, and all after it. */
  readonly fail: () => void;
  /** The store says that a commit has failed. */
  readonly stop: () => void;
  readonly commits: () => number;
}

async function open(
  t: TestContext,
  bankLimits = limits,
  dir = temporaryDirectory(t),
  clock = fakeClock(),
): Promise<Opened> {
  const dataDir = await openDataDir(dir);
  let texts!: Database<string, Buffer>;
  let gate = Promise.resolve();
  let failing = false;
  let stop!: () => void;
  let commits = 0;
  const store: TextStore = {
    textsByBytes: (name) => (texts = dataDir.textsByBytes(name)),
    failed: new Promise<void>((resolve) => (stop = resolve)),
    async write(scope, action) {
      if (failing) throw new Error('no space left on device');
      await dataDir.write(scope, action);
      commits++;
      await gate;
    },
  };
  const bank = lmdbBank(store, { limits: bankLimits, clock });
  const close = async (): Promise<void> => {
    await bank.close();
    await dataDir.close();
  };
  t.after(close);
  return {
    bank,
    clock,
    texts: () => texts,
    close,
    hold() {
      let release!: () => void;
      gate = new Promise((resolve) => (release = resolve));
      return release;
    },
    fail: () => (failing = true),
    stop: () => stop(),
    commits: () => commits,
  };
}

function temporaryDirectory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'skein-memory-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

type FakeClock = ReturnType<typeof fakeClock>;

function fakeClock() {
  let now = 1_700_000_000_000;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  return {
    now: () => now,
    after(ms: number, callback: () => void) {
      const timer = { at: now + ms, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    /** Time goes on and what is due by then is called, once each. */
    advance(ms: number): void {
      now += ms;
      for (const timer of [...timers]) {
        if (timer.at <= now && timers.delete(timer)) timer.callback();
      }
    },
    /** Time goes on, but timers are late. */
    jump(ms: number): void {
      now += ms;
    },
    alarms: () => timers.size,
  };
}
