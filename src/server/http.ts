/** HTTP: `/health`, for whoever keeps containers running, and `/mcp`. */
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionLimits } from './limits.ts';
import { listening } from './listening.ts';

export interface Health {
  /** ok and degraded are served with 200, failing with 503. */
  readonly status: 'ok' | 'degraded' | 'failing';
  readonly [detail: string]: unknown;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Accepts no more, and ends every connection once what is under way has been answered, or soon after. */
  close(): Promise<void>;
}

/** `/mcp`. */
export interface Endpoint {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): void;
}

/** @throws when the address cannot be listened on. */
export async function listenHttp(options: {
  readonly host: string;
  readonly port: number;
  readonly health: () => Health;
  readonly mcp: Endpoint;
  readonly limits: ConnectionLimits;
  readonly onError: (error: Error) => void;
}): Promise<HttpServer> {
  const { health, mcp, limits, onError } = options;
  const server = createServer({ requestTimeout: limits.lineTimeoutMs }, (request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    const reply = (status: number, body: object, headers: OutgoingHttpHeaders = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
      response.end(request.method === 'HEAD' ? undefined : `${JSON.stringify(body)}\n`);
    };
    if (path === '/mcp') {
      mcp.handle(request, response).catch((error: unknown) => {
        // A request that its client breaks off while it is read is no bug of ours.
        if (!request.destroyed) onError(error as Error);
        response.destroy();
      });
      return;
    }
    if (path !== '/health') return reply(404, { error: `there is nothing at ${path}: try /health, or /mcp` });
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return reply(405, { error: 'use GET or HEAD' }, { allow: 'GET, HEAD' });
    }
    const healthy = health();
    reply(healthy.status === 'failing' ? 503 : 200, healthy);
  });
  const { address, port } = await listening(
    server,
    { host: options.host, port: options.port },
    '--bind (MCP_BIND) or --http-port (MCP_HTTP_PORT)',
  );
  server.on('error', onError);
  server.maxConnections = limits.connectionsMax;
  return {
    host: address,
    port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      mcp.close();
      const over = new AbortController();
      const linger = sleep(limits.lingerMs, undefined, { signal: over.signal }).catch(() => {});
      await Promise.race([closed, linger]);
      over.abort();
      server.closeAllConnections();
      await closed;
    },
  };
}
