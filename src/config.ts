/**
 * Every setting of the server, in one table: name, environment variable, flag, default, unit, and what it is for.
 * The table in README.md is generated from it.
 */

type Kind = 'integer' | 'string' | 'path';

export interface Setting {
  readonly env: string;
  readonly flag: string;
  readonly kind: Kind;
  /** null: unset. */
  readonly default: number | string | null;
  readonly unit: string;
  readonly what: string;
  /** Smallest and largest allowed value. */
  readonly range?: readonly [number, number];
  readonly choices?: readonly string[];
}

export const settings = {
  bind: {
    env: 'MCP_BIND',
    flag: '--bind',
    kind: 'string',
    default: '127.0.0.1',
    unit: 'address',
    what: 'Address to listen on, for TCP and HTTP',
  },
  tcpPort: {
    env: 'MCP_TCP_PORT',
    flag: '--port',
    kind: 'integer',
    default: 9500,
    unit: 'port',
    range: [0, 65535],
    what: 'TCP port; 0 picks a free one',
  },
  httpPort: {
    env: 'MCP_HTTP_PORT',
    flag: '--http-port',
    kind: 'integer',
    default: 9501,
    unit: 'port',
    range: [0, 65535],
    what: 'HTTP port of /health and /mcp; 0 picks a free one',
  },
  allowedHosts: {
    env: 'MCP_ALLOWED_HOSTS',
    flag: '--allowed-hosts',
    kind: 'string',
    default: null,
    unit: 'hosts',
    what: 'Names under which `/mcp` may be called, and web pages that may call it, besides loopback and MCP_BIND; separated by commas',
  },
  dialect: {
    env: 'MCP_DIALECT',
    flag: '--dialect',
    kind: 'string',
    default: 'auto',
    unit: 'dialect',
    choices: ['auto', 'plain', 'mcp'],
    what: 'What the TCP port speaks: `plain`, `mcp`, or `auto`, which tells them apart message by message',
  },
  profile: {
    env: 'MCP_PROFILE',
    flag: '--profile',
    kind: 'string',
    default: 'all',
    unit: 'profile',
    choices: ['all', 'worker', 'submitter'],
    what: 'Which tools and prompts MCP clients are shown: `worker`, `submitter` or `all`',
  },
  clientWaits: {
    env: 'MCP_CLIENT_WAITS',
    flag: '--client-waits',
    kind: 'string',
    default: null,
    unit: 'name=s, ...',
    what: 'Seconds that calls of an MCP client may wait, by the beginning of its name, such as `cursor=240,*=45`; unset: what `protocol/mcp/clients.json` knows',
  },
  dataDir: {
    env: 'MCP_DATA_DIR',
    flag: '--data-dir',
    kind: 'path',
    default: './.skein',
    unit: 'folder',
    what: 'Where the journal and the embedded memory bank live; one server at a time',
  },
  redisUrl: {
    env: 'MCP_REDIS_URL',
    flag: '--redis-url',
    kind: 'string',
    default: null,
    unit: 'URL',
    what: 'Redis for the memory bank, such as redis://redis:6379; unset: embedded',
  },
  configFile: {
    env: 'MCP_CONFIG',
    flag: '--config',
    kind: 'path',
    default: './skein.yaml',
    unit: 'file',
    what: 'Agent types that this server can start',
  },
  maxAgents: {
    env: 'MAX_AGENTS',
    flag: '--max-agents',
    kind: 'integer',
    default: 20,
    unit: 'agents',
    range: [1, 100_000],
    what: 'Live agents of a swarm that names no maxAgents',
  },
  agentTimeoutSeconds: {
    env: 'AGENT_TIMEOUT',
    flag: '--agent-timeout',
    kind: 'integer',
    default: 300,
    unit: 's',
    range: [1, 86_400],
    what: 'Timeout of an attempt whose task names none',
  },
  keepAliveSeconds: {
    env: 'MCP_KEEPALIVE',
    flag: '--keepalive',
    kind: 'integer',
    default: 30,
    unit: 's',
    range: [1, 86_400],
    what: 'TCP keep-alive of connections',
  },
  graceSeconds: {
    env: 'MCP_GRACE',
    flag: '--grace',
    kind: 'integer',
    default: 60,
    unit: 's',
    range: [1, 86_400],
    what: 'How long a lost worker may take to come back before its work goes to others',
  },
  spawnTimeoutSeconds: {
    env: 'MCP_SPAWN_TIMEOUT',
    flag: '--spawn-timeout',
    kind: 'integer',
    default: 30,
    unit: 's',
    range: [1, 3600],
    what: 'How long a started worker may take to join',
  },
  rateLimit: {
    env: 'MCP_RATE_LIMIT',
    flag: '--rate-limit',
    kind: 'integer',
    default: 100,
    unit: 'requests/s',
    range: [0, 1_000_000_000],
    what: 'Requests per second and connection; 0 lifts it',
  },
  sessionIdleSeconds: {
    env: 'MCP_SESSION_IDLE',
    flag: '--session-idle',
    kind: 'integer',
    default: 900,
    unit: 's',
    range: [1, 86_400],
    what: 'How long an MCP session over HTTP, or an agent there that names itself by its token, may be silent before it is lost',
  },
  swarmConcurrency: {
    env: 'MCP_SWARM_CONCURRENCY',
    flag: '--swarm-concurrency',
    kind: 'integer',
    default: 1000,
    unit: 'operations',
    range: [0, 1_000_000_000],
    what: 'Operations of a swarm under way at once, not counting waiting ones; 0 lifts it',
  },
  lineBytesMax: {
    env: 'MCP_MAX_MESSAGE_BYTES',
    flag: '--max-message-bytes',
    kind: 'integer',
    default: 10_485_760,
    unit: 'bytes',
    range: [1024, 268_435_456],
    what: 'Longest line, and longest body of a request to `/mcp`, that is accepted',
  },
  connectionsMax: {
    env: 'MCP_MAX_CONNECTIONS',
    flag: '--max-connections',
    kind: 'integer',
    default: 20_000,
    unit: 'connections',
    range: [1, 1_000_000],
    what: 'Connections at once, over TCP and over HTTP each',
  },
  memoryKeysMax: {
    env: 'MCP_MEMORY_KEYS',
    flag: '--memory-keys',
    kind: 'integer',
    default: 100_000,
    unit: 'keys',
    range: [1, 1_000_000_000],
    what: 'Keys in the memory bank of a swarm',
  },
  memoryBytesMax: {
    env: 'MCP_MEMORY_BYTES',
    flag: '--memory-bytes',
    kind: 'integer',
    default: 268_435_456,
    unit: 'bytes',
    range: [1, 1_000_000_000_000],
    what: 'Bytes of keys and values in the memory bank of a swarm',
  },
  logLevel: {
    env: 'MCP_LOG_LEVEL',
    flag: '--log-level',
    kind: 'string',
    default: 'info',
    unit: 'level',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    what: 'trace, debug, info, warn, error, fatal or silent',
  },
  logFile: {
    env: 'MCP_LOG_FILE',
    flag: '--log-file',
    kind: 'path',
    default: null,
    unit: 'file',
    what: 'Append the log to this file instead of standard error',
  },
} as const satisfies Readonly<Record<string, Setting>>;

