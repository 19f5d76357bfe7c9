/**
 * The memory bank on the embedded store, LMDB, which one process has to itself.
 *
 * - Every call is decided at once, in the order of the calls, against everything that was decided before. Its answer
 *   leaves when what it depends on is on disk, so no answer, not even that of a `get`, can be taken back by a crash.
 * - A value, its place in the order of keys, its expiry, the swarm's usage and the request's answer are written in one
 *   transaction, so a crash at any point leaves them in agreement.
 * - A value is live until the clock reaches `expiresAt`. What has expired is found through an index by time and removed
 *   when an alarm rings for the earliest, or before that when a quota or a usage is asked for and it matters.
 * - A failed commit is fail-stop: every call is refused from then on. The store tells its owner, who ends the process.
 *
 * One database of JSON texts. A record's kind is the first byte of its key:
 *   m swarm namespace key   version, times and size of a value: what lists and checks read
 *   v swarm namespace key   the value
 *   r swarm requestId       the answer of a request
 *   s swarm                 the swarm's last version and its usage
 *   x time record           the record (m or r) expires at this time
 */
import { Buffer } from 'node:buffer';
import { isRefusal, type Refusal } from '../core/refusal.ts';
import type { Address, Bank, BankLimits, Deleted, ListPage, Listed, Stored, Usage } from './bank.ts';
import { groupCommit, type TextStore } from './group-commit.ts';
import {
  addressFault,
  assertValid,
  fits,
  listFault,
  quotaExceeded,
  requestIdFault,
  requestIdReused,
  swarmIdFault,
  ttlFault,
  unavailable,
  versionConflict,
} from './rules.ts';

/** The system's time, or a test's own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `ms` milliseconds, or early when that is too long for a timer; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** How many expired records are removed before other work gets its turn. */
const sweepRecordsMax = 1_000;

interface Meta extends Stored {
  readonly bytes: number;
}

interface Counters extends Usage {
  readonly version: number;
}

interface Answered {
  readonly operation: string;
  readonly answer: Stored | Deleted;
  readonly expiresAt: number;
}

