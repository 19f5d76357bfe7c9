/** Real processes, found by their mark alone. Linux, for /proc. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { CommandType } from '../../src/agent-types.ts';
import { sweep } from '../../src/hosts/sweep.ts';
import { execute } from '../../src/worker/execute.ts';
import { killMarked, processesMarked } from '../processes.ts';

let agents = 0;

/** An agent id of this test alone; whatever still carries it at the end is killed. */
function newAgentId(t: TestContext): string {
  const agentId = `agent_sweep_${process.pid}_${++agents}`;
  t.after(() => killMarked(`SKEIN_AGENT_ID=${agentId}`));
  return agentId;
}

/** Starts a program that is marked and says "ready" as soon as it is. */
async function start(agentId: string, script: string, options: SpawnOptions = {}): Promise<ChildProcess> {
  const env = { PATH: process.env.PATH, SKEIN_AGENT_ID: agentId };
  const child = spawn('/bin/sh', ['-c', script], { env, stdio: ['ignore', 'pipe', 'inherit'], ...options });
  const [output] = (await once(child.stdout!, 'data')) as [Buffer];
  assert.equal(output.toString(), 'ready\n');
  return child;
}

const hang = 'while :; do sleep 1; done';
const polite = `echo ready; ${hang}`;
const stubborn = `trap '' TERM; echo ready; ${hang}`;
const generous = { killGraceMs: 60_000 };

