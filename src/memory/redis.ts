/**
 * The memory bank on Redis, for any number of coordinators.
 *
 * - Each change is decided and done in one step of Redis: the changes of a swarm that come in one turn of the event loop
 *   are one script, which costs Redis a third of what a script for each would. Time is Redis' own, for all coordinators.
 * - Values expire natively. The swarm's books learn of it later: each script strikes some of what has expired, and all
 *   of it before a quota refuses, a list or a usage is told. So these are exact, and the work of a script is bounded
 *   all the same: where too much is to be struck, it answers 'again' and is sent again.
 * - Each script of changes carries an id. When the connection is lost before the answer came, the script is sent again
 *   with the same id: it has one effect, and gets the first answer.
 * - Redis away: a call waits until Redis has been away for `memoryWaitMs` and is then refused, later ones at once. The
 *   refusal is `definite` unless the change was sent. The connection comes back by itself.
 * - The calls of a swarm are done in their order, except those that are sent again.
 *
 * Redis must not evict (`maxmemory-policy noeviction`): the books would go on counting what it dropped.
 *
 * Keys, all in the Cluster slot of their swarm; in swarm and namespace, `%`, `:`, `{` and `}` are percent-encoded:
 *   skein:{swarm}:m:<namespace>:<key>      the value, after a line "version storedAt expiresAt" (expiresAt 0: never)
 *   skein:{swarm}:memory:books             hash of version, keys and bytes of the swarm, and for each
 *                                          <namespace>:<key> of "version storedAt expiresAt bytes"
 *   skein:{swarm}:memory:order             sorted set of <namespace>:<key>, all with score 0
 *   skein:{swarm}:memory:expiry            sorted set of <namespace>:<key> by expiresAt
 *   skein:{swarm}:memory:request:<id>      the answer to a request of the caller's, kept for `requestIdMs`
 *   skein:{swarm}:memory:sent:<id>         the answers of a script of changes, kept for as long as it can be sent again
 */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { Redis, ReplyError } from 'ioredis';
import { isRefusal, type Refusal } from '../core/refusal.ts';
import type { Address, Bank, BankLimits, DeleteOptions, ListQuery, StoreOptions } from './bank.ts';
import type { Deleted, Entry, Listed, ListPage, Stored, Usage } from './bank.ts';
import {
  addressFault,
  assertValid,
  listFault,
  quotaExceeded,
  requestIdFault,
  requestIdReused,
  swarmIdFault,
  ttlFault,
  unavailable,
  versionConflict,
} from './rules.ts';

export interface RedisBankOptions {
  readonly url: string;
  readonly limits: BankLimits;
  readonly log: Log;
  /** How long a call waits for Redis to come back. Silence for half of it means that the connection is lost. */
  readonly memoryWaitMs?: number;
}

interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export function redisBank(options: RedisBankOptions): Bank {
  return new RedisBank(options);
}

const reconnectMsMax = 1_000;

/** What goes into one script at most, since Redis does nothing else meanwhile; one change may be larger. */
const batchChangesMax = 128;
const batchCharsMax = 2 ** 20;

/** Expired values that one script strikes from the books. */
const strikesMax = 1_000;

