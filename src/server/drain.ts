/** The end of a connection that we close while the other side may still be sending. */
import type { Socket } from 'node:net';

/**
 * Drops what still comes, because closing with unread input would reset the connection and take our last words with
 * it; after `lingerMs` the connection is over in any case.
 */
export function drain(socket: Socket, lingerMs: number): void {
  socket.resume();
  const linger = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(linger));
}
