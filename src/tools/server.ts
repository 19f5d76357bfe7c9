/** Tool of the server itself: server_info. */
import { iso } from '../core/rule.ts';
import { version } from '../spec.ts';
import type { ServerInfoArguments } from '../spec.types.ts';
import type { Handler } from './tool.ts';

/** What an acknowledgement is worth, by what the journal guarantees. */
const meanings: Readonly<Record<string, string>> = {
  volatile: 'nothing survives a restart',
  fsync: 'acknowledged means written and synced to disk: it survives kill -9 and a power loss',
  single:
    'acknowledged means taken by one Redis: it survives a crash of this process; an operating system crash can lose about the last 2 s, a failover the newest',
  replicated: 'acknowledged means taken by every Redis that could be promoted',
};

export const serverInfo: Handler<ServerInfoArguments> = async ({ services }) => {
  const { coordinator, bank, durability, startedAt, now } = services;
  return {
    name: 'skein',
    version,
    startedAt: iso(startedAt),
    uptimeSeconds: (now() - startedAt) / 1000,
    durability: { ...durability, meaning: meanings[durability.journal] ?? durability.journal },
    memoryAvailable: bank.available(),
    connections: services.connections().active,
    swarms: coordinator.summaries().filter((swarm) => swarm.destroyedAt === null).length,
    agentTypes: [...services.agentTypes].map(([name, type]) => ({
      name,
      runtime: type.runtime,
      capabilities: type.capabilities,
      description: type.description ?? null,
    })),
    limits: services.limits,
  };
};