const books = `
  local books, order, expiry = KEYS[1], KEYS[2], KEYS[3]
  local call = redis.call

  local time = call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)

  local totals = call('HMGET', books, 'version', 'keys', 'bytes')
  local version, keys, bytes = tonumber(totals[1] or 0), tonumber(totals[2] or 0), tonumber(totals[3] or 0)
  local changed = false

  local function saveTotals()
    if changed then call('HSET', books, 'version', version, 'keys', keys, 'bytes', bytes) end
  end

  -- What a value takes of the quota: its bytes and its key's. The namespace in front of the key is free.
  local function size(field, valueBytes)
    return #field - string.find(field, ':', 1, true) + valueBytes
  end

  local function sizeInBooks(field, line)
    return size(field, string.match(line, '%d+$'))
  end

  local function strike(fields)
    for i, line in ipairs(call('HMGET', books, unpack(fields))) do
      if line then
        keys, bytes = keys - 1, bytes - sizeInBooks(fields[i], line)
      end
    end
    call('HDEL', books, unpack(fields))
    call('ZREM', order, unpack(fields))
    call('ZREM', expiry, unpack(fields))
    changed = true
  end

  -- Returns whether there may be more than were struck.
  local function strikeExpired(max)
    local fields = call('ZRANGEBYSCORE', expiry, '-inf', '(' .. string.format('%d', now), 'LIMIT', 0, max)
    if #fields > 0 then strike(fields) end
    return #fields == max
  end
`;

/**
 * Some changes, one after the other. Their answers are the lines of one text, which is remembered under KEYS[4].
 * KEYS from the fifth on: of each change its value and, if it has one, its request. ARGV from the fifth on: of each
 * change the six that are read at the end.
 */
const change = `
  local before = redis.call('GET', KEYS[4])
  if before then return before end
  ${books}
  local keysMax, bytesMax, requestMs, sentMs = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

  -- Twice as many as may come, so that they get fewer.
  local mayBeExpired = strikeExpired((#ARGV - 4) / 6 * 2)
  local strikesLeft = ${strikesMax}

  -- Whether a value is live is for Redis to say, not for the books.
  local function liveVersion(line, value)
    if line and call('EXISTS', value) == 1 then return string.match(line, '^%d+') end
    return '0'
  end

  -- Changes return their answer, and true when it is one to remember.
  local function put(value, field, expected, ttl, json)
    local line = call('HGET', books, field)
    if expected ~= '' then
      local current = liveVersion(line, value)
      if current ~= expected then return 'conflict ' .. current end
    end

    local nextKeys, nextBytes = keys, bytes + size(field, #json)
    if line then
      nextBytes = nextBytes - sizeInBooks(field, line)
    else
      nextKeys = keys + 1
    end
    if (nextKeys > keysMax and nextKeys > keys) or (nextBytes > bytesMax and nextBytes > bytes) then
      if not mayBeExpired then return string.format('quota %d %d', keys, bytes) end
      if strikesLeft == 0 then return 'again' end
      mayBeExpired, strikesLeft = strikeExpired(strikesLeft), 0
      return put(value, field, expected, ttl, json)
    end

    version, keys, bytes, changed = version + 1, nextKeys, nextBytes, true
    local head
    if ttl == '' then
      head = string.format('%d %d 0', version, now)
      call('SET', value, head .. '\\n' .. json)
      if line then call('ZREM', expiry, field) end
    else
      local expiresAt = string.format('%d', now + ttl)
      head = string.format('%d %d ', version, now) .. expiresAt
      call('SET', value, head .. '\\n' .. json, 'PXAT', expiresAt)
      call('ZADD', expiry, expiresAt, field)
    end
    if not line then call('ZADD', order, 0, field) end
    call('HSET', books, field, head .. ' ' .. #json)
    return 'stored ' .. head, true
  end

  local function delete(value, field, expected)
    local line = call('HGET', books, field)
    local current = liveVersion(line, value)
    if expected ~= '' and current ~= expected then return 'conflict ' .. current end
    if line then
      strike({field})
      call('UNLINK', value)
    end
    return current == '0' and 'absent' or 'deleted', true
  end

  -- An answer is kept behind what it answers. The length keeps apart what could be read in two ways.
  local function once(request, operation, change, value, field, ...)
    local what = operation .. #field .. ':' .. field
    local text = call('GET', request)
    if text then
      if string.sub(text, 1, #what) ~= what then return 'reused' end
      return string.sub(text, #what + 1)
    end
    local answer, remember = change(value, field, ...)
    if remember then call('SET', request, what .. answer, 'PX', requestMs) end
    return answer
  end

  local answers, key = {}, 5
  for i = 5, #ARGV, 6 do
    local operation, requested, field, expected, ttl, json = unpack(ARGV, i, i + 5)
    local change = operation == 'put' and put or delete
    if requested == '' then
      answers[#answers + 1] = change(KEYS[key], field, expected, ttl, json)
      key = key + 1
    else
      answers[#answers + 1] = once(KEYS[key + 1], operation, change, KEYS[key], field, expected, ttl, json)
      key = key + 2
    end
  end
  saveTotals()
  local text = table.concat(answers, '\\n')
  if changed then call('SET', KEYS[4], text, 'PX', sentMs) end
  return text
`;

