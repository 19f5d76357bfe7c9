/**
 * The client's settings. What the caller names wins over the environment, which wins over the defaults. An empty
 * variable counts as unset.
 */
import { invalidOptions } from './errors.ts';

interface Bounded {
  readonly env: string | null;
  readonly default: number;
  readonly range: readonly [number, number];
}

const bounded = {
  port: { env: 'MCP_TCP_PORT', default: 9500, range: [1, 65_535] },
  poolSize: { env: 'MCP_POOL_SIZE', default: 10, range: [1, 10_000] },
  poolMin: { env: 'MCP_POOL_MIN', default: 2, range: [0, 10_000] },
  retryAttempts: { env: 'MCP_RETRY_ATTEMPTS', default: 3, range: [0, 1_000] },
  retryDelayMs: { env: 'MCP_RETRY_DELAY', default: 100, range: [0, 600_000] },
  lineBytesMax: { env: 'MCP_MAX_MESSAGE_BYTES', default: 10_485_760, range: [1024, 268_435_456] },
  callTimeoutMs: { env: null, default: 30_000, range: [1, 86_400_000] },
  connectTimeoutMs: { env: null, default: 5_000, range: [1, 600_000] },
  closeTimeoutMs: { env: null, default: 5_000, range: [0, 600_000] },
} as const satisfies Readonly<Record<string, Bounded>>;

/** What of the environment is read. */
export const variables: readonly string[] = [
  'MCP_HOST',
  'MCP_TRANSPORT',
  ...Object.values(bounded).flatMap(({ env }) => (env === null ? [] : [env])),
];

export interface Settings {
  /** MCP_HOST; 127.0.0.1 when absent. */
  readonly host: string;
  /** MCP_TCP_PORT; 9500 when absent. */
  readonly port: number;
  /** MCP_POOL_SIZE: connections that calls share, at most; 10 when absent. Sessions and streams have their own. */
  readonly poolSize: number;
  /** MCP_POOL_MIN: connections that are kept when there is nothing to do; 2 when absent, and never above poolSize. */
  readonly poolMin: number;
  /** MCP_RETRY_ATTEMPTS: how often a call is tried again, at most; 3 when absent. */
  readonly retryAttempts: number;
  /** MCP_RETRY_DELAY: before a call is tried again, doubled each time; 100 when absent. */
  readonly retryDelayMs: number;
  /** MCP_MAX_MESSAGE_BYTES: longest request that is sent, which should be the server's; 10 MiB when absent. */
  readonly lineBytesMax: number;
  /** A call's time, retries included; one that waits has its waitSeconds on top. 30,000 when absent. */
  readonly callTimeoutMs: number;
  /** 5,000 when absent. */
  readonly connectTimeoutMs: number;
  /** How long `close` waits for calls that are under way; 5,000 when absent. */
  readonly closeTimeoutMs: number;
}

export type ClientOptions = { readonly [N in keyof Settings]?: Settings[N] | undefined };

/** @throws SkeinError invalid_options naming the setting, what it was, and what would be right. */
export function settingsOf(
  options: ClientOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Settings {
  const transport = env['MCP_TRANSPORT'] || 'tcp';
  if (transport !== 'tcp') {
    throw invalidOptions(`MCP_TRANSPORT is ${JSON.stringify(transport)}: this client speaks tcp and nothing else`);
  }
  const numbers = Object.fromEntries(
    Object.entries(bounded).map(([name, setting]) => [
      name,
      bound(name as keyof typeof bounded, setting, options, env),
    ]),
  ) as { readonly [N in keyof typeof bounded]: number };
  return {
    ...numbers,
    host: options.host ?? (env['MCP_HOST'] || '127.0.0.1'),
    poolMin: Math.min(numbers.poolMin, numbers.poolSize),
  };
}

function bound(
  name: keyof typeof bounded,
  setting: Bounded,
  options: ClientOptions,
  env: Readonly<Record<string, string | undefined>>,
): number {
  const named = options[name];
  const variable = setting.env === null ? undefined : env[setting.env];
  if (named === undefined && (variable === undefined || variable === '')) return setting.default;
  const value = named ?? Number(variable);
  const [least, most] = setting.range;
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const source = named === undefined ? setting.env : name;
  const found = JSON.stringify(named ?? variable);
  throw invalidOptions(`${source} is ${found}: it must be a whole number from ${least} to ${most}`);
}
