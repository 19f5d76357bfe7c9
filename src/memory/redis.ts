/**
 * The memory bank on Redis, for any number of coordinators.
 *
 * - Each call is one script, or one plain GET: Redis does it in one step. Time is Redis' own, for all coordinators.
 * - Values expire natively. The swarm's books learn of it later: a few expired values are struck whenever a value with a
 *   ttl is stored, and all of them before a quota refuses, a list or a usage is told. So these are exact, and the work
 *   of a script is bounded all the same: where many are to be struck, it answers 'again' and is sent again.
 * - Each change carries a request id, minted here when the caller gave none. When the connection is lost before the
 *   answer came, the change is sent again with the same id: it has one effect, and gets the first answer.
 * - Redis away: a call waits until Redis has been away for `memoryWaitMs` and is then refused, later ones at once. The
 *   refusal is `definite` unless the change was sent. The connection comes back by itself.
 * - Calls are done in their order, except those that are sent again. Those of one turn of the event loop leave in one
 *   write.
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
 *   skein:{swarm}:memory:sent:<id>         the same with an id minted here, kept for as long as it can be sent again
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

/** Expired values that a script strikes from the books when its answer depends on them, and when it does not. */
const strikesMax = 1_000;
const strikesAside = 4;

const books = `
  local books, order, expiry = KEYS[1], KEYS[2], KEYS[3]
  local call = redis.call

  local function clock()
    local time = call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end

  local function bytesOf(line)
    return tonumber(string.match(line, '%d+$'))
  end

  -- What a value takes of the quota: its bytes and its key's. The namespace in front of the key is free.
  local function size(field, bytes)
    return #field - string.find(field, ':', 1, true) + bytes
  end

  local function strike(fields)
    local keys, bytes = 0, 0
    for i, line in ipairs(call('HMGET', books, unpack(fields))) do
      if line then
        keys = keys + 1
        bytes = bytes + size(fields[i], bytesOf(line))
      end
    end
    call('HDEL', books, unpack(fields))
    call('ZREM', order, unpack(fields))
    call('ZREM', expiry, unpack(fields))
    call('HINCRBY', books, 'keys', -keys)
    call('HINCRBY', books, 'bytes', -bytes)
  end

  -- Returns whether there may be more than were struck.
  local function strikeExpired(now, max)
    local fields = call('ZRANGEBYSCORE', expiry, '-inf', '(' .. string.format('%d', now), 'LIMIT', 0, max)
    if #fields > 0 then strike(fields) end
    return #fields == max
  end
`;

const change = `
  ${books}
  local value, request = KEYS[4], KEYS[5]
  local field, requestMs, expected = ARGV[1], ARGV[2], ARGV[3]

  -- An answer is kept behind its operation and field. The length keeps apart what could be read in two ways.
  local function remembered(operation)
    local text = call('GET', request)
    if not text then return nil end
    local what = operation .. #field .. ':' .. field
    if string.sub(text, 1, #what) ~= what then return 'reused' end
    return string.sub(text, #what + 1)
  end

  local function remember(operation, answer)
    call('SET', request, operation .. #field .. ':' .. field .. answer, 'PX', requestMs)
    return answer
  end

  -- Whether a value is live is for Redis to say, not for the books.
  local function liveVersion(line)
    if line and call('EXISTS', value) == 1 then return string.match(line, '^%d+') end
    return '0'
  end
`;

