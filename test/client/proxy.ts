/** A wire between client and server that the test can cut at the worst moment. */
import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/**
 * What becomes of a request: `pass`; `lose_reply`: it is carried out, and the connection breaks when its answer comes;
 * `swallow`: nothing more is heard of it; a promise: its answer is passed on when that resolves.
 */
export type Fate = 'pass' | 'lose_reply' | 'swallow' | Promise<void>;

export interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: { readonly name?: string; readonly arguments?: Readonly<Record<string, unknown>> };
}

export interface Proxy {
  readonly port: number;
  /** Every request that came, in order. */
  readonly requests: readonly Request[];
  /** Connections that were ever made, and that stand. */
  readonly made: number;
  readonly standing: number;
  /** Decides for every request; all pass at first. */
  fate: (request: Request) => Fate;
  /** Resolves as soon as it holds; looked at whenever something happens here. */
  until(holds: () => boolean): Promise<void>;
  /** Breaks each new connection as soon as it is made. */
  refusing: boolean;
  /** Breaks all connections. */
  cut(): void;
  /** Listens no more. */
  close(): Promise<void>;
}

export async function startProxy(t: TestContext, serverPort: number): Promise<Proxy> {
  const requests: Request[] = [];
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  const happened = (): void => waiting.forEach((look) => look());
  let made = 0;

  const server = createServer({ noDelay: true }, (socket) => {
    made += 1;
    if (proxy.refusing) {
      socket.destroy();
      return happened();
    }
    sockets.add(socket);
    const upstream = createConnection({ port: serverPort, host: '127.0.0.1', noDelay: true });
    const fates = new Map<number, Fate>();
    const fromClient = createInterface(socket);
    const fromServer = createInterface(upstream);
    // That a connection breaks is what happens here; readline passes its errors on.
    for (const each of [socket, upstream, fromClient, fromServer]) each.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      upstream.destroy();
      happened();
    });
    upstream.on('close', () => socket.destroy());
    fromClient.on('line', (line) => {
      const request = JSON.parse(line) as Request;
      const fate = proxy.fate(request);
      requests.push(request);
      fates.set(request.id, fate);
      if (fate !== 'swallow') upstream.write(`${line}\n`);
      happened();
    });
    fromServer.on('line', (line) => {
      const fate = fates.get((JSON.parse(line) as { id?: number }).id ?? 0) ?? 'pass';
      if (fate === 'lose_reply') socket.destroy();
      else if (fate instanceof Promise) void fate.then(() => socket.write(`${line}\n`));
      else socket.write(`${line}\n`);
    });
    happened();
  });
  server.listen({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const proxy: Proxy = {
    port,
    requests,
    fate: () => 'pass',
    refusing: false,
    get made() {
      return made;
    },
    get standing() {
      return sockets.size;
    },
    until: (holds) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!holds()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      proxy.cut();
      await closed;
    },
  };
  t.after(() => {
    server.close();
    proxy.cut();
  });
  return proxy;
}

/** What the tools of a proxy's requests were, in order. */
export function toolsOf(proxy: Proxy): string[] {
  return proxy.requests.flatMap(({ params }) => params?.name ?? []);
}
