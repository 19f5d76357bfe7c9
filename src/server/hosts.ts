/**
 * Whom /mcp serves, so that no web page reaches it through a browser on this machine: pages may send requests to any
 * address, also under a name of their own that leads here (DNS rebinding).
 */
import { isIP } from 'node:net';
import { excerpt } from '../dialects/excerpt.ts';

const loopback = ['localhost', '127.0.0.1', '[::1]'];

/** The names of a host as they stand in URLs. `bind`: what the server listens on; `also`: separated by commas. */
export function allowedHosts(bind: string, also: string | null): ReadonlySet<string> {
  const named = (also ?? '').split(',').map((name) => name.trim());
  return new Set([...loopback, ...[bind, ...named].filter((name) => name !== '').map(asInUrl)]);
}

function asInUrl(name: string): string {
  return isIP(name) === 6 ? `[${name}]` : name.toLowerCase();
}

/** null: it is served; else why not. */
export function refuseForeign(
  { host, origin }: { readonly host?: string | undefined; readonly origin?: string | undefined },
  allowed: ReadonlySet<string>,
): string | null {
  const known = [...allowed].join(', ');
  if (!allowed.has(hostnameOf(`http://${host ?? ''}`))) {
    return `Host is ${shown(host)}, and this server is known as ${known}: name more with MCP_ALLOWED_HOSTS`;
  }
  if (origin !== undefined && !allowed.has(hostnameOf(origin))) {
    return `Origin is ${shown(origin)}, and web pages may call from ${known}: name more with MCP_ALLOWED_HOSTS`;
  }
  return null;
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}

function shown(value: string | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(excerpt(value));
}