const put = `
  ${change}
  local json, ttl, keysMax, bytesMax = ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
  local answer = remembered('put')
  if answer then return answer end

  local now, expiresAt = clock(), 0
  if ttl ~= '' then
    expiresAt = now + ttl
    strikeExpired(now, ${strikesAside})
  end
  local held = call('HMGET', books, field, 'version', 'keys', 'bytes')
  local line, version, keys, bytes = held[1], (held[2] or 0) + 1, tonumber(held[3] or 0), tonumber(held[4] or 0)
  if expected ~= '' then
    local current = liveVersion(line)
    if current ~= expected then return 'conflict ' .. current end
  end

  local nextKeys, nextBytes = keys, bytes + size(field, #json)
  if line then
    nextBytes = nextBytes - size(field, bytesOf(line))
  else
    nextKeys = keys + 1
  end
  if (nextKeys > keysMax and nextKeys > keys) or (nextBytes > bytesMax and nextBytes > bytes) then
    local earliest = call('ZRANGE', expiry, 0, 0, 'WITHSCORES')[2]
    if earliest and tonumber(earliest) < now then
      strikeExpired(now, ${strikesMax})
      return 'again'
    end
    return string.format('quota %d %d', keys, bytes)
  end

  local head = string.format('%d %d %d', version, now, expiresAt)
  if expiresAt > 0 then
    call('SET', value, head .. '\\n' .. json, 'PXAT', expiresAt)
    call('ZADD', expiry, expiresAt, field)
  else
    call('SET', value, head .. '\\n' .. json)
    if line then call('ZREM', expiry, field) end
  end
  if not line then call('ZADD', order, 0, field) end
  call('HSET', books, field, head .. ' ' .. #json, 'version', version, 'keys', nextKeys, 'bytes', nextBytes)
  return remember('put', 'stored ' .. head)
`;

const remove = `
  ${change}
  local answer = remembered('delete')
  if answer then return answer end
  local line = call('HGET', books, field)
  local current = liveVersion(line)
  if expected ~= '' and current ~= expected then return 'conflict ' .. current end
  if line then
    strike({field})
    call('UNLINK', value)
  end
  return remember('delete', current == '0' and 'absent' or 'deleted')
`;

/** Fields and their lines in turn. */
const list = `
  ${books}
  if strikeExpired(clock(), ${strikesMax}) then return 'again' end
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
  if strikeExpired(clock(), ${strikesMax}) then return 'again' end
  local held = call('HMGET', books, 'keys', 'bytes')
  return 'usage ' .. (held[1] or 0) .. ' ' .. (held[2] or 0)
`;

/** Removes the values that are KEYS from the fourth on; their fields are ARGV. With the last value go the books. */
const forget = `
  ${books}
  if #ARGV > 0 then
    strike(ARGV)
    call('UNLINK', unpack(KEYS, 4))
  end
  if call('EXISTS', order) == 1 then return 'more' end
  call('UNLINK', books)
  return 'done'
`;

type Script<Answer> = (...keysAndArguments: readonly (string | number)[]) => Promise<Answer>;

interface Scripts {
  readonly memoryPut: Script<string>;
  readonly memoryDelete: Script<string>;
  readonly memoryList: Script<string[] | 'again'>;
  readonly memoryUsage: Script<string>;
  readonly memoryForget: Script<string>;
}

const scripts: { readonly [Name in keyof Scripts]: { lua: string; numberOfKeys?: number } } = {
  memoryPut: { lua: put, numberOfKeys: 5 },
  memoryDelete: { lua: remove, numberOfKeys: 5 },
  memoryList: { lua: list, numberOfKeys: 3 },
  memoryUsage: { lua: usage, numberOfKeys: 3 },
  memoryForget: { lua: forget },
};

