/** The official MCP clients of both generations, in every revision that they can be made to speak. */
import type { TestContext } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpTransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { tcpTransport } from './tcp-transport.ts';

export type Transport = Pick<ReturnType<typeof tcpTransport>, 'send' | 'break'>;
type AnyTransport = Parameters<Client['connect']>[0];

export interface Way {
  readonly name: string;
  readonly revision: string;
  /** `query`: of the URL, over HTTP. */
  readonly connect: (t: TestContext, port: number, query?: string) => Promise<{ client: Client; transport: Transport }>;
}

export const legacyRevisions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
const modernRevision = '2026-07-28';
const me = { name: 'test', version: '1' };

async function connected(t: TestContext, client: Client, transport: Transport): ReturnType<Way['connect']> {
  t.after(() => transport.break());
  await client.connect(transport as unknown as AnyTransport);
  return { client, transport };
}

/** The client of the first generation asks for its newest revision only: an older one of itself is that, but for this. */
function asking(transport: Transport, revision: string): Transport {
  const { send } = transport;
  transport.send = (message: any) =>
    send.call(
      transport,
      message.method === 'initialize'
        ? { ...message, params: { ...message.params, protocolVersion: revision } }
        : message,
    );
  return transport;
}

/** With the signature of the second generation. */
function clientV1(): Client {
  const client = new ClientV1(me);
  const { callTool } = client;
  return Object.assign(client as unknown as Client, {
    callTool: (params: any, options: any) => callTool.call(client, params, undefined, options),
  });
}

const v1 = (revision: string): Way => ({
  name: `v1 client, ${revision}`,
  revision,
  connect: (t, port) => connected(t, clientV1(), asking(tcpTransport(port), revision)),
});

const v2Legacy = (revision: string): Way => ({
  name: `v2 client, ${revision}`,
  revision,
  connect: (t, port) => connected(t, new Client(me, { supportedProtocolVersions: [revision] }), tcpTransport(port)),
});

/** It finds out by itself which era the server speaks. */
const v2Auto: Way = {
  name: 'v2 client, which probes',
  revision: modernRevision,
  connect: (t, port) => connected(t, new Client(me, { versionNegotiation: { mode: 'auto' } }), tcpTransport(port)),
};

export const v2Modern: Way = {
  name: `v2 client, ${modernRevision}`,
  revision: modernRevision,
  connect: (t, port) =>
    connected(t, new Client(me, { versionNegotiation: { mode: { pin: modernRevision } } }), tcpTransport(port)),
};

/** Closing it breaks off its requests, and leaves its session as it is: as if its process had been killed. */
function breakable(transport: StreamableHTTPClientTransport | HttpTransportV1): Transport {
  return Object.assign(transport, { break: () => void transport.close() }) as unknown as Transport;
}

const at = (port: number, query: string): URL => new URL(`http://127.0.0.1:${port}/mcp${query}`);

/** A client of a legacy revision begins to listen some time after it has connected, and what is told before is lost. */
async function listening(connect: (fetch: typeof globalThis.fetch) => ReturnType<Way['connect']>) {
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const connection = await connect((url, init) => {
    const response = fetch(url, init);
    if (init?.method === 'GET') response.then(begin, begin);
    return response;
  });
  await begun;
  return connection;
}

const v1Http = (revision: string): Way => ({
  name: `v1 client over HTTP, ${revision}`,
  revision,
  connect: (t, port, query = '') =>
    listening((fetch) =>
      connected(t, clientV1(), asking(breakable(new HttpTransportV1(at(port, query), { fetch })), revision)),
    ),
});

const v2LegacyHttp = (revision: string): Way => ({
  name: `v2 client over HTTP, ${revision}`,
  revision,
  connect: (t, port, query = '') => {
    const client = new Client(me, { supportedProtocolVersions: [revision] });
    return listening((fetch) =>
      connected(t, client, breakable(new StreamableHTTPClientTransport(at(port, query), { fetch }))),
    );
  },
});

const v2Http = (name: string, revision: string, options: ConstructorParameters<typeof Client>[1]): Way => ({
  name: `v2 client over HTTP, ${name}`,
  revision,
  connect: (t, port, query = '') =>
    connected(t, new Client(me, options), breakable(new StreamableHTTPClientTransport(at(port, query)))),
});

const v2AutoHttp = v2Http('which probes', modernRevision, { versionNegotiation: { mode: 'auto' } });
export const v2ModernHttp = v2Http(modernRevision, modernRevision, {
  versionNegotiation: { mode: { pin: modernRevision } },
});

export const newestOverHttp: readonly Way[] = [v1Http('2025-11-25'), v2LegacyHttp('2025-11-25'), v2ModernHttp];
export const httpWays: readonly Way[] = [
  ...legacyRevisions.map(v1Http),
  ...legacyRevisions.map(v2LegacyHttp),
  v2AutoHttp,
  v2ModernHttp,
];

export const newestOfEach = [v1('2025-11-25'), v2Legacy('2025-11-25'), v2Modern];
export const ways: readonly Way[] = [...legacyRevisions.map(v1), ...legacyRevisions.map(v2Legacy), v2Auto, v2Modern];

/** The fields of a tool's result; throws what it says when it was turned down. */
export async function call(client: Client, name: string, args: object = {}): Promise<any> {
  const result = await client.callTool({ name, arguments: args as Record<string, unknown> });
  const [text] = result.content as { text: string }[];
  if (result.isError === true) throw new Error(text!.text);
  return JSON.parse(text!.text);
}

/** What makes a request one of 2026-07-28. */
export const modernMeta = {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': modernRevision,
    'io.modelcontextprotocol/clientInfo': me,
    'io.modelcontextprotocol/clientCapabilities': {},
  },
};
