/** All that an MCP client needs to speak over TCP: a line is a message. Fits the clients of both generations. */
import { createConnection } from 'node:net';

export function tcpTransport(port: number) {
  const socket = createConnection({ port, host: '127.0.0.1' });
  const transport = {
    onmessage: undefined as ((message: any) => void) | undefined,
    onclose: undefined as (() => void) | undefined,
    onerror: undefined as ((error: Error) => void) | undefined,
    start: async () => {
      let begun = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        const lines = (begun + chunk).split('\n');
        begun = lines.pop()!;
        for (const line of lines) transport.onmessage?.(JSON.parse(line));
      });
      socket.on('close', () => transport.onclose?.()).on('error', (error) => transport.onerror?.(error));
    },
    send: async (message: object) => void socket.write(`${JSON.stringify(message)}\n`),
    close: async () => void socket.end(),
    /** For tests: as if the client's process had been killed. */
    break: () => socket.destroy(),
  };
  return transport;
}
