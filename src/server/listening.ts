/** Listening on an address; an error says in words what is wrong with it, and which setting would change it. */
import { once } from 'node:events';
import type { AddressInfo, ListenOptions, Server } from 'node:net';

const meanings: { readonly [code: string]: string } = {
  EADDRINUSE: 'is in use',
  EACCES: 'is not for this user',
  EADDRNOTAVAIL: 'is not an address of this machine',
  ENOTFOUND: 'is not an address of this machine',
};

/** @throws when the address cannot be listened on. */
export async function listening(
  server: Server,
  address: ListenOptions & { readonly host: string; readonly port: number },
  settings: string,
): Promise<AddressInfo> {
  server.listen(address);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const meaning = meanings[code] ?? `cannot be listened on (${message})`;
    throw new Error(`${address.host}:${address.port} ${meaning}: choose another address with ${settings}`, {
      cause: error,
    });
  }
  return server.address() as AddressInfo;
}
