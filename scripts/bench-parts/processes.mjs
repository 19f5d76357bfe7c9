/** Everything that the benchmark starts, so that all of it is ended, however the benchmark ends. */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const startMs = 10_000;

const children = new Set();

/** One that cannot be started never becomes one of them. */
function watched(child) {
  child.once('spawn', () => children.add(child));
  child.once('exit', () => children.delete(child));
  return child;
}

export async function endAll() {
  await Promise.all(
    [...children].map(async (child) => {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }),
  );
}

/** Only what a program needs to run: a setting of ours in the caller's environment would change what is measured. */
const environment = { PATH: process.env.PATH };

/** A program that says on standard error, in a line that holds `sign`, where it listens. */
export async function startAnnounced(program, args, sign, { folder, env = {} } = {}) {
  const child = watched(
    spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...environment, ...env },
    }),
  );
  const said = [];
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (text) => {
      if (text.includes(sign)) resolve(text);
      if (said.length < 100) said.push(text);
    });
    child.once('exit', () => reject(new Error(`${program} ${args.join(' ')} ended:\n${said.join('\n')}`)));
  });
  return { pid: child.pid, line };
}

/** A program that listens on `port` of its own accord; `missing` when it is not installed. */
export async function startServer(program, args, port) {
  const child = watched(spawn(program, args, { stdio: 'ignore', env: environment }));
  try {
    await once(child, 'spawn');
  } catch (error) {
    if (error.code === 'ENOENT') return { missing: `${program} is not installed` };
    throw error;
  }
  const giveUpAt = Date.now() + startMs;
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ${args.join(' ')} ended with code ${child.exitCode}`);
    if (Date.now() > giveUpAt) throw new Error(`${program} does not listen on ${port} after ${startMs / 1000} s`);
    await sleep(10);
  }
  return { port, pids: { [program]: child.pid } };
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A load process; `run` lets it work for some seconds and resolves with what it measured. */
export async function startLoad({ work, client = 'load', port, pids }) {
  const file = fileURLToPath(new URL('load.mjs', import.meta.url));
  const child = watched(fork(file, [JSON.stringify({ work, client, port, pids })], { env: environment }));
  const answer = () =>
    new Promise((resolve, reject) => {
      const ended = (code) => reject(new Error(`the load process of ${work} ended with code ${code}`));
      child.once('exit', ended);
      child.once('message', (message) => {
        child.off('exit', ended);
        if (message.fault === undefined) resolve(message);
        else reject(new Error(`${work}: ${message.fault}`));
      });
    });
  await answer();
  return {
    run(seconds) {
      child.send({ seconds });
      return answer();
    },
  };
}
