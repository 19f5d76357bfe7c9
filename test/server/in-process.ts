/** A listener in the test's own process, with limits and a clock of the test's own, and services that it stands in for. */
import type { TestContext } from 'node:test';
import { plain } from '../../src/dialects/plain.ts';
import { silentLog } from '../../src/observe/log.ts';
import { Dispatcher } from '../../src/server/dispatch.ts';
import { defaultConnectionLimits, type ConnectionLimits } from '../../src/server/limits.ts';
import { listenTcp, type TcpServer } from '../../src/server/tcp.ts';
import type { Services } from '../../src/tools/index.ts';

/** `ping` asks for nothing but `now`; a test that calls tools brings what they need. */
export async function listenInProcess(
  t: TestContext,
  limits: Partial<ConnectionLimits>,
  services: { readonly now?: () => number; readonly coordinator?: object; readonly bank?: object } = {},
): Promise<TcpServer> {
  const all: ConnectionLimits = { ...defaultConnectionLimits, rateLimit: 0, ...limits };
  const now = services.now ?? Date.now;
  const log = silentLog();
  const dispatcher = new Dispatcher({
    dialect: plain,
    speaks: 'auto',
    profile: 'all',
    services: { ...services, now } as Services,
    log,
    batchMax: all.batchMax,
    batchReplyMax: all.lineBytesMax,
    subscriptionsMax: all.subscriptionsMax,
    waitSecondsMax: () => 45,
  });
  const server = await listenTcp({ host: '127.0.0.1', port: 0, dispatcher, limits: all, log, now, onLost: () => {} });
  // Not waited for: it ends with the connections of the test, which are closed after it.
  t.after(() => void server.close());
  return server;
}
