/**
 * MCP on one connection: an instance of the library for each era that its client speaks, made when it first does.
 *
 * The library decides per connection what we decide per message, so each instance gets messages of its era only, one at a
 * time and never a batch.
 */
import { UnsupportedProtocolVersionError, type Server } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { ProfileName } from '../../spec.ts';
import { encodeError, type ErrorObject, type Notification, type Request } from '../../wire/jsonrpc.ts';
import type { Delivery } from '../dialect.ts';
import { Channel } from './channel.ts';
import { revisionOf, type Era } from './era.ts';
import type { WaitSecondsMax } from './patience.ts';
import { mcpServer, type Sources } from './server.ts';
import { listed, Watching } from './watching.ts';

const modernRevisions = ['2026-07-28'];

export interface McpOptions {
  readonly profile: ProfileName;
  readonly subscriptionsMax: number;
  readonly waitSecondsMax: WaitSecondsMax;
}

/** The connection, as far as MCP needs it. */
export interface McpHost extends Sources {
  send(line: string): void;
  /** What the library has to say about its client or itself, and no client is told. */
  onError(error: Error): void;
}

export class McpConnection {
  readonly #host: McpHost;
  readonly #options: McpOptions;
  readonly #channels = new Map<Era, Channel>();
  readonly #spoken = new Set<Era>();

  constructor(host: McpHost, options: McpOptions) {
    this.#host = host;
    this.#options = options;
  }

  get spoken(): ReadonlySet<Era> {
    return this.#spoken;
  }

  async request(message: Request, era: Era): Promise<Delivery> {
    const unsupported = era === 'modern' ? unsupportedRevision(message) : null;
    if (unsupported !== null) return { line: encodeError(message.id, unsupported), undelivered: null };
    return this.#channel(era).request(message);
  }

  notification(message: Notification, era: Era): void {
    this.#channel(era).notification(message);
  }

  /** The server goes: whoever listens is told that nothing more comes. */
  endSubscriptions(): void {
    this.#channels.get('modern')?.endListening();
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.closed();
  }

  #channel(era: Era): Channel {
    const present = this.#channels.get(era);
    if (present !== undefined) return present;
    const { callTool, watch, watchList, readEvents, send, onError } = this.#host;
    const { profile, subscriptionsMax, waitSecondsMax } = this.#options;
    let server: Server | null = null;
    const watching = new Watching(watch, watchList, subscriptionsMax, (what) => {
      const told = what === listed ? server?.sendResourceListChanged() : server?.sendResourceUpdated({ uri: what });
      told?.catch(onError);
    });
    const channel = new Channel(send, watching);
    this.#channels.set(era, channel);
    this.#spoken.add(era);
    serveStdio(() => (server = mcpServer(channel, watching, { era, profile, waitSecondsMax, callTool, readEvents })), {
      transport: channel,
      onerror: onError,
      maxSubscriptions: subscriptionsMax,
    });
    return channel;
  }
}

/** The library looks at the revision of the first request only. */
function unsupportedRevision(request: Request): ErrorObject | null {
  const revision = revisionOf(request);
  if (modernRevisions.some((supported) => supported === revision)) return null;
  const { code, message, data } = new UnsupportedProtocolVersionError({
    supported: modernRevisions,
    requested: String(revision),
  });
  return { code, message, data };
}