type Value<S extends Setting> = S extends { readonly choices: readonly (infer Choice)[] }
  ? Choice
  : S['kind'] extends 'integer'
    ? number
    : S['default'] extends null
      ? string | null
      : string;
export type Config = { readonly [N in keyof typeof settings]: Value<(typeof settings)[N]> };

export class ConfigError extends Error {}

/**
 * Flags win over the environment, which wins over the defaults. An empty variable counts as unset.
 * @throws ConfigError naming the setting, what it was, and what would be right.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  flags: { readonly [N in keyof Config]?: string | undefined } = {},
): Config {
  const values: Record<string, number | string | null> = {};
  for (const [name, setting] of Object.entries(settings) as [keyof Config, Setting][]) {
    const flag = flags[name];
    const variable = env[setting.env];
    if (flag !== undefined) values[name] = parse(setting, setting.flag, flag);
    else if (variable !== undefined && variable !== '') values[name] = parse(setting, setting.env, variable);
    else values[name] = setting.default;
  }
  return values as Config;
}

function parse(setting: Setting, source: string, text: string): number | string {
  if (setting.choices?.includes(text) === false) {
    throw new ConfigError(`${source} is ${JSON.stringify(text)}: it must be one of ${setting.choices.join(', ')}`);
  }
  if (setting.kind !== 'integer') return text;
  const [least, most] = setting.range ?? [0, Number.MAX_SAFE_INTEGER];
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new ConfigError(
      `${source} is ${JSON.stringify(text)}: it must be a whole number from ${least} to ${most} (${setting.unit})`,
    );
  }
  return value;
}

/** Whether the user named it, which makes a missing file an error. */
export function isSet(
  name: keyof Config,
  env: Readonly<Record<string, string | undefined>>,
  flags: { readonly [N in keyof Config]?: string | undefined },
): boolean {
  return flags[name] !== undefined || (env[settings[name].env] ?? '') !== '';
}
