/**
 * The composition root of `skein serve`: reads what is configured, wires the parts, listens, and takes all down again.
 */
import { fileURLToPath } from 'node:url';
import { loadAgentTypes, type AgentTypes } from './agent-types.ts';
import { ConfigError, settings, type Config } from './config.ts';
import { systemClock } from './coordinator/clock.ts';
import { Coordinator } from './coordinator/coordinator.ts';
import { systemMint } from './coordinator/mint.ts';
import type { Event } from './core/event.ts';
import { defaultLimits, type Limits } from './core/limits.ts';
import { readWaits, waitSecondsMaxBy } from './dialects/mcp/patience.ts';
import { mcpServer } from './dialects/mcp/server.ts';
import { plain } from './dialects/plain.ts';
import { CommandHost } from './hosts/command.ts';
import { lmdbJournal } from './journal/lmdb.ts';
import type { Bank, BankLimits } from './memory/bank.ts';
import { lmdbBank } from './memory/lmdb.ts';
import { redisBank } from './memory/redis.ts';
import type { Log } from './observe/log.ts';
import { Dispatcher } from './server/dispatch.ts';
import { allowedHosts } from './server/hosts.ts';
import { listenHttp, type Health, type HttpServer } from './server/http.ts';
import { defaultConnectionLimits } from './server/limits.ts';
import { McpEndpoint } from './server/mcp-endpoint.ts';
import { listenTcp, type TcpServer } from './server/tcp.ts';
import { openDataDir } from './store/data-dir.ts';
import type { LostWorker, Services } from './tools/index.ts';

export interface Running {
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
  /** Resolves when it has been taken down, for whatever reason; the code is that of the process. */
  readonly stopped: Promise<number>;
  stop(): void;
}

const taskDeadlineMs = 24 * 3_600_000;
const consensusThreshold = 0.7;
const swarmsMax = 10_000;

