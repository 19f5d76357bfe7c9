/** The command line in a process of its own, as users run it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TaskWaitResult } from '../../src/spec.types.ts';
import { processesMarked } from '../processes.ts';
import { cli, startServer, type ServerProcess } from '../server-process.ts';

export interface Ran {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function example(path: string): string {
  return fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
}

/** A server with the agent types of an example. */
export async function startExample(t: TestContext, config: string): Promise<ServerProcess> {
  return startServer(t, { env: { MCP_CONFIG: example(config) } });
}

/** Resolves when the command has ended; the test ends it if it has not. */
export function runCli(t: TestContext, { port }: ServerProcess, ...args: readonly string[]): Promise<Ran> {
  return runCliIn(t, process.cwd(), { MCP_HOST: '127.0.0.1', MCP_TCP_PORT: String(port) }, ...args);
}

/** The same in a folder, with these variables beside the test's own. */
export async function runCliIn(
  t: TestContext,
  cwd: string,
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<Ran> {
  const [program, ...first] = cli;
  const child = spawn(program!, [...first, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  return { exitCode: child.exitCode, stdout, stderr };
}

/** Carries out a task that has to complete, and sees to it that nobody who worked on it is left. */
export async function runTask(
  t: TestContext,
  server: ServerProcess,
  ...args: readonly string[]
): Promise<TaskWaitResult> {
  const ran = await runCli(t, server, 'run', '--json', ...args);
  assert.equal(ran.exitCode, 0, ran.stderr + ran.stdout);
  const ended = JSON.parse(ran.stdout) as TaskWaitResult;
  assert.equal(ended.status, 'completed');
  await noWorkerLeft(server);
  assert.deepEqual(processesMarked(`SKEIN_SWARM_ID=${ended.swarmId}`), []);
  return ended;
}

/** Resolves when every worker that the server has started has ended. */
export async function noWorkerLeft(server: ServerProcess): Promise<void> {
  const started = server.log.filter(({ msg }) => msg === 'worker started');
  for (const { pid } of started) await server.logged((entry) => entry.msg === 'worker ended' && entry['pid'] === pid);
  assert.deepEqual(workersOf(server), []);
}

function workersOf({ port }: ServerProcess): number[] {
  return processesMarked(`MCP_TCP_PORT=${port}`);
}
