/** Whether the ports are free, a skein's, or somebody else's. */
import { createServer } from 'node:net';
import { Client } from '../../client/client.ts';
import { SkeinError } from '../../client/errors.ts';
import { settingsOf } from '../../client/options.ts';
import type { Config } from '../../config.ts';
import { listening } from '../../server/listening.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

/** How long who listens may take to answer. */
const answerMsMax = 3_000;

export interface Ports {
  readonly findings: readonly Finding[];
  /** A skein answers on the TCP port. */
  readonly serving: boolean;
}

export async function checkPorts({ bind, tcpPort, httpPort }: Config): Promise<Ports> {
  const host = bind === '0.0.0.0' ? '127.0.0.1' : bind === '::' ? '::1' : bind;
  const [tcp, http] = await Promise.all([askTcp(host, tcpPort), askHttp(host, httpPort)]);
  const findings = await Promise.all([
    tcp ?? checkFree('tcp port', bind, tcpPort, '--port (MCP_TCP_PORT)'),
    http ?? checkFree('http port', bind, httpPort, '--http-port (MCP_HTTP_PORT)'),
  ]);
  return { findings, serving: tcp !== null };
}

/** null: no skein answers. */
async function askTcp(host: string, port: number): Promise<Finding | null> {
  if (port === 0) return null;
  const options = {
    host,
    port,
    poolMin: 0,
    retryAttempts: 0,
    connectTimeoutMs: answerMsMax,
    callTimeoutMs: answerMsMax,
  };
  // Of the environment only what is meant for the server counts here.
  const client = new Client(settingsOf(options, {}));
  try {
    await client.ping();
    const { version, startedAt } = await client.call('server_info', {});
    return ok('tcp port', `${host}:${port}: a skein ${version} answers, which was started at ${startedAt}`);
  } catch (error) {
    if (!(error instanceof SkeinError)) throw error;
    return null;
  } finally {
    await client.close();
  }
}

async function askHttp(host: string, port: number): Promise<Finding | null> {
  if (port === 0) return null;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/health`;
  let health: { readonly status?: unknown };
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerMsMax), redirect: 'manual' });
    health = ((await answer.json()) ?? {}) as typeof health;
  } catch {
    return null;
  }
  if (health.status === 'ok') return ok('http port', `${host}:${port}: a skein answers: ok`);
  if (health.status !== 'degraded' && health.status !== 'failing') return null;
  const message = `${host}:${port}: a skein answers: ${JSON.stringify(health).slice(0, 500)}`;
  return health.status === 'degraded'
    ? warning('http port', message, 'what is not ok is named: quarantined swarms, or the memory bank')
    : problem('http port', message, 'its log says more; restart it when the cause is gone');
}

async function checkFree(about: string, host: string, port: number, setting: string): Promise<Finding> {
  if (port === 0) return ok(about, 'any that is free');
  const server = createServer();
  try {
    await listening(server, { host, port }, setting);
    await new Promise((resolve) => server.close(resolve));
    return ok(about, `${host}:${port} is free`);
  } catch (error) {
    const { message, cause } = error as Error & { readonly cause: NodeJS.ErrnoException };
    if (cause.code !== 'EADDRINUSE') return problem(about, message, `set ${setting} or --bind (MCP_BIND)`);
    return problem(
      about,
      `${host}:${port} is in use by something that does not answer as a skein does`,
      `stop it (ss -ltnp 'sport = :${port}' shows it), or choose another port with ${setting}`,
    );
  }
}