/** Fields and their lines in turn. */
const list = `
  ${books}
  local more = strikeExpired(${strikesMax})
  saveTotals()
  if more then return 'again' end
  local fields = call('ZRANGEBYLEX', order, ARGV[1], '(' .. ARGV[2] .. '\\255', 'LIMIT', 0, ARGV[3])
  if #fields == 0 then return {} end
  local page = {}
  for i, line in ipairs(call('HMGET', books, unpack(fields))) do
    page[2 * i - 1] = fields[i]
    page[2 * i] = line
  end
  return page
`;

const usage = `
  ${books}
  local more = strikeExpired(${strikesMax})
  saveTotals()
  if more then return 'again' end
  return string.format('%d %d', keys, bytes)
`;

/** Removes the values that are KEYS from the fourth on; their fields are ARGV. With the last value go the books. */
const forget = `
  ${books}
  if #ARGV > 0 then
    strike(ARGV)
    call('UNLINK', unpack(KEYS, 4))
  end
  if call('EXISTS', order) == 1 then
    saveTotals()
    return 'more'
  end
  call('UNLINK', books)
  return 'done'
`;

type Script<Answer> = (...keysAndArguments: readonly (string | number)[]) => Promise<Answer>;

interface Scripts {
  readonly memoryChange: Script<string>;
  readonly memoryList: Script<string[] | 'again'>;
  readonly memoryUsage: Script<string>;
  readonly memoryForget: Script<string>;
}

const scripts: { readonly [Name in keyof Scripts]: { lua: string; numberOfKeys?: number } } = {
  memoryChange: { lua: change },
  memoryList: { lua: list, numberOfKeys: 3 },
  memoryUsage: { lua: usage, numberOfKeys: 3 },
  memoryForget: { lua: forget },
};

/** Changes of one swarm on their way into one script. */
interface Batch {
  readonly keys: string[];
  readonly arguments: (string | number)[];
  readonly waiting: { readonly resolve: (answer: string | Refusal) => void; readonly reject: (bug: unknown) => void }[];
  chars: number;
}

class RedisBank implements Bank {
  readonly store = 'redis';
  readonly #redis: Redis & Scripts;
  readonly #limits: BankLimits;
  readonly #log: Log;
  readonly #waitMs: number;
  readonly #batches = new Map<string, Batch>();
  readonly #idPrefix = randomBytes(9).toString('base64url');
  #idsMinted = 0;
  #closed = false;
  /** On the monotonic clock; null: Redis is there. */
  #awaySince: number | null = performance.now();
  #awayLogged = false;
  #awayBecause = 'not connected yet';
  readonly #waiting = new Set<() => void>();