describe('sweep', () => {
  test('nobody is there', async (t) => {
    const result = await sweep({ agentId: newAgentId(t) }, generous);
    assert.deepEqual(result, { supported: true, terminated: 0, killed: 0, left: 0 });
  });

  test('what ends at SIGTERM is not killed', async (t) => {
    const agentId = newAgentId(t);
    const child = await start(agentId, `echo ready; exec sleep 1000`);
    const exit = once(child, 'exit');
    const result = await sweep({ agentId }, generous);
    assert.deepEqual(result, { supported: true, terminated: 1, killed: 0, left: 0 });
    assert.deepEqual(await exit, [null, 'SIGTERM']);
  });

  test('what ignores SIGTERM is killed after the grace', async (t) => {
    const agentId = newAgentId(t);
    const child = await start(agentId, stubborn);
    const exit = once(child, 'exit');
    const result = await sweep({ agentId }, { killGraceMs: 150 });
    assert.ok(result.supported);
    assert.ok(result.killed >= 1, JSON.stringify(result));
    assert.equal(result.left, 0);
    assert.deepEqual(await exit, [null, 'SIGKILL']);
    assert.deepEqual(processesMarked(`SKEIN_AGENT_ID=${agentId}`), []);
  });

  test('what is left of a worker that was killed: orphans, in whatever session', async (t) => {
    const agentId = newAgentId(t);
    const worker = await start(agentId, `setsid sh -c '${polite}' & ${hang}`, { detached: true });
    const exit = once(worker, 'exit');
    worker.kill('SIGKILL');
    await exit;
    assert.notDeepEqual(processesMarked(`SKEIN_AGENT_ID=${agentId}`), []);
    const result = await sweep({ agentId }, generous);
    assert.ok(result.supported && result.terminated >= 1 && result.left === 0, JSON.stringify(result));
    assert.deepEqual(processesMarked(`SKEIN_AGENT_ID=${agentId}`), []);
  });

  test('a process that starts others while it is told to end', async (t) => {
    const agentId = newAgentId(t);
    await start(agentId, `trap 'sleep 1000 >/dev/null & exit' TERM; ${polite}`);
    const result = await sweep({ agentId }, generous);
    assert.ok(result.supported && result.left === 0, JSON.stringify(result));
    assert.deepEqual(processesMarked(`SKEIN_AGENT_ID=${agentId}`), []);
  });

  test('a process whose mark is gone after SIGTERM is still the one that was found', async (t) => {
    const agentId = newAgentId(t);
    const child = await start(agentId, `trap "exec env -i sh -c 'trap \\"\\" TERM; ${hang}'" TERM; ${polite}`);
    const exit = once(child, 'exit');
    t.after(() => child.kill('SIGKILL'));
    const result = await sweep({ agentId }, { killGraceMs: 500 });
    assert.ok(result.supported && result.killed >= 1 && result.left === 0, JSON.stringify(result));
    assert.deepEqual(await exit, [null, 'SIGKILL']);
  });

  test('a program whose name looks like fields of /proc', async (t) => {
    const agentId = newAgentId(t);
    const folder = mkdtempSync(join(tmpdir(), 'skein-sweep-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const program = join(folder, 'a) Z 1 (b');
    copyFileSync(process.execPath, program);
    const child = spawn(program, ['-e', 'console.log("ready"); setInterval(() => {}, 1000)'], {
      env: { SKEIN_AGENT_ID: agentId },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    const result = await sweep({ agentId }, generous);
    assert.deepEqual(result, { supported: true, terminated: 1, killed: 0, left: 0 });
    assert.deepEqual(await exit, [null, 'SIGTERM']);
  });

  test('another agent, even of a longer id, is left alone', async (t) => {
    const agentId = newAgentId(t);
    const other = await start(`${agentId}0`, polite);
    t.after(() => other.kill('SIGKILL'));
    const result = await sweep({ agentId }, generous);
    assert.deepEqual(result, { supported: true, terminated: 0, killed: 0, left: 0 });
    assert.equal(other.exitCode ?? other.signalCode, null);
    await sweep({ agentId: `${agentId}0` }, generous);
  });

  test('who sweeps, and its ancestors, are never signalled', async (t) => {
    const agentId = newAgentId(t);
    const module = fileURLToPath(new URL('../../src/hosts/sweep.ts', import.meta.url));
    const program = `
      const { sweep } = await import(${JSON.stringify(module)});
      process.stdout.write(JSON.stringify(await sweep({ agentId: ${JSON.stringify(agentId)} }, { killGraceMs: 60_000 })));`;
    // A marked parent that has started a marked sibling, and then the one that sweeps.
    const parent = spawn(
      '/bin/sh',
      [
        '-c',
        `sleep 1000 >/dev/null & "$@"; echo " and $?"`,
        'sh',
        process.execPath,
        '--import',
        'tsx',
        '--input-type=module',
        '-e',
        program,
      ],
      {
        env: { PATH: process.env.PATH, SKEIN_AGENT_ID: agentId },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    assert.deepEqual(await once(parent, 'close'), [0, null]);
    assert.match(output, /^\{"supported":true,"terminated":[1-9]\d*,"killed":0,"left":0\} and 0\n$/);
  });

  test('an id that cannot be one is refused', async () => {
    for (const agentId of ['', 'a b', 'a\0b', 'a\n']) await assert.rejects(sweep({ agentId }, generous), TypeError);
  });

  test('reaches what a program put outside its process group', async (t) => {
    const agentId = newAgentId(t);
    const type: CommandType = {
      name: 'daemon',
      runtime: 'command',
      argv: ['/bin/sh', '-c', 'setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo done'],
      stdin: 'none',
      parse: 'text',
      cwd: '/',
      env: [],
      setEnv: {},
      maxOutputBytes: 1000,
      capabilities: [],
      maxConcurrent: 1,
    };
    const job = {
      ...{ assignmentId: 'a', taskId: 't', swarmId: 's', agentId, phase: 'main', role: 'worker', attempt: 1 },
      ...{ description: '', dependencies: {}, timeoutMs: 60_000 },
    };
    const log = { debug() {}, warn() {} } as never;
    const outcome = await execute(type, job, new AbortController().signal, { killGraceMs: 1000, log });
    assert.equal(outcome.ok, true);
    await sweep({ agentId }, generous);
    assert.deepEqual(processesMarked(`SKEIN_AGENT_ID=${agentId}`), []);
  });
});
