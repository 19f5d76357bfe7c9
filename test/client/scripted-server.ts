/** A server that says what the test wants, for what a real one does only after hours or with a bug. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

export interface ScriptedRequest {
  readonly id: number;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** `onRequest` gets each request and answers on the socket, or does not. Resolves with the port. */
export async function startScriptedServer(
  t: TestContext,
  onRequest: (request: ScriptedRequest, socket: Socket) => void,
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const lines = createInterface(socket);
    for (const each of [socket, lines]) each.on('error', () => {});
    lines.on('line', (line) => onRequest(JSON.parse(line) as ScriptedRequest, socket));
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export function send(socket: Socket, message: object): void {
  socket.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}