  constructor({ url, limits, log, memoryWaitMs = 2_000 }: RedisBankOptions) {
    this.#limits = limits;
    this.#log = log;
    this.#waitMs = memoryWaitMs;
    this.#redis = new Redis(url, {
      scripts,
      // What is in flight when the connection breaks fails at once and nothing queues here: `#ask` sends it again.
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      socketTimeout: memoryWaitMs / 2,
      connectTimeout: memoryWaitMs,
      retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, reconnectMsMax),
      // A master that has become a replica: its name may lead to the new master by now.
      reconnectOnError: (error) => error.message.includes('READONLY'),
    }) as Redis & Scripts;
    this.#redis.on('error', (error: Error) => (this.#awayBecause = error.message));
    this.#redis.on('close', () => this.#onAway());
    this.#redis.on('ready', () => this.#onThere());
  }

  async put(at: Address, value: string, options: StoreOptions): Promise<Stored | Refusal> {
    const { ttlMs, ifVersion, requestId } = options;
    if (ttlMs !== undefined) assertValid(ttlFault(ttlMs));
    const answer = await this.#change('put', at, options, ttlMs ?? '', value);
    if (isRefused(answer)) return answer;
    const [outcome, a, b, c] = answer.split(' ');
    switch (outcome) {
      case 'stored':
        return stored(a!, b!, c!);
      case 'quota': {
        const bytes = Buffer.byteLength(at.key) + Buffer.byteLength(value);
        return quotaExceeded(at, bytes, { keys: Number(a), bytes: Number(b) }, this.#limits);
      }
      case 'conflict':
        return versionConflict(at, ifVersion!, Number(a));
      case 'reused':
        return requestIdReused(at, requestId!);
    }
    throw new Error(`a put was answered with ${answer}`);
  }

  async get(at: Address): Promise<Entry | null | Refusal> {
    assertValid(addressFault(at));
    const { prefix, field } = keysOf(at);
    this.#sendBatch(prefix);
    const text = await this.#ask('read', () => this.#redis.get(`${prefix}m:${field}`));
    if (text === null || isRefused(text)) return text;
    const end = text.indexOf('\n');
    const [version, storedAt, expiresAt] = text.slice(0, end).split(' ');
    return { value: text.slice(end + 1), ...stored(version!, storedAt!, expiresAt!) };
  }

  async list(swarmId: string, namespace: string, query: ListQuery): Promise<ListPage | Refusal> {
    assertValid(listFault(swarmId, namespace, query));
    const { prefix, field: scope } = keysOf({ swarmId, namespace, key: '' });
    this.#sendBatch(prefix);
    const from = query.cursor === undefined ? `[${scope}${query.prefix}` : `(${scope}${query.cursor}`;
    const answer = await this.#askAgain(() =>
      this.#redis.memoryList(...bookKeys(prefix), from, scope + query.prefix, query.limit + 1),
    );
    if (isRefused(answer)) return answer;
    const entries: Listed[] = [];
    for (let i = 0; i < answer.length; i += 2) {
      const [version, storedAt, expiresAt, bytes] = answer[i + 1]!.split(' ');
      const key = answer[i]!.slice(scope.length);
      entries.push({ key, bytes: Number(bytes), ...stored(version!, storedAt!, expiresAt!) });
    }
    if (entries.length <= query.limit) return { entries, cursor: null };
    entries.pop();
    return { entries, cursor: entries.at(-1)!.key };
  }

  async delete(at: Address, options: DeleteOptions): Promise<Deleted | Refusal> {
    const answer = await this.#change('delete', at, options, '', '');
    if (isRefused(answer)) return answer;
    const [outcome, current] = answer.split(' ');
    switch (outcome) {
      case 'deleted':
      case 'absent':
        return { deleted: outcome === 'deleted' };
      case 'conflict':
        return versionConflict(at, options.ifVersion!, Number(current));
      case 'reused':
        return requestIdReused(at, options.requestId!);
    }
    throw new Error(`a delete was answered with ${answer}`);
  }

  async usage(swarmId: string): Promise<Usage | Refusal> {
    assertValid(swarmIdFault(swarmId));
    const prefix = prefixOf(swarmId);
    this.#sendBatch(prefix);
    const answer = await this.#askAgain(() => this.#redis.memoryUsage(...bookKeys(prefix)));
    if (isRefused(answer)) return answer;
    const [keys, bytes] = answer.split(' ');
    return { keys: Number(keys), bytes: Number(bytes) };
  }

  async clear(swarmId: string): Promise<void | Refusal> {
    assertValid(swarmIdFault(swarmId));
    const prefix = prefixOf(swarmId);
    const [books, order, expiry] = bookKeys(prefix);
    this.#sendBatch(prefix);
    for (let begun = false; ; begun = true) {
      const fields = await this.#ask('read', () => this.#redis.zrange(order, 0, `${strikesMax - 1}`), begun);
      if (isRefused(fields)) return fields;
      const values = fields.map((field) => `${prefix}m:${field}`);
      const forget = () => this.#redis.memoryForget(3 + values.length, books, order, expiry, ...values, ...fields);
      const answer = await this.#ask('change', forget, begun);
      if (isRefused(answer)) return answer;
      if (answer === 'done') return;
    }
  }

  available(): boolean {
    return this.#redis.status === 'ready' && !this.#closed;
  }

  async close(): Promise<void> {
    this.#sendBatches();
    this.#closed = true;
    this.#wake();
    if (this.#redis.status === 'ready') await this.#redis.quit().catch(() => {});
    this.#redis.disconnect();
  }

  async #change(
    operation: 'put' | 'delete',
    at: Address,
    { ifVersion, requestId }: DeleteOptions,
    ttlMs: number | '',
    value: string,
  ): Promise<string | Refusal> {
    assertValid(addressFault(at));
    if (requestId !== undefined) assertValid(requestIdFault(requestId));
    const { prefix, field } = keysOf(at);
    for (;;) {
      const batch = this.#batchOf(prefix);
      batch.keys.push(`${prefix}m:${field}`);
      if (requestId !== undefined) batch.keys.push(`${prefix}memory:request:${requestId}`);
      const requested = requestId === undefined ? '' : '1';
      batch.arguments.push(operation, requested, field, ifVersion ?? '', ttlMs, value);
      batch.chars += value.length;
      const answer = await new Promise<string | Refusal>((resolve, reject) => {
        batch.waiting.push({ resolve, reject });
        if (batch.waiting.length === batchChangesMax || batch.chars >= batchCharsMax) this.#sendBatch(prefix);
      });
      if (answer !== 'again') return answer;
    }
  }

  #batchOf(prefix: string): Batch {
    let batch = this.#batches.get(prefix);
    if (batch) return batch;
    const { memoryKeysMax, memoryBytesMax, requestIdMs } = this.#limits;
    batch = {
      keys: [...bookKeys(prefix), `${prefix}memory:sent:${this.#idPrefix}${++this.#idsMinted}`],
      arguments: [memoryKeysMax, memoryBytesMax, requestIdMs, 2 * this.#waitMs],
      waiting: [],
      chars: 0,
    };
    if (this.#batches.size === 0) setImmediate(() => this.#sendBatches());
    this.#batches.set(prefix, batch);
    return batch;
  }

  #sendBatches(): void {
    for (const prefix of this.#batches.keys()) this.#sendBatch(prefix);
  }

  /** Also to be called before a read, which would overtake the changes before it otherwise. */
  #sendBatch(prefix: string): void {
    const batch = this.#batches.get(prefix);
    if (!batch) return;
    this.#batches.delete(prefix);
    const { keys, waiting } = batch;
    this.#ask('change', () => this.#redis.memoryChange(keys.length, ...keys, ...batch.arguments)).then(
      (answer) => {
        if (isRefused(answer)) return waiting.forEach(({ resolve }) => resolve(answer));
        const answers = answer.split('\n');
        waiting.forEach(({ resolve }, i) => resolve(answers[i]!));
      },
      (bug: unknown) => waiting.forEach(({ reject }) => reject(bug)),
    );
  }

  /**
   * Sends until Redis has answered or has been away for too long. Sending a change twice must do no harm.
   * `inDoubt`: something that belongs to it has been changed already.
   */
  async #ask<T>(kind: 'read' | 'change', send: () => Promise<T>, inDoubt = false): Promise<T | Refusal> {
    const start = performance.now();
    while (!this.#closed) {
      if (this.#redis.status === 'ready') {
        try {
          this.#gatherWrites();
          return await send();
        } catch (error) {
          if (error instanceof ReplyError) return this.#refusedByRedis(error as Error, !inDoubt);
          inDoubt ||= kind === 'change' && !wasNotSent(error as Error);
        }
      }
      const deadline = Math.min(start, this.#awaySince ?? start) + this.#waitMs;
      if (!(await this.#readyBefore(deadline))) break;
    }
    return this.#closed
      ? unavailable('it is closed', !inDoubt)
      : unavailable(`Redis is away (${this.#awayBecause})`, !inDoubt, reconnectMsMax);
  }

  /** For reads that strike what has expired before they can tell. */
  async #askAgain<T>(send: () => Promise<T>): Promise<Exclude<T, 'again'> | Refusal> {
    for (;;) {
      const answer = await this.#ask('read', send);
      if (answer !== 'again') return answer as Exclude<T, 'again'> | Refusal;
    }
  }

  /** Redis turned the command down before it changed anything. */
  #refusedByRedis(error: Error, definite: boolean): Refusal {
    if (!passingTrouble.test(error.message)) throw error;
    return unavailable(`Redis says "${error.message}"`, definite, reconnectMsMax);
  }

  /** One system call for all commands of this turn of the event loop; twice as fast as ioredis' automatic pipelines. */
  #gatherWrites(): void {
    const { stream } = this.#redis;
    if (stream.writableCorked > 0) return;
    stream.cork();
    setImmediate(() => stream.uncork());
  }

  #readyBefore(deadline: number): Promise<boolean> {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve(this.#redis.status === 'ready');
      };
      const timer = setTimeout(wake, leftMs);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #onAway(): void {
    this.#awaySince ??= performance.now();
    if (this.#awayLogged || this.#closed) return;
    this.#awayLogged = true;
    this.#log.warn({ ...this.#where(), reason: this.#awayBecause }, 'redis is away');
  }

  #onThere(): void {
    if (this.#awayLogged) {
      const awayMs = Math.round(performance.now() - this.#awaySince!);
      this.#log.info({ ...this.#where(), awayMs }, 'redis is back');
    }
    this.#awayLogged = false;
    this.#awaySince = null;
    this.#awayBecause = 'the connection was closed';
    this.#wake();
  }

  #where(): object {
    const { host, port } = this.#redis.options;
    return { host, port };
  }
}