export function lmdbBank(
  textStore: TextStore,
  { limits, clock }: { readonly limits: BankLimits; readonly clock: Clock },
): Bank {
  const store = groupCommit(textStore, 'memory');
  let closed = false;
  let alarmAt = Infinity;
  let cancelAlarm = (): void => {};
  awaitEarliest();

  function read<T>(key: string): T | undefined {
    const text = store.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  function countersOf(swarm: string): Counters {
    return read<Counters>('s' + swarm) ?? { version: 0, keys: 0, bytes: 0 };
  }

  function refusal(definite = true): Refusal {
    return unavailable(closed ? 'it is closed' : 'a commit to the embedded store failed', definite);
  }

  // Expiry

  function setAlarm(at: number): void {
    if (at >= alarmAt || closed) return;
    cancelAlarm();
    alarmAt = at;
    cancelAlarm = clock.after(at - clock.now(), () => {
      alarmAt = Infinity;
      if (store.failed()) return;
      sweep(clock.now(), sweepRecordsMax);
      awaitEarliest();
    });
  }

  function awaitEarliest(): void {
    for (const key of store.keys('x', 'y')) return setAlarm(timeOf(key));
  }

  function sweep(now: number, recordsMax: number): void {
    let records = 0;
    for (const key of store.keys('x', expiryKey(now + 1, ''))) {
      store.remove(key);
      const record = recordOf(key);
      if (record.startsWith('m')) dropValue(record.slice(1));
      else store.remove(record);
      if (++records === recordsMax) return;
    }
  }

  function someRecords(prefix: string): string[] {
    const records: string[] = [];
    for (const key of store.keys(prefix, prefix + '\xff')) {
      if (records.push(key) === sweepRecordsMax) break;
    }
    return records;
  }

  function addExpiry(record: string, expiresAt: number): void {
    store.set(expiryKey(expiresAt, record), 'null');
    setAlarm(expiresAt);
  }

  // Values; `place` is swarm, namespace and key

  function dropValue(place: string): void {
    const meta = read<Meta>('m' + place)!;
    const swarm = swarmOf(place);
    const { version, keys, bytes } = countersOf(swarm);
    const counters: Counters = { version, keys: keys - 1, bytes: bytes - meta.bytes - keyBytes(place) };
    store.set('s' + swarm, JSON.stringify(counters));
    store.remove('m' + place);
    store.remove('v' + place);
    if (meta.expiresAt !== null) store.remove(expiryKey(meta.expiresAt, 'm' + place));
  }

  function versionAt(place: string, now: number): number {
    const meta = read<Meta>('m' + place);
    return meta && isLive(meta, now) ? meta.version : 0;
  }

  /** The counters as they will be when a value of `bytes` is stored at `place`. */
  function countersWith(place: string, bytes: number, held: Counters): Counters {
    const old = read<Meta>('m' + place);
    return {
      version: held.version + 1,
      keys: held.keys + (old ? 0 : 1),
      bytes: held.bytes + bytes - (old ? old.bytes : -keyBytes(place)),
    };
  }

  /** Decides a change, once per request id, and answers when it is on disk. */
  async function change<A extends Stored | Deleted>(
    kind: 'put' | 'delete',
    at: Address,
    requestId: string | undefined,
    decide: (place: string, now: number) => A | Refusal,
  ): Promise<A | Refusal> {
    assertValid(addressFault(at));
    if (closed || store.failed()) return refusal();
    const place = placeOf(at);
    const now = clock.now();
    const answer = requestId === undefined ? decide(place, now) : decideOnce(requestId);
    const onDisk = await store.settled();
    return onDisk ? answer : refusal(isRefusal(answer));

    function decideOnce(requestId: string): A | Refusal {
      assertValid(requestIdFault(requestId));
      const record = 'r' + swarmOf(place) + bytesOf(requestId);
      const operation = `${kind} ${at.namespace.length} ${at.namespace}${at.key}`;
      const before = read<Answered>(record);
      if (before && isLive(before, now)) {
        return before.operation === operation ? (before.answer as A) : requestIdReused(at, requestId);
      }
      const answer = decide(place, now);
      if (isRefusal(answer)) return answer;
      if (before) store.remove(expiryKey(before.expiresAt, record));
      const answered: Answered = { operation, answer, expiresAt: now + limits.requestIdMs };
      store.set(record, JSON.stringify(answered));
      addExpiry(record, answered.expiresAt);
      return answer;
    }
  }

  return {
    store: 'lmdb',

    async put(at, value, { ttlMs, ifVersion, requestId }) {
      if (ttlMs !== undefined) assertValid(ttlFault(ttlMs));
      return change('put', at, requestId, (place, now) => {
        const current = versionAt(place, now);
        if (ifVersion !== undefined && ifVersion !== current) return versionConflict(at, ifVersion, current);

        const bytes = Buffer.byteLength(value);
        const swarm = swarmOf(place);
        let held = countersOf(swarm);
        let counters = countersWith(place, bytes, held);
        if (!fits(counters, held, limits)) {
          sweep(now, Infinity);
          held = countersOf(swarm);
          counters = countersWith(place, bytes, held);
          if (!fits(counters, held, limits)) return quotaExceeded(at, bytes + keyBytes(place), held, limits);
        }

        const old = read<Meta>('m' + place);
        if (old && old.expiresAt !== null) store.remove(expiryKey(old.expiresAt, 'm' + place));
        const stored: Stored = {
          version: counters.version,
          storedAt: now,
          expiresAt: ttlMs === undefined ? null : now + ttlMs,
        };
        const meta: Meta = { ...stored, bytes };
        store.set('m' + place, JSON.stringify(meta));
        store.set('v' + place, value);
        store.set('s' + swarm, JSON.stringify(counters));
        if (stored.expiresAt !== null) addExpiry('m' + place, stored.expiresAt);
        return stored;
      });
    },

    async get(at) {
      assertValid(addressFault(at));
      if (closed || store.failed()) return refusal();
      const place = placeOf(at);
      const meta = read<Meta>('m' + place);
      const value = meta && store.get('v' + place);
      if (!(await store.settled('m' + place))) return refusal();
      if (!meta || !isLive(meta, clock.now())) return null;
      const { version, storedAt, expiresAt } = meta;
      return { value: value!, version, storedAt, expiresAt };
    },

    async list(swarmId, namespace, query) {
      assertValid(listFault(swarmId, namespace, query));
      if (closed || store.failed()) return refusal();
      const page = readPage();
      return (await store.settled()) ? page : refusal();

      function readPage(): ListPage {
        const now = clock.now();
        const scope = 'm' + bytesWithLength(swarmId) + bytesWithLength(namespace);
        const prefix = scope + bytesOf(query.prefix);
        const start = query.cursor === undefined ? prefix : scope + bytesOf(query.cursor) + '\0';
        const entries: Listed[] = [];
        for (const record of store.keys(start, prefix + '\xff')) {
          const meta = read<Meta>(record)!;
          if (!isLive(meta, now)) continue;
          if (entries.length === query.limit) return { entries, cursor: entries.at(-1)!.key };
          entries.push({ key: textOf(record.slice(scope.length)), ...meta });
        }
        return { entries, cursor: null };
      }
    },

    async delete(at, { ifVersion, requestId }) {
      return change('delete', at, requestId, (place, now) => {
        const current = versionAt(place, now);
        if (ifVersion !== undefined && ifVersion !== current) return versionConflict(at, ifVersion, current);
        if (current !== 0) dropValue(place);
        return { deleted: current !== 0 };
      });
    },

    async usage(swarmId) {
      assertValid(swarmIdFault(swarmId));
      if (closed || store.failed()) return refusal();
      sweep(clock.now(), Infinity);
      const { keys, bytes } = countersOf(bytesWithLength(swarmId));
      return (await store.settled()) ? { keys, bytes } : refusal();
    },

    async clear(swarmId) {
      assertValid(swarmIdFault(swarmId));
      if (closed || store.failed()) return refusal();
      const swarm = bytesWithLength(swarmId);
      for (;;) {
        const values = someRecords('m' + swarm);
        const requests = someRecords('r' + swarm);
        for (const record of values) dropValue(record.slice(1));
        for (const record of requests) {
          store.remove(expiryKey(read<Answered>(record)!.expiresAt, record));
          store.remove(record);
        }
        const done = values.length + requests.length === 0;
        if (done) store.remove('s' + swarm);
        if (!(await store.settled()) || (closed && !done)) return refusal(false);
        if (done) return;
      }
    },

    available: () => !closed && !store.failed(),

    async close() {
      closed = true;
      cancelAlarm();
      await store.settled();
    },
  };
}

function isLive({ expiresAt }: { readonly expiresAt: number | null }, now: number): boolean {
  return expiresAt === null || now < expiresAt;
}

// Keys of the database. Names have their length in front of them, so that none can run into what follows it.

function placeOf(at: Address): string {
  return bytesWithLength(at.swarmId) + bytesWithLength(at.namespace) + bytesOf(at.key);
}

function swarmOf(place: string): string {
  return place.slice(0, 1 + place.charCodeAt(0));
}

function keyBytes(place: string): number {
  const namespace = 1 + place.charCodeAt(0);
  return place.length - namespace - 1 - place.charCodeAt(namespace);
}

/** Hexadecimal digits that hold every safe integer. */
const timeDigits = 14;

function expiryKey(at: number, record: string): string {
  return 'x' + at.toString(16).padStart(timeDigits, '0') + record;
}

function timeOf(expiryKey: string): number {
  return parseInt(expiryKey.slice(1, 1 + timeDigits), 16);
}

function recordOf(expiryKey: string): string {
  return expiryKey.slice(1 + timeDigits);
}

function bytesWithLength(name: string): string {
  const bytes = bytesOf(name);
  return String.fromCharCode(bytes.length) + bytes;
}

function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}
