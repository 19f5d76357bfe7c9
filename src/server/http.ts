/** HTTP: `/health`, for whoever keeps containers running. */
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import { listening } from './listening.ts';

export interface Health {
  /** ok and degraded are served with 200, failing with 503. */
  readonly status: 'ok' | 'degraded' | 'failing';
  readonly [detail: string]: unknown;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** @throws when the address cannot be listened on. */
export async function listenHttp(options: {
  readonly host: string;
  readonly port: number;
  readonly health: () => Health;
  readonly onError: (error: Error) => void;
}): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    const reply = (status: number, body: object, headers: OutgoingHttpHeaders = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
      response.end(request.method === 'HEAD' ? undefined : `${JSON.stringify(body)}\n`);
    };
    if (path !== '/health') return reply(404, { error: `there is nothing at ${path}: try /health` });
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return reply(405, { error: 'use GET or HEAD' }, { allow: 'GET, HEAD' });
    }
    const health = options.health();
    reply(health.status === 'failing' ? 503 : 200, health);
  });
  const { address, port } = await listening(
    server,
    { host: options.host, port: options.port },
    '--bind (MCP_BIND) or --http-port (MCP_HTTP_PORT)',
  );
  server.on('error', options.onError);
  return {
    host: address,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
