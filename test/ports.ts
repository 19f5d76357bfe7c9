/** Ports for who does not keep them: has one taken later, or again after a restart, or wants nobody to listen there. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * One that is free, with the one 10,000 above it, where a Redis has its cluster. Both are below those that the system
 * gives to whoever asks for any, so that none of the other tests that run meanwhile is given them.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(12_000 * Math.random());
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
