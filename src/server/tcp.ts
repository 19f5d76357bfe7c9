/** The TCP listener: accepts connections up to a number, and closes them all at the end. */
import { createServer, type Socket } from 'node:net';
import type { Log } from '../observe/log.ts';
import { encodeError } from '../wire/jsonrpc.ts';
import type { Dispatcher } from './dispatch.ts';
import { drain } from './drain.ts';
import type { ConnectionLimits } from './limits.ts';
import { listening } from './listening.ts';
import { Session } from './session.ts';

export interface TcpServer {
  readonly host: string;
  readonly port: number;
  connections(): number;
  /** Accepts no more, and ends every connection once its last words have been read, or soon after. */
  close(): Promise<void>;
}

export interface TcpOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly dispatcher: Dispatcher;
  readonly limits: ConnectionLimits;
  readonly log: Log;
  readonly now: () => number;
  readonly onLost: ConstructorParameters<typeof Session>[1]['onLost'];
}

/** Connections that have been made and not yet accepted. */
const backlog = 4096;

/** @throws when the address cannot be listened on. */
export async function listenTcp(options: TcpOptions): Promise<TcpServer> {
  const { dispatcher, limits, log, now, onLost } = options;
  const sessions = new Set<Session>();
  let connected = 0;

  const turnAway = (socket: Socket): void => {
    const message = `the server has ${limits.connectionsMax} connections, which is the most: close some, or raise MCP_MAX_CONNECTIONS`;
    log.debug({ from: socket.remoteAddress, detail: message }, 'refused');
    const error = dispatcher.dialect.error({ refused: 'connection_limit', message, data: { retryAfterMs: 1000 } });
    socket.on('error', () => {});
    socket.end(`${encodeError('null', error)}\n`);
    drain(socket, limits.lingerMs);
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (sessions.size >= limits.connectionsMax) return turnAway(socket);
    connected += 1;
    const own = log.child({ connection: connected });
    const session = new Session(socket, { dispatcher, limits, log: own, now, onLost });
    sessions.add(session);
    const since = now();
    own.info({ from: `${socket.remoteAddress}:${socket.remotePort}` }, 'connected');
    socket.once('close', () => {
      sessions.delete(session);
      own.debug({ seconds: (now() - since) / 1000 }, 'disconnected');
    });
  });
  const { address, port } = await listening(
    server,
    { host: options.host, port: options.port, backlog },
    '--bind (MCP_BIND) or --port (MCP_TCP_PORT)',
  );
  server.on('error', (error) => log.error({ err: error }, 'listener failed'));
  return {
    host: address,
    port,
    connections: () => sessions.size,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.leave();
      await closed;
    },
  };
}
