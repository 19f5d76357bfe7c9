/** The product's HTTP endpoint in the test's own process, with the fixtures of the suite behind it. */
import type { TestContext } from 'node:test';
import { plain } from '../../src/dialects/plain.ts';
import { silentLog } from '../../src/observe/log.ts';
import { Dispatcher } from '../../src/server/dispatch.ts';
import { allowedHosts } from '../../src/server/hosts.ts';
import { listenHttp } from '../../src/server/http.ts';
import { defaultConnectionLimits } from '../../src/server/limits.ts';
import { McpEndpoint } from '../../src/server/mcp-endpoint.ts';
import type { Services } from '../../src/tools/index.ts';
import { serveFixtures } from './fixtures.ts';

/** Resolves with its URL. */
export async function serveWithFixtures(t: TestContext): Promise<string> {
  const limits = { ...defaultConnectionLimits, rateLimit: 0 };
  const log = silentLog();
  const dispatcher = new Dispatcher({
    dialect: plain,
    speaks: 'mcp',
    profile: 'all',
    services: {} as Services,
    log,
    batchMax: limits.batchMax,
    batchReplyMax: limits.lineBytesMax,
    subscriptionsMax: limits.subscriptionsMax,
    waitSecondsMax: () => Infinity,
  });
  const mcp = new McpEndpoint({
    dispatcher,
    serve: serveFixtures,
    profile: 'all',
    waitSecondsMax: () => Infinity,
    limits,
    allowedHosts: allowedHosts('127.0.0.1', null),
    endpoint: 'nowhere',
    log,
    now: Date.now,
    onLost: () => {},
  });
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    health: () => ({ status: 'ok' }),
    mcp,
    limits,
    onError: (error) => {
      throw error;
    },
  });
  t.after(() => server.close());
  return `http://${server.host}:${server.port}/mcp`;
}
