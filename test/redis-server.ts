/** A real Redis of a test's own, on a free port and in a temporary directory; ended with the test. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './ports.ts';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** To the server's process; SIGSTOP makes it hang, SIGCONT lets it go on. */
  signal(signal: NodeJS.Signals): void;
  /** Kills the process and resolves when it is gone. What it held in memory is lost. */
  kill(): Promise<void>;
  /** After `kill`: on the same port and directory. */
  start(): Promise<void>;
}

/** `t`: the context of a test, or `{ after }` of node:test at the top of a file. `options`: of redis-server. */
export async function startRedis(
  t: { readonly after: (callback: () => Promise<void>) => void },
  ...options: string[]
): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'skein-redis-'));
  let port = 0;
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'];
    child = spawn('redis-server', [...args, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    await ready(child);
    await ping(port);
  }

  /** A port that was free a moment ago may have been taken since. */
  async function startSomewhere(): Promise<void> {
    for (;;) {
      port = await freePort();
      try {
        return await start();
      } catch (error) {
        if (!(error as Error).message.includes('Address already in use')) throw error;
      }
    }
  }

  async function kill(): Promise<void> {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async function end(): Promise<void> {
    await kill();
    rmSync(dir, { recursive: true, force: true });
  }

  t.after(end);
  // Without a test there is nothing whose end would call back.
  await startSomewhere().catch(async (error: unknown) => {
    await end();
    throw error;
  });
  return { port, url: `redis://127.0.0.1:${port}`, signal: (signal) => void child?.kill(signal), kill, start };
}

/** Resolves when the server says that it accepts connections; its output goes on being read. */
function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      reject(missing ? new Error("redis-server was not found: install Debian's package redis-server") : error);
    });
    // Not `exit`: what it said last is to be read first.
    child.on('close', () => reject(new Error(`redis-server ended:\n${said.join('\n')}`)));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      said.push(line);
      if (line.includes('Ready to accept connections')) resolve();
    });
  });
}

async function ping(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write('PING\r\n');
  const [reply] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  assert.equal(reply.toString(), '+PONG\r\n');
}
