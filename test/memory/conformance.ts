/**
 * What every memory bank must do. `lmdb.test.ts` and `redis.test.ts` run it against the real stores.
 */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { isRefusal, type Refusal, type RefusalReason } from '../../src/core/refusal.ts';
import type { Address, Bank, BankLimits, Entry, ListPage } from '../../src/memory/bank.ts';

export interface OpenBank {
  readonly bank: Bank;
  /** A swarm id that no other test uses. */
  readonly swarmId: string;
  /** Ends the bank and opens its store again, as a restart of the coordinator does, which may change the limits. */
  reopen(limits?: BankLimits): Promise<Bank>;
  /** Returns when the store's clock has gone on by `ms` at least. */
  pass(ms: number): Promise<void>;
}

const roomy: BankLimits = { memoryKeysMax: 100_000, memoryBytesMax: 1e9, requestIdMs: 600_000 };

/** Long enough to be alive in every check, short enough to be waited for. */
const longMs = 600_000;
const shortMs = 30;

/** Thousands of values can be stored within it. If a slow machine cannot, the test passes without its point. */
const mediumMs = 500;

export function bankConformance(name: string, open: (t: TestContext, limits: BankLimits) => Promise<OpenBank>): void {
  describe(`memory bank on ${name}`, () => {
    const check = (what: string, run: (opened: OpenBank) => Promise<void>, limits?: Partial<BankLimits>): void => {
      test(what, async (t) => run(await open(t, { ...roomy, ...limits })));
    };

    check('stores, retrieves and overwrites, and gives the JSON text back as it came', async ({ bank, swarmId }) => {
      const at = address(swarmId, 'greeting');
      assert.equal(await bank.get(at), null);
      const first = ok(await bank.put(at, '{"n": 1.50, "s": "\\u00e9 é 🪿"}', {}));
      assert.equal(first.version, 1);
      assert.equal(first.expiresAt, null);
      assert.ok(first.storedAt > 0);
      assert.deepEqual(await bank.get(at), { value: '{"n": 1.50, "s": "\\u00e9 é 🪿"}', ...first });

      const second = ok(await bank.put(at, 'null', { ttlMs: longMs }));
      assert.equal(second.version, 2);
      assert.equal(second.expiresAt, second.storedAt + longMs);
      assert.deepEqual(await bank.get(at), { value: 'null', ...second });
    });

    check('does calls in their order when nobody waits for the answers', async ({ bank, swarmId }) => {
      const at = address(swarmId, 'k');
      const answers = await Promise.all([
        bank.get(at),
        bank.put(at, '1', {}),
        bank.get(at),
        bank.put(at, '2', {}),
        bank.list(swarmId, '', { prefix: '', limit: 10 }),
        bank.usage(swarmId),
        bank.delete(at, {}),
        bank.get(at),
        bank.list(swarmId, '', { prefix: '', limit: 10 }),
      ]);
      assert.equal(answers[0], null);
      assert.equal((answers[2] as Entry).value, '1');
      assert.deepEqual(
        (answers[4] as ListPage).entries.map(({ key, version }) => [key, version]),
        [['k', 2]],
      );
      assert.deepEqual(answers[5], { keys: 1, bytes: 2 });
      assert.deepEqual(answers[6], { deleted: true });
      assert.equal(answers[7], null);
      assert.deepEqual(answers[8], { entries: [], cursor: null });
    });

    check('deletes, and says whether there was something', async ({ bank, swarmId }) => {
      const at = address(swarmId, 'k');
      assert.deepEqual(await bank.delete(at, {}), { deleted: false });
      ok(await bank.put(at, '1', {}));
      assert.deepEqual(await bank.delete(at, {}), { deleted: true });
      assert.equal(await bank.get(at), null);
      assert.deepEqual(await bank.delete(at, {}), { deleted: false });
      assert.deepEqual(await bank.usage(swarmId), { keys: 0, bytes: 0 });
    });

    check('a value is gone when its time to live has passed', async ({ bank, swarmId, pass }) => {
      const at = address(swarmId, 'short');
      ok(await bank.put(at, '1', { ttlMs: shortMs }));
      ok(await bank.put(address(swarmId, 'long'), '2', { ttlMs: longMs }));
      await pass(shortMs);
      assert.equal(await bank.get(at), null);
      assert.deepEqual(await keys(bank, swarmId), ['long']);
      assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 5 });
      assert.deepEqual(await bank.delete(at, {}), { deleted: false });
    });

    check('storing again replaces the time to live', async ({ bank, swarmId, pass }) => {
      const [kept, longer, shorter] = ['kept', 'longer', 'shorter'].map((key) => address(swarmId, key));
      ok(await bank.put(kept!, '1', { ttlMs: shortMs }));
      ok(await bank.put(kept!, '2', {}));
      ok(await bank.put(longer!, '1', { ttlMs: shortMs }));
      ok(await bank.put(longer!, '2', { ttlMs: longMs }));
      ok(await bank.put(shorter!, '1', { ttlMs: longMs }));
      ok(await bank.put(shorter!, '2', { ttlMs: shortMs }));
      await pass(shortMs);
      assert.equal(((await bank.get(kept!)) as Entry).value, '2');
      assert.equal(((await bank.get(longer!)) as Entry).value, '2');
      assert.equal(await bank.get(shorter!), null);
      assert.deepEqual(await keys(bank, swarmId), ['kept', 'longer']);
      assert.equal((ok(await bank.usage(swarmId)) as { keys: number }).keys, 2);
    });

    check('versions go on after deletion, expiry and a restart', async ({ bank, swarmId, pass, reopen }) => {
      const at = address(swarmId, 'k');
      const versions = [ok(await bank.put(at, '1', {})).version];
      ok(await bank.delete(at, {}));
      versions.push(ok(await bank.put(at, '2', { ttlMs: shortMs })).version);
      await pass(shortMs);
      versions.push(ok(await bank.put(at, '3', {})).version);
      ok(await bank.delete(at, {}));
      const again = await reopen();
      versions.push(ok(await again.put(at, '4', {})).version);
      assert.deepEqual(
        versions,
        [...new Set(versions)].sort((a, b) => a - b),
      );
    });

    check('compares and sets', async ({ bank, swarmId, pass }) => {
      const at = address(swarmId, 'k');
      refused(await bank.put(at, '0', { ifVersion: 7 }), 'memory_version_conflict', {
        expectedVersion: 7,
        currentVersion: 0,
      });
      const first = ok(await bank.put(at, '1', { ifVersion: 0 }));
      const conflict = await bank.put(at, '2', { ifVersion: 0 });
      refused(conflict, 'memory_version_conflict', { expectedVersion: 0, currentVersion: first.version });
      const second = ok(await bank.put(at, '2', { ifVersion: first.version }));
      const stale = await bank.put(at, '3', { ifVersion: first.version });
      refused(stale, 'memory_version_conflict', { expectedVersion: first.version, currentVersion: second.version });
      assert.match((stale as Refusal).message, /its version is 2, and ifVersion is 1/);
      refused(await bank.delete(at, { ifVersion: first.version }), 'memory_version_conflict');
      assert.equal(((await bank.get(at)) as Entry).value, '2');
      assert.deepEqual(await bank.delete(at, { ifVersion: second.version }), { deleted: true });
      refused(await bank.delete(at, { ifVersion: second.version }), 'memory_version_conflict', { currentVersion: 0 });

      const fleeting = ok(await bank.put(at, '4', { ttlMs: shortMs }));
      await pass(shortMs);
      refused(await bank.put(at, '5', { ifVersion: fleeting.version }), 'memory_version_conflict', {
        currentVersion: 0,
      });
      ok(await bank.put(at, '5', { ifVersion: 0 }));
    });

    check('1,000 concurrent compare-and-set increments lose none', async ({ bank, swarmId }) => {
      const at = address(swarmId, 'counter');
      ok(await bank.put(at, '0', {}));
      const increment = async (): Promise<void> => {
        for (;;) {
          const { value, version } = (await bank.get(at)) as Entry;
          const answer = await bank.put(at, String(Number(value) + 1), { ifVersion: version });
          if (!isRefusal(answer)) return;
          assert.equal(answer.refused, 'memory_version_conflict');
        }
      };
      // Twenty at a time: with all at once, each round of a thousand attempts would have one winner.
      let left = 1_000;
      const worker = async (): Promise<void> => {
        while (left-- > 0) await increment();
      };
      await Promise.all(Array.from({ length: 20 }, worker));
      assert.deepEqual(((await bank.get(at)) as Entry).value, '1000');
    });

    check('of 1,000 concurrent stores for one version exactly one wins', async ({ bank, swarmId }) => {
      const at = address(swarmId, 'k');
      const answers = await Promise.all(
        Array.from({ length: 1_000 }, (_, i) => bank.put(at, String(i), { ifVersion: 0 })),
      );
      assert.equal(answers.filter((answer) => !isRefusal(answer)).length, 1);
      assert.equal(((await bank.get(at)) as Entry).version, 1);
    });

    check('the same request id gets the same answer and has one effect', async ({ bank, swarmId, reopen }) => {
      const at = address(swarmId, 'k');
      const put = { requestId: 'r1', ttlMs: longMs };
      const first = ok(await bank.put(at, '1', put));
      assert.deepEqual(await bank.put(at, '1', put), first);
      ok(await bank.put(at, '2', {}));
      assert.deepEqual(await bank.put(at, '1', put), first);
      assert.equal(((await bank.get(at)) as Entry).value, '2');

      assert.deepEqual(await bank.delete(at, { requestId: 'r2' }), { deleted: true });
      assert.deepEqual(await bank.delete(at, { requestId: 'r3' }), { deleted: false });
      const last = ok(await bank.put(at, '3', { requestId: 'r4', ifVersion: 0 }));
      assert.deepEqual(await bank.delete(at, { requestId: 'r2' }), { deleted: true });
      assert.deepEqual(await bank.delete(at, { requestId: 'r3' }), { deleted: false });
      assert.deepEqual(await bank.put(at, '3', { requestId: 'r4', ifVersion: 0 }), last);

      const again = await reopen();
      assert.deepEqual(await again.put(at, '1', put), first);
      assert.deepEqual(await again.delete(at, { requestId: 'r2' }), { deleted: true });
      assert.deepEqual(await again.get(at), { value: '3', ...last });
    });

    check('a request that comes many times at once has one effect', async ({ bank, swarmId }) => {
      const at = address(swarmId, 'k');
      const answers = await Promise.all(Array.from({ length: 50 }, () => bank.put(at, '1', { requestId: 'r' })));
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
      assert.equal(ok(await bank.put(at, '2', {})).version, 2);
    });

    check('a request id for another address or operation is refused', async ({ bank, swarmId }) => {
      const at = { swarmId, namespace: 'n', key: 'k' };
      ok(await bank.put(at, '1', { requestId: 'r' }));
      const reused = await bank.put({ ...at, key: 'other' }, '1', { requestId: 'r' });
      refused(reused, 'request_id_reused', { requestId: 'r' });
      assert.match((reused as Refusal).message, /"other" in namespace "n" was not changed: requestId "r"/);
      refused(await bank.put({ ...at, namespace: '' }, '1', { requestId: 'r' }), 'request_id_reused');
      refused(await bank.delete(at, { requestId: 'r' }), 'request_id_reused');
      ok(await bank.put({ ...at, swarmId: `${swarmId}-2` }, '1', { requestId: 'r' }));
      assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 2 });

      // Names that look alike when they are put together carelessly.
      ok(await bank.put({ swarmId, namespace: 'a', key: 'b:c' }, '1', { requestId: 'r2' }));
      refused(await bank.put({ swarmId, namespace: 'a:b', key: 'c' }, '1', { requestId: 'r2' }), 'request_id_reused');
      ok(await bank.delete({ swarmId, namespace: '', key: 'a1 put b' }, { requestId: 'r3' }));
      refused(await bank.delete({ swarmId, namespace: '', key: 'a' }, { requestId: 'r3' }), 'request_id_reused');
    });

    check('a refusal is not remembered', async ({ bank, swarmId }) => {
      const at = address(swarmId, 'k');
      ok(await bank.put(at, '1', {}));
      refused(await bank.put(at, '2', { ifVersion: 0, requestId: 'r' }), 'memory_version_conflict');
      ok(await bank.delete(at, {}));
      ok(await bank.put(at, '2', { ifVersion: 0, requestId: 'r' }));
    });

    check(
      'a request is forgotten after requestIdMs',
      async ({ bank, swarmId, pass }) => {
        const at = address(swarmId, 'k');
        assert.equal(ok(await bank.put(at, '1', { requestId: 'r' })).version, 1);
        await pass(shortMs);
        assert.equal(ok(await bank.put(at, '1', { requestId: 'r' })).version, 2);
        await pass(shortMs);
        assert.deepEqual(await bank.delete(at, { requestId: 'r' }), { deleted: true });
      },
      { requestIdMs: shortMs },
    );

    check(
      'the quota of keys refuses and evicts nothing',
      async ({ bank, swarmId }) => {
        for (const key of ['a', 'b', 'c']) ok(await bank.put(address(swarmId, key), '1', {}));
        const over = await bank.put(address(swarmId, 'd'), '1', { requestId: 'r' });
        refused(over, 'memory_quota', { keys: 3, memoryKeysMax: 3 });
        assert.match((over as Refusal).message, /3 of 3 keys and 6 of 1000000000 bytes. Delete/);
        ok(await bank.put(address(swarmId, 'a'), '2', {}));
        refused(await bank.put({ swarmId, namespace: 'other', key: 'a' }, '1', {}), 'memory_quota');
        ok(await bank.put(address(`${swarmId}-2`, 'd'), '1', {}));
        ok(await bank.delete(address(swarmId, 'b'), {}));
        ok(await bank.put(address(swarmId, 'd'), '1', { requestId: 'r' }));
        assert.deepEqual(await keys(bank, swarmId), ['a', 'c', 'd']);
      },
      { memoryKeysMax: 3 },
    );

    check(
      'the quota of bytes counts keys and values',
      async ({ bank, swarmId }) => {
        const at = address(swarmId, 'é');
        refused(await bank.put(at, '"1234567"', {}), 'memory_quota', { bytes: 0, memoryBytesMax: 10, bytesAsked: 11 });
        ok(await bank.put(at, '"123456"', {}));
        assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 10 });
        refused(await bank.put(address(swarmId, 'x'), '1', {}), 'memory_quota', { bytes: 10, bytesAsked: 2 });
        refused(await bank.put(at, '"1234567"', {}), 'memory_quota');
        ok(await bank.put(at, '"ü"', {}));
        assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 6 });
        ok(await bank.put({ swarmId, namespace: 'a long namespace', key: 'x' }, '123', {}));
        assert.deepEqual(await bank.usage(swarmId), { keys: 2, bytes: 10 });
        ok(await bank.delete(at, {}));
        assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 4 });
      },
      { memoryBytesMax: 10 },
    );

    check(
      'what has expired does not count against the quotas',
      async ({ bank, swarmId, pass }) => {
        // More than a store removes in one go.
        const fleeting = Array.from({ length: 2_400 }, (_, i) => address(swarmId, `fleeting ${i}`));
        for (const answer of await Promise.all(fleeting.map((at) => bank.put(at, '1', { ttlMs: shortMs })))) {
          if (isRefusal(answer)) refused(answer, 'memory_quota');
        }
        ok(await bank.put(address(swarmId, 'kept'), '1', { ttlMs: longMs }));
        await pass(shortMs);
        const wanted = Array.from({ length: 2_500 }, (_, i) => address(swarmId, `wanted ${i}`));
        const answers = await Promise.all(wanted.map((at) => bank.put(at, '1', {})));
        const over = answers.filter(isRefusal);
        assert.equal(over.length, 1);
        refused(over[0]!, 'memory_quota', { keys: 2_500 });
        assert.equal((ok(await bank.usage(swarmId)) as { keys: number }).keys, 2_500);
      },
      { memoryKeysMax: 2_500 },
    );

    check(
      'one big value can take the place of thousands of small ones that have expired',
      async ({ bank, swarmId, pass }) => {
        const small = Array.from({ length: 3_500 }, (_, i) => address(swarmId, `${1_000 + i}`));
        for (const answer of await Promise.all(small.map((at) => bank.put(at, '123456', { ttlMs: mediumMs }))))
          ok(answer);
        await pass(mediumMs);
        ok(await bank.put(address(swarmId, 'big'), 'x'.repeat(34_000), {}));
        assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 34_003 });
        refused(await bank.put(address(swarmId, 'more'), 'x'.repeat(1_000), {}), 'memory_quota', { bytes: 34_003 });
      },
      { memoryBytesMax: 35_000 },
    );

    check('a swarm over a lowered limit can shrink but not grow', async ({ bank, swarmId, reopen }) => {
      for (const key of ['a', 'b']) ok(await bank.put(address(swarmId, key), '"123456"', {}));
      const limited = await reopen({ ...roomy, memoryKeysMax: 1, memoryBytesMax: 5 });
      refused(await limited.put(address(swarmId, 'c'), '1', {}), 'memory_quota', { keys: 2, bytes: 18 });
      refused(await limited.put(address(swarmId, 'a'), '"1234567"', {}), 'memory_quota');
      ok(await limited.put(address(swarmId, 'a'), '"12345"', {}));
      assert.deepEqual(await limited.usage(swarmId), { keys: 2, bytes: 17 });
    });

    check('lists pages in the order of bytes, whatever is in the keys', async ({ bank, swarmId }) => {
      const weird = [
        'a', 'A', 'aa', 'a:b', 'a*', 'a[', 'a]', 'a?', 'a\\', '*', '[', '(', '+', '-', '{', '}', '{a}', '{}', ':', '::',
        '%', '%3A', '\0', '\0\0', 'a\0', 'a\0b', '\n', 'a\nb', '\r\n', ' ', '\t', '"', "'", '\u00ff', 'é', 'e\u0301',
        '\uffff', '𝒳', '🪿', '\ufdd0', '\u007f', '\u0080', 'x'.repeat(512), '🪿'.repeat(128), '__proto__', '0', '10', '9',
      ]; // prettier-ignore
      const sorted = [...weird].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      for (const [i, key] of weird.entries())
        ok(await bank.put(address(swarmId, key), JSON.stringify(key), { ttlMs: longMs + i }));
      for (const key of weird)
        assert.equal(((await bank.get(address(swarmId, key))) as Entry).value, JSON.stringify(key));

      for (const limit of [1, 7, weird.length - 1, weird.length, 1_000]) {
        const seen: string[] = [];
        let pages = 0;
        for (let cursor: string | null | undefined; cursor !== null; pages++) {
          const query = cursor === undefined ? { prefix: '', limit } : { prefix: '', limit, cursor };
          const page = ok(await bank.list(swarmId, '', query)) as ListPage;
          seen.push(...page.entries.map((entry) => entry.key));
          cursor = page.cursor;
        }
        assert.deepEqual(seen, sorted);
        assert.equal(pages, Math.ceil(weird.length / limit));
      }
      for (const prefix of [...weird, 'nothing', 'a\0b\0']) {
        assert.deepEqual(
          await keys(bank, swarmId, '', prefix),
          sorted.filter((key) => key.startsWith(prefix)),
        );
      }
    });

    check('lists what was stored, page by page under a prefix', async ({ bank, swarmId, pass }) => {
      for (const key of ['a', 'p/1', 'p/2', 'p/3', 'q']) ok(await bank.put(address(swarmId, key), '"é"', {}));
      const fleeting = ok(await bank.put(address(swarmId, 'p/25'), '1', { ttlMs: shortMs }));
      const stored = ok(await bank.put(address(swarmId, 'p/2'), '"üü"', { ttlMs: longMs }));
      assert.ok(stored.version > fleeting.version);
      await pass(shortMs);
      const first = ok(await bank.list(swarmId, '', { prefix: 'p/', limit: 2 })) as ListPage;
      assert.deepEqual(first.entries[1], { key: 'p/2', bytes: 6, ...stored });
      assert.ok(first.cursor);
      ok(await bank.delete(address(swarmId, 'p/2'), {}));
      const second = ok(await bank.list(swarmId, '', { prefix: 'p/', limit: 2, cursor: first.cursor })) as ListPage;
      assert.deepEqual(
        second.entries.map((entry) => entry.key),
        ['p/3'],
      );
      assert.equal(second.cursor, null);
      assert.deepEqual(await bank.list(swarmId, 'empty', { prefix: '', limit: 5 }), { entries: [], cursor: null });
    });

    check('holds big values', async ({ bank, swarmId }) => {
      const value = JSON.stringify('é'.repeat(512 * 1024));
      const sizes = Array.from({ length: 8 }, (_, i) => i);
      await Promise.all(sizes.map(async (i) => ok(await bank.put(address(swarmId, `big ${i}`), value, {}))));
      for (const i of sizes) assert.ok(((await bank.get(address(swarmId, `big ${i}`))) as Entry).value === value);
      const huge = JSON.stringify('x'.repeat(10 * 1024 * 1024));
      ok(await bank.put(address(swarmId, 'huge'), huge, {}));
      assert.ok(((await bank.get(address(swarmId, 'huge'))) as Entry).value === huge);
      const page = ok(await bank.list(swarmId, '', { prefix: 'big', limit: 10 })) as ListPage;
      assert.deepEqual(new Set(page.entries.map((entry) => entry.bytes)), new Set([Buffer.byteLength(value)]));
    });

    check('keeps namespaces and swarms apart, whatever they are called', async ({ bank, swarmId }) => {
      const swarms = [swarmId, `${swarmId}:`, `${swarmId}}`, `{${swarmId}}`, `${swarmId}%7D`, `${swarmId}:m`];
      const places = swarms.flatMap((swarmId) => [
        { swarmId, namespace: '', key: 'k' },
        { swarmId, namespace: '', key: ':k' },
        { swarmId, namespace: 'a', key: 'b:k' },
        { swarmId, namespace: 'a:b', key: 'k' },
        { swarmId, namespace: 'a%3Ab', key: 'k' },
        { swarmId, namespace: '{a}', key: 'k' },
        { swarmId, namespace: 'a\0', key: 'k' },
        { swarmId, namespace: 'a', key: '\0k' },
        { swarmId, namespace: 'n'.repeat(128), key: 'k'.repeat(512) },
      ]);
      for (const [i, at] of places.entries()) ok(await bank.put(at, String(i), {}));
      for (const [i, at] of places.entries()) {
        assert.equal(((await bank.get(at)) as Entry).value, String(i));
        const listed = await keys(bank, at.swarmId, at.namespace);
        const expected = places.filter((p) => p.swarmId === at.swarmId && p.namespace === at.namespace);
        assert.deepEqual(listed, expected.map((p) => p.key).sort());
      }
      for (const swarmId of swarms) assert.equal((ok(await bank.usage(swarmId)) as { keys: number }).keys, 9);
    });

    check('clears a swarm and nothing else', async ({ bank, swarmId }) => {
      const neighbours = [`${swarmId}2`, swarmId.slice(0, -1), `${swarmId}:`];
      for (const swarmId of neighbours) ok(await bank.put(address(swarmId, 'k'), '1', { requestId: 'r' }));
      const all = Array.from({ length: 2_100 }, (_, i) => ({ swarmId, namespace: `n${i % 3}`, key: `k${i}` }));
      const puts = all.map((at, i) => bank.put(at, '1', i % 2 ? { ttlMs: longMs } : { requestId: `r${i}` }));
      for (const answer of await Promise.all(puts)) ok(answer);
      assert.equal(await bank.clear(swarmId), undefined);
      assert.deepEqual(await bank.usage(swarmId), { keys: 0, bytes: 0 });
      for (const namespace of ['n0', 'n1', 'n2']) assert.deepEqual(await keys(bank, swarmId, namespace), []);
      for (const at of all.slice(0, 6)) assert.equal(await bank.get(at), null);
      assert.equal(await bank.clear(swarmId), undefined);
      for (const swarmId of neighbours) {
        assert.equal(((await bank.get(address(swarmId, 'k'))) as Entry).value, '1');
        assert.deepEqual(await bank.usage(swarmId), { keys: 1, bytes: 2 });
      }
    });

    check('a restart keeps values, their expiry, the usage and the order', async ({ bank, swarmId, reopen, pass }) => {
      const kept = ok(await bank.put(address(swarmId, 'kept'), '1', { ttlMs: longMs }));
      const forever = ok(await bank.put(address(swarmId, 'forever'), '2', {}));
      ok(await bank.put(address(swarmId, 'fleeting'), '3', { ttlMs: shortMs }));
      const again = await reopen();
      assert.deepEqual(await again.get(address(swarmId, 'kept')), { value: '1', ...kept });
      assert.deepEqual(await again.get(address(swarmId, 'forever')), { value: '2', ...forever });
      await pass(shortMs);
      assert.equal(await again.get(address(swarmId, 'fleeting')), null);
      assert.deepEqual(await keys(again, swarmId), ['forever', 'kept']);
      assert.deepEqual(await again.usage(swarmId), { keys: 2, bytes: 13 });
    });

    check('invalid arguments throw and say what would be right', async ({ bank, swarmId }) => {
      const invalid: readonly [Promise<unknown>, RegExp][] = [
        [bank.get(address(swarmId, '')), /^key must not be empty/],
        [bank.get(address('', 'k')), /^swarmId must not be empty/],
        [bank.get(address(swarmId, 'é'.repeat(257))), /^key must be at most 512 bytes of UTF-8, not 514/],
        [bank.get(address(swarmId, '\ud800')), /^key must be well-formed Unicode/],
        [bank.delete({ swarmId, namespace: 'x'.repeat(129), key: 'k' }, {}), /^namespace must be at most 128 bytes/],
        [bank.put(address(swarmId, 'k'), '1', { ttlMs: 0 }), /^ttlMs must be an integer from 1/],
        [bank.put(address(swarmId, 'k'), '1', { ttlMs: 1.5 }), /^ttlMs must be an integer from 1/],
        [bank.put(address(swarmId, 'k'), '1', { requestId: '' }), /^requestId must not be empty/],
        [bank.list(swarmId, '', { prefix: '', limit: 1_001 }), /^limit must be an integer from 1 to 1000, not 1001/],
        [
          bank.list(swarmId, '', { prefix: 'a', limit: 1, cursor: 'b' }),
          /^cursor belongs to a list with another prefix/,
        ],
      ];
      for (const [call, message] of invalid) await assert.rejects(call, { name: 'RangeError', message });
    });

    check('closing waits for the calls before it', async ({ bank, swarmId, reopen }) => {
      const stored = bank.put(address(swarmId, 'k'), '1', {});
      const again = await reopen();
      ok(await stored);
      assert.equal(((await again.get(address(swarmId, 'k'))) as Entry).value, '1');
    });

    check('a closed bank refuses', async ({ bank, swarmId }) => {
      assert.equal(bank.available(), true);
      await bank.close();
      assert.equal(bank.available(), false);
      const at = address(swarmId, 'k');
      refused(await bank.put(at, '1', {}), 'memory_unavailable', { definite: true });
      refused((await bank.get(at))!, 'memory_unavailable');
      refused(await bank.list(swarmId, '', { prefix: '', limit: 1 }), 'memory_unavailable');
      refused(await bank.usage(swarmId), 'memory_unavailable');
      await bank.close();
    });
  });
}

export function address(swarmId: string, key: string): Address {
  return { swarmId, namespace: '', key };
}

/** Fails unless the call was answered. */
export function ok<T extends object>(answer: T): Exclude<T, Refusal> {
  assert.ok(!isRefusal(answer), `refused: ${JSON.stringify(answer)}`);
  return answer as Exclude<T, Refusal>;
}

/** Fails unless the call was refused for `reason`, with at least `data`. */
export function refused(answer: object, reason: RefusalReason, data: Readonly<Record<string, unknown>> = {}): void {
  assert.ok(isRefusal(answer), `not refused: ${JSON.stringify(answer)}`);
  assert.equal(answer.refused, reason, JSON.stringify(answer));
  for (const [name, value] of Object.entries(data)) assert.deepEqual(answer.data?.[name], value, name);
}

export async function keys(bank: Bank, swarmId: string, namespace = '', prefix = ''): Promise<string[]> {
  const page = ok(await bank.list(swarmId, namespace, { prefix, limit: 1_000 })) as ListPage;
  assert.equal(page.cursor, null);
  return page.entries.map((entry) => entry.key);
}
