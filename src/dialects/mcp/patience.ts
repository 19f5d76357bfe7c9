/**
 * How long a call of an MCP client may wait: a client gives a request up after a time of its own, which it tells nobody,
 * so it goes by the client's name and version. What is known of them is `protocol/mcp/clients.json`.
 */
import { clientPatience } from '../../spec.ts';

/** As a client names itself: in `initialize`, or in the `_meta` of a request. */
export interface ClientInfo {
  readonly name: string;
  readonly version: string;
}

/** In seconds; undefined: the client does not say who it is. */
export type WaitSecondsMax = (client: ClientInfo | undefined) => number;

/**
 * By the names that a user has given seconds for, then by what is known; the name `*` is for all others. Some clients add
 * to their name that of the server or of a proxy, so it only has to begin alike.
 */
export function waitSecondsMaxBy(own: ReadonlyMap<string, number>): WaitSecondsMax {
  const others = own.get('*') ?? clientPatience.others;
  const known = [
    ...[...own].map(([name, waitSecondsMax]) => ({ name, waitSecondsMax, since: undefined })),
    ...clientPatience.known,
  ];
  return (client) => {
    if (client === undefined) return others;
    const name = client.name.toLowerCase();
    const found = known.find(
      (one) =>
        name.startsWith(one.name.toLowerCase()) && (one.since === undefined || isSince(client.version, one.since)),
    );
    return found?.waitSecondsMax ?? others;
  };
}

/** What a user has written, `name=seconds,...`; a string: what is wrong with it. */
export function readWaits(text: string): ReadonlyMap<string, number> | string {
  const waits = new Map<string, number>();
  for (const entry of text.split(',')) {
    const [, name, seconds] = /^\s*([^=]*[^=\s])\s*=\s*(\d{1,3})\s*$/.exec(entry) ?? [];
    if (name === undefined || Number(seconds) < 1 || Number(seconds) > 600) {
      return `${JSON.stringify(entry)} has to be a client's name, = and 1 to 600 (s), such as cursor=240; * is for all that are not known`;
    }
    waits.set(name, Number(seconds));
  }
  return waits;
}

/** Versions are numbers with dots; what follows them does not count. */
function isSince(version: string, since: string): boolean {
  const numbers = (text: string): number[] => (/^\d+(\.\d+)*/.exec(text)?.[0] ?? '0').split('.').map(Number);
  const [own, least] = [numbers(version), numbers(since)];
  const at = least.findIndex((number, index) => (own[index] ?? 0) !== number);
  return at === -1 || (own[at] ?? 0) > least[at]!;
}
