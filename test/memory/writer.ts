/** Stores, with and without ttl, deletes and tells of each store that was acknowledged, until it is killed. */
import { isRefusal } from '../../src/core/refusal.ts';
import { lmdbBank } from '../../src/memory/lmdb.ts';
import { openDataDir } from '../../src/store/data-dir.ts';
import { address } from './conformance.ts';

const clock = { now: Date.now, after: () => () => {} };
const limits = { memoryKeysMax: 1_000, memoryBytesMax: 1e6, requestIdMs: 1 };
const bank = lmdbBank(await openDataDir(process.argv[2]!), { limits, clock });

async function write(worker: number): Promise<never> {
  for (let n = 0; ; n++) {
    const key = `kept ${worker} ${n % 10}`;
    const length = (n % 50) + 1;
    const value = JSON.stringify(Array.from({ length }, () => length));
    const stored = await bank.put(address('swarm_1', key), value, n % 2 ? { requestId: `${worker} ${n}` } : {});
    if (isRefusal(stored)) throw new Error(stored.message);
    process.stdout.write(`${JSON.stringify({ key, stored })}\n`);
    const passing = address('swarm_1', `passing ${worker} ${n % 10}`);
    await bank.put(passing, value, { ttlMs: n % 3 ? 1 : 600_000 });
    if (n % 5 === 0) await bank.delete(passing, {});
  }
}

for (let worker = 0; worker < 20; worker++) void write(worker);
