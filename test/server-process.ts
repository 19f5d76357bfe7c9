/** A real coordinator in a process of its own, for tests at the level where users stand. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { processesMarked } from './processes.ts';

const root = new URL('../', import.meta.url);

/** skein as it is built, which starts in half the time of the source. */
export const cli = [process.execPath, fileURLToPath(new URL('dist/cli.js', root))] as const;

/** Nobody should wonder why a change of the source changes nothing. */
function refuseStale(): void {
  const built = statSync(new URL('dist/cli.js', root), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const source = fileURLToPath(new URL('src', root));
  const newest = (readdirSync(source, { recursive: true }) as string[])
    .map((file) => statSync(join(source, file)).mtimeMs)
    .reduce((newer, mtime) => Math.max(newer, mtime));
  if (newest > built) throw new Error('dist is older than src: run scripts/test, or npm run build');
}

refuseStale();

export interface ServerProcess {
  readonly port: number;
  readonly httpPort: number;
  readonly pid: number;
  readonly dataDir: string;
  /** Everything that it has logged so far. */
  readonly log: readonly { readonly level: string; readonly msg: string; readonly [field: string]: unknown }[];
  /** Resolves with the first log entry, past or coming, that `wanted` accepts. */
  logged(wanted: (entry: ServerProcess['log'][number]) => boolean): Promise<ServerProcess['log'][number]>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/**
 * A folder of the test's own. It is removed with all others at the end of the file: at that of the test, whose hooks run in
 * the order in which they were made, the servers that write to it would still be there.
 */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-test-'));
  if (folders.push(folder) === 1) process.once('exit', removeFolders);
  return folder;
}

const folders: string[] = [];

function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** As a host ends a worker, which then ends what it runs. */
function end(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has just ended by itself.
  }
}

/** Starts `skein serve` on free ports and waits until it listens; the test ends it, and the workers that it has started. */
export async function startServer(
  t: TestContext,
  options: {
    readonly dataDir?: string;
    readonly port?: number;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<ServerProcess> {
  const dataDir = options.dataDir ?? (await temporaryFolder());
  const [program, ...args] = cli;
  const child: ChildProcess = spawn(program, [...args, 'serve'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      MCP_TCP_PORT: String(options.port ?? 0),
      MCP_HTTP_PORT: '0',
      MCP_DATA_DIR: dataDir,
      MCP_RATE_LIMIT: '0',
      ...options.env,
    },
  });
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    // Workers would outlive it for their grace, with what they run. What they have of its environment tells whose they are.
    for (const pid of processesMarked(`MCP_DATA_DIR=${dataDir}`)) end(pid);
  });

  const log: ServerProcess['log'][number][] = [];
  const waiting = new Set<(entry: ServerProcess['log'][number]) => void>();
  const plain: string[] = [];
  createInterface(child.stderr!).on('line', (line) => {
    try {
      const entry = JSON.parse(line) as ServerProcess['log'][number];
      log.push(entry);
      for (const each of waiting) each(entry);
    } catch {
      plain.push(line);
    }
  });
  const logged: ServerProcess['logged'] = (wanted) =>
    new Promise((resolve, reject) => {
      const past = log.find(wanted);
      if (past !== undefined) return resolve(past);
      const see = (entry: ServerProcess['log'][number]): void => {
        if (!wanted(entry)) return;
        waiting.delete(see);
        resolve(entry);
      };
      waiting.add(see);
      void ended.then((how) =>
        reject(
          new Error(
            `the server ended (${how}) before it logged that:\n${plain.join('\n')}\n${log.map((entry) => JSON.stringify(entry)).join('\n')}`,
          ),
        ),
      );
    });

  const tcp = await logged((entry) => entry.msg === 'listening');
  const http = await logged((entry) => entry.msg === 'http listening');
  return {
    port: tcp['port'] as number,
    httpPort: http['port'] as number,
    pid: child.pid!,
    dataDir,
    log,
    logged,
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

export interface RawReply {
  readonly jsonrpc: '2.0';
  readonly id: unknown;
  readonly result?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: any };
}

/** A connection without any client of ours: lines out, lines in. */
export interface RawConnection {
  readonly socket: Socket;
  send(message: string | object): void;
  /** The next line, as it stands; undefined once the connection has ended. */
  line(): Promise<string | undefined>;
  message(): Promise<any>;
  /** Sends a request and resolves with its reply; other messages that come meanwhile are kept for `message`. */
  request(method: string, params?: unknown): Promise<RawReply>;
  /** Calls a tool; throws when it was refused. */
  call(tool: string, args?: object): Promise<any>;
}

export async function connectRaw(t: TestContext, port: number): Promise<RawConnection> {
  const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.on('error', () => {});
  const lines: string[] = [];
  const waiting: ((line: string | undefined) => void)[] = [];
  const replies = new Map<string, (reply: RawReply) => void>();
  let over = false;
  const reader = createInterface({ input: socket, crlfDelay: Infinity });
  reader.on('line', (line) => {
    const id = /^\{"jsonrpc":"2.0","id":("r\d+")/.exec(line)?.[1];
    const reply = id === undefined ? undefined : replies.get(id);
    if (id !== undefined && reply !== undefined) {
      replies.delete(id);
      reply(JSON.parse(line) as RawReply);
    } else if (waiting.length > 0) waiting.shift()!(line);
    else lines.push(line);
  });
  // A reset ends it like any other end: a server that is killed leaves unread what was sent to it last.
  reader.on('error', () => reader.close());
  reader.on('close', () => {
    over = true;
    for (const each of waiting.splice(0)) each(undefined);
  });
  let last = 0;
  const connection: RawConnection = {
    socket,
    send: (message) => void socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
    line: () =>
      new Promise((resolve) => {
        if (lines.length > 0) resolve(lines.shift());
        else if (over) resolve(undefined);
        else waiting.push(resolve);
      }),
    message: async () => {
      const line = await connection.line();
      return line === undefined ? undefined : JSON.parse(line);
    },
    request: (method, params) =>
      new Promise((resolve, reject) => {
        last += 1;
        const id = `r${last}`;
        replies.set(`"${id}"`, resolve);
        reader.once('close', () => reject(new Error(`the connection ended before ${method} was answered`)));
        connection.send({ jsonrpc: '2.0', id, method, ...(params !== undefined && { params }) });
      }),
    call: async (tool, args = {}) => {
      const reply = await connection.request('tools/call', { name: tool, arguments: args });
      if (reply.error !== undefined) throw Object.assign(new Error(`${tool}: ${reply.error.message}`), reply.error);
      return reply.result;
    },
  };
  reader.setMaxListeners(0);
  return connection;
}