class RedisBank implements Bank {
  readonly store = 'redis';
  readonly #redis: Redis & Scripts;
  readonly #limits: BankLimits;
  readonly #log: Log;
  readonly #waitMs: number;
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
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
    }) as Redis & Scripts;
    this.#redis.on('error', (error: Error) => (this.#awayBecause = error.message));
    this.#redis.on('close', () => this.#onAway());
    this.#redis.on('ready', () => this.#onThere());
    this.#redis.on('end', () => this.#wake());
  }

  async put(at: Address, value: string, { ttlMs, ifVersion, requestId }: StoreOptions): Promise<Stored | Refusal> {
    if (ttlMs !== undefined) assertValid(ttlFault(ttlMs));
    const { memoryKeysMax, memoryBytesMax } = this.#limits;
    const first = this.#changeArguments(at, ifVersion, requestId);
    const answer = await this.#ask('change', () =>
      this.#redis.memoryPut(...first, value, ttlMs ?? '', memoryKeysMax, memoryBytesMax),
    );
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
    throw new Error(`memoryPut answered ${answer}`);
  }

  async get(at: Address): Promise<Entry | null | Refusal> {
    assertValid(addressFault(at));
    const { prefix, field } = keysOf(at);
    const text = await this.#ask('read', () => this.#redis.get(`${prefix}m:${field}`));
    if (text === null || isRefused(text)) return text;
    const end = text.indexOf('\n');
    const [version, storedAt, expiresAt] = text.slice(0, end).split(' ');
    return { value: text.slice(end + 1), ...stored(version!, storedAt!, expiresAt!) };
  }

  async list(swarmId: string, namespace: string, query: ListQuery): Promise<ListPage | Refusal> {
    assertValid(listFault(swarmId, namespace, query));
    const { prefix, field: scope } = keysOf({ swarmId, namespace, key: '' });
    const from = query.cursor === undefined ? `[${scope}${query.prefix}` : `(${scope}${query.cursor}`;
    const answer = await this.#ask('read', () =>
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

  async delete(at: Address, { ifVersion, requestId }: DeleteOptions): Promise<Deleted | Refusal> {
    const first = this.#changeArguments(at, ifVersion, requestId);
    const answer = await this.#ask('change', () => this.#redis.memoryDelete(...first));
    if (isRefused(answer)) return answer;
    const [outcome, current] = answer.split(' ');
    switch (outcome) {
      case 'deleted':
      case 'absent':
        return { deleted: outcome === 'deleted' };
      case 'conflict':
        return versionConflict(at, ifVersion!, Number(current));
      case 'reused':
        return requestIdReused(at, requestId!);
    }
    throw new Error(`memoryDelete answered ${answer}`);
  }

  async usage(swarmId: string): Promise<Usage | Refusal> {
    assertValid(swarmIdFault(swarmId));
    const answer = await this.#ask('read', () => this.#redis.memoryUsage(...bookKeys(prefixOf(swarmId))));
    if (isRefused(answer)) return answer;
    const [, keys, bytes] = answer.split(' ');
    return { keys: Number(keys), bytes: Number(bytes) };
  }

  async clear(swarmId: string): Promise<void | Refusal> {
    assertValid(swarmIdFault(swarmId));
    const prefix = prefixOf(swarmId);
    const [books, order, expiry] = bookKeys(prefix);
    for (;;) {
      const fields = await this.#ask('read', () => this.#redis.zrange(order, 0, `${strikesMax - 1}`));
      if (isRefused(fields)) return fields;
      const values = fields.map((field) => `${prefix}m:${field}`);
      const answer = await this.#ask('change', () =>
        this.#redis.memoryForget(3 + values.length, books, order, expiry, ...values, ...fields),
      );
      if (isRefused(answer)) return answer;
      if (answer === 'done') return;
    }
  }

  available(): boolean {
    return this.#redis.status === 'ready' && !this.#closed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#redis.status === 'ready') await this.#redis.quit().catch(() => {});
    this.#redis.disconnect();
  }

  #changeArguments(at: Address, ifVersion: number | undefined, requestId: string | undefined): (string | number)[] {
    assertValid(addressFault(at));
    if (requestId !== undefined) assertValid(requestIdFault(requestId));
    const { prefix, field } = keysOf(at);
    const value = `${prefix}m:${field}`;
    const expected = ifVersion ?? '';
    if (requestId !== undefined) {
      const request = `${prefix}memory:request:${requestId}`;
      return [...bookKeys(prefix), value, request, field, this.#limits.requestIdMs, expected];
    }
    const request = `${prefix}memory:sent:${this.#idPrefix}${++this.#idsMinted}`;
    return [...bookKeys(prefix), value, request, field, 2 * this.#waitMs, expected];
  }

  /** Sends until Redis has answered or has been away for too long. Changes carry a request id, so they may be repeated. */
  async #ask<T>(kind: 'read' | 'change', send: () => Promise<T>): Promise<Exclude<T, 'again'> | Refusal> {
    const start = performance.now();
    let inDoubt = false;
    while (!this.#closed) {
      if (this.#redis.status === 'ready') {
        try {
          this.#gatherWrites();
          const answer = await send();
          if (answer === 'again') continue;
          return answer as Exclude<T, 'again'>;
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