/** @throws Error with a message for the person who starts the server. */
export async function serve(
  config: Config,
  options: { readonly log: Log; readonly configFileNamed: boolean },
): Promise<Running> {
  const { log } = options;
  const loaded = loadAgentTypes(config.configFile, { required: options.configFileNamed });
  if (!loaded.ok) throw new ConfigError(loaded.problems.join('\n'));
  const { agentTypes } = loaded;
  checkDialect(config.dialect, agentTypes);
  const clientWaits = config.clientWaits === null ? new Map<string, number>() : readWaits(config.clientWaits);
  if (typeof clientWaits === 'string') throw new ConfigError(`${settings.clientWaits.env}: ${clientWaits}`);

  let stopWith: (code: number) => void = () => {};
  const stopping = new Promise<number>((resolve) => (stopWith = resolve));
  let failure: string | null = null;
  const onFatal = (error: unknown): void => {
    failure ??= error instanceof Error ? error.message : String(error);
    log.fatal(
      { err: error },
      'the store failed: stopping. Nothing that was acknowledged is lost; restart when the cause is gone',
    );
    stopWith(1);
  };

  const store = await openDataDir(config.dataDir);
  const journal = lmdbJournal<Event>(store, { onFailure: onFatal });
  const limits: Limits = {
    ...defaultLimits,
    maxAgents: config.maxAgents,
    graceMs: config.graceSeconds * 1000,
    spawnMs: config.spawnTimeoutSeconds * 1000,
  };
  const bankLimits: BankLimits = {
    memoryKeysMax: config.memoryKeysMax,
    memoryBytesMax: config.memoryBytesMax,
    requestIdMs: limits.requestIdMs,
  };
  const bank: Bank =
    config.redisUrl === null
      ? lmdbBank(store, { limits: bankLimits, clock: systemClock })
      : redisBank({ url: config.redisUrl, limits: bankLimits, log });

  const host = new CommandHost({
    workerCommand: [
      process.execPath,
      ...process.execArgv,
      fileURLToPath(import.meta.url).replace(/main(\.[jt]s)$/, 'cli$1'),
      'worker',
    ],
    configFile: config.configFile,
    log,
    onEnd: (order, reason) =>
      coordinator.report(order.swarmId, {
        type: 'worker_failed',
        agentId: order.agentId,
        restarts: order.restarts,
        reason,
      }),
  });
  const coordinator = new Coordinator({
    journal,
    clock: systemClock,
    mint: systemMint,
    log,
    limits,
    queueLimits: {
      swarmConcurrency: config.swarmConcurrency,
      batchMax: 10_000,
      snapshotEvents: 10_000,
      snapshotEventsPerRecord: 16,
      historyEvents: 10_000,
      swarmsMax,
    },
    starter: host,
    onForget: async (swarmId) => {
      const cleared = await bank.clear(swarmId);
      return cleared === undefined;
    },
    onFatal,
  });

  const connectionLimits = {
    ...defaultConnectionLimits,
    lineBytesMax: config.lineBytesMax,
    rateLimit: config.rateLimit,
    keepAliveMs: config.keepAliveSeconds * 1000,
    connectionsMax: config.connectionsMax,
    sessionIdleMs: config.sessionIdleSeconds * 1000,
  };
  let tcp: TcpServer | undefined;
  let http: HttpServer | undefined;
  const services: Services = {
    coordinator,
    bank,
    agentTypes,
    now: Date.now,
    startedAt: Date.now(),
    defaults: {
      maxAgents: config.maxAgents,
      attemptTimeoutMs: config.agentTimeoutSeconds * 1000,
      taskDeadlineMs,
      consensusThreshold,
    },
    connections: () => ({ active: tcp?.connections() ?? 0, most: config.connectionsMax }),
    durability: { journal: journal.durability, memory: bank.store },
    limits: { ...limits, ...connectionLimits, ...bankLimits, swarmConcurrency: config.swarmConcurrency, swarmsMax },
  };
  const waitSecondsMax = waitSecondsMaxBy(clientWaits);
  const dispatcher = new Dispatcher({
    dialect: plain,
    speaks: config.dialect,
    profile: config.profile,
    services,
    log,
    batchMax: connectionLimits.batchMax,
    batchReplyMax: connectionLimits.lineBytesMax,
    subscriptionsMax: connectionLimits.subscriptionsMax,
    waitSecondsMax,
  });

  const close = async (): Promise<void> => {
    // The coordinator before the listeners, so that whoever waits is told why nothing comes any more.
    for (const part of [coordinator, http, tcp, bank, journal, store]) {
      await part?.close().catch((error: unknown) => log.error({ err: error }, 'closing'));
    }
  };
  const onLost = ({ swarmId, actor }: LostWorker): void =>
    coordinator.report(swarmId, { type: 'worker_lost', actor, reason: 'connection closed' });
  try {
    // Workers that were there before come back as soon as there is a port, and must find their swarms.
    await coordinator.open();
    tcp = await listenTcp({
      host: config.bind,
      port: config.tcpPort,
      dispatcher,
      limits: connectionLimits,
      log,
      now: Date.now,
      onLost,
    });
    host.serverAt(tcp.host, tcp.port);
    http = await listenHttp({
      host: config.bind,
      port: config.httpPort,
      health: () => health(coordinator, bank, failure),
      mcp: new McpEndpoint({
        dispatcher,
        serve: mcpServer,
        waitSecondsMax,
        profile: config.profile,
        limits: connectionLimits,
        allowedHosts: allowedHosts(config.bind, config.allowedHosts),
        endpoint: `${tcp.host}:${tcp.port}`,
        log,
        now: Date.now,
        onLost,
      }),
      limits: connectionLimits,
      onError: (error) => log.error({ err: error }, 'http listener failed'),
    });
    log.info(
      { host: tcp.host, port: tcp.port, dataDir: config.dataDir, memory: bank.store, agentTypes: agentTypes.size },
      'listening',
    );
    log.info({ host: http.host, port: http.port }, 'http listening');
    const stopped = stopping.then(async (code) => {
      await close();
      log.info({ code }, 'stopped');
      return code;
    });
    return { host: tcp.host, port: tcp.port, httpPort: http.port, stopped, stop: () => stopWith(0) };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @throws ConfigError for a type whose worker or program speaks what such a port does not. */
function checkDialect(dialect: Config['dialect'], agentTypes: AgentTypes): void {
  const types = [...agentTypes.values()];
  const name = settings.dialect.env;
  const ofWorker = types.find(({ runtime }) => runtime !== 'external');
  if (dialect === 'mcp' && ofWorker !== undefined) {
    throw new ConfigError(
      `${name} is mcp, and the worker of agent type ${ofWorker.name} speaks plain: leave it at auto, or have external agent types only`,
    );
  }
  const bridged = types.find(
    (type) => type.runtime !== 'external' && type.mcp && (type.runtime === 'acp' || type.template !== undefined),
  );
  if (dialect === 'plain' && bridged !== undefined) {
    throw new ConfigError(
      `${name} is plain, and the programs of agent type ${bridged.name} reach their swarm by MCP: leave it at auto, or say mcp: false for that type`,
    );
  }
}

function health(coordinator: Coordinator, bank: Bank, failure: string | null): Health {
  const quarantined = coordinator.quarantined();
  const memory = bank.available() ? 'ok' : 'unavailable';
  const degraded = quarantined.length > 0 || memory !== 'ok';
  return {
    status: failure !== null ? 'failing' : degraded ? 'degraded' : 'ok',
    journal: failure ?? 'ok',
    memory,
    swarms: coordinator.summaries().filter((swarm) => swarm.destroyedAt === null).length,
    quarantined,
  };
}
