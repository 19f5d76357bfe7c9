/** Tools of the memory bank: memory_store, memory_retrieve, memory_list, memory_delete. */
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import { iso, isoOrNull } from '../core/rule.ts';
import { addressFault, listFault, requestIdFault } from '../memory/rules.ts';
import type {
  MemoryDeleteArguments,
  MemoryListArguments,
  MemoryRetrieveArguments,
  MemoryStoreArguments,
} from '../spec.types.ts';
import { swarmOf } from './calling.ts';
import type { Call, Handler } from './tool.ts';

const listedByDefault = 100;

interface Addressed {
  readonly swarmId?: string;
  readonly namespace?: string;
  readonly key: string;
  readonly requestId?: string;
}

export const memoryStore: Handler<MemoryStoreArguments> = async (call) => {
  const at = addressOf(call);
  if (isRefusal(at)) return at;
  const { value, ttl, ifVersion, requestId } = call.args;
  const stored = await call.services.bank.put(at, JSON.stringify(value), {
    ...(ttl !== undefined && { ttlMs: Math.ceil(ttl * 1000) }),
    ...(ifVersion !== undefined && { ifVersion }),
    ...(requestId !== undefined && { requestId }),
  });
  if (isRefusal(stored)) return stored;
  return Object.assign(at, {
    stored: true,
    version: stored.version,
    storedAt: iso(stored.storedAt),
    expiresAt: isoOrNull(stored.expiresAt),
    ttl: ttl ?? null,
  });
};

export const memoryRetrieve: Handler<MemoryRetrieveArguments> = async (call) => {
  const at = addressOf(call);
  if (isRefusal(at)) return at;
  const entry = await call.services.bank.get(at);
  if (entry === null)
    return { ...at, found: false, value: null, version: null, storedAt: null, expiresAt: null, ttl: null };
  if (isRefusal(entry)) return entry;
  return Object.assign(at, {
    found: true,
    value: JSON.parse(entry.value) as unknown,
    version: entry.version,
    storedAt: iso(entry.storedAt),
    expiresAt: isoOrNull(entry.expiresAt),
    ttl: entry.expiresAt === null ? null : Math.max(0, entry.expiresAt - call.services.now()) / 1000,
  });
};

export const memoryList: Handler<MemoryListArguments> = async (call) => {
  const swarmId = liveSwarm(call);
  if (typeof swarmId !== 'string') return swarmId;
  const { bank } = call.services;
  const { namespace = '', prefix = '', limit = listedByDefault, cursor } = call.args;
  const query = { prefix, limit, ...(cursor !== undefined && { cursor }) };
  const fault = listFault(swarmId, namespace, query);
  if (fault !== null) return refuse('invalid_arguments', fault);
  const page = await bank.list(swarmId, namespace, query);
  if (isRefusal(page)) return page;
  const usage = await bank.usage(swarmId);
  if (isRefusal(usage)) return usage;
  return {
    swarmId,
    namespace,
    entries: page.entries.map(({ key, bytes, version, storedAt, expiresAt }) => ({
      key,
      bytes,
      version,
      storedAt: iso(storedAt),
      expiresAt: isoOrNull(expiresAt),
    })),
    cursor: page.cursor,
    usage: { keys: usage.keys, bytes: usage.bytes },
  };
};

export const memoryDelete: Handler<MemoryDeleteArguments> = async (call) => {
  const at = addressOf(call);
  if (isRefusal(at)) return at;
  const { ifVersion, requestId } = call.args;
  const answer = await call.services.bank.delete(at, {
    ...(ifVersion !== undefined && { ifVersion }),
    ...(requestId !== undefined && { requestId }),
  });
  return isRefusal(answer) ? answer : { ...at, deleted: answer.deleted };
};

function addressOf(call: Call<Addressed>): { swarmId: string; namespace: string; key: string } | Refusal {
  const swarmId = liveSwarm(call);
  if (typeof swarmId !== 'string') return swarmId;
  const { namespace = '', key, requestId } = call.args;
  const at = { swarmId, namespace, key };
  // A schema counts characters, and takes them one by one; the banks limit bytes of UTF-8.
  const fault = addressFault(at) ?? (requestId === undefined ? null : requestIdFault(requestId));
  return fault === null ? at : refuse('invalid_arguments', fault);
}

/** The bank knows nothing of swarms: whether there is one to remember for is checked here. */
function liveSwarm(call: Call<{ readonly swarmId?: string }>): string | Refusal {
  const { coordinator } = call.services;
  const swarmId = swarmOf(call);
  if (typeof swarmId !== 'string') return swarmId;
  const summary = coordinator.summary(swarmId);
  if (summary === undefined) return coordinator.refuseUnknown(swarmId);
  if (summary.destroyedAt === null) return swarmId;
  return refuse(
    'swarm_destroyed',
    `swarm ${swarmId} was destroyed at ${iso(summary.destroyedAt)}: create another with swarm_init`,
    { swarmId },
  );
}