/** Errors that pass by themselves or by an operator's hand. Redis gives them before a script's first write. */
const passingTrouble =
  /\b(LOADING|READONLY|MASTERDOWN|NOREPLICAS|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOAUTH|NOPERM|WRONGPASS)\b/;

/** Of errors of the connection. When in doubt, it was sent. */
function wasNotSent(error: Error): boolean {
  return error.message.startsWith("Stream isn't writeable");
}

function isRefused(answer: unknown): answer is Refusal {
  return typeof answer === 'object' && answer !== null && isRefusal(answer);
}

function stored(version: string, storedAt: string, expiresAt: string): Stored {
  return {
    version: Number(version),
    storedAt: Number(storedAt),
    expiresAt: expiresAt === '0' ? null : Number(expiresAt),
  };
}

function prefixOf(swarmId: string): string {
  return `skein:{${encode(swarmId)}}:`;
}

function keysOf(at: Address): { readonly prefix: string; readonly field: string } {
  return { prefix: prefixOf(at.swarmId), field: `${encode(at.namespace)}:${at.key}` };
}

function bookKeys(prefix: string): [string, string, string] {
  return [`${prefix}memory:books`, `${prefix}memory:order`, `${prefix}memory:expiry`];
}

function encode(name: string): string {
  return name.replace(/[%:{}]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
