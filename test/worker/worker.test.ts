/** The worker's loop, against a session that answers as it is told; what it executes is real. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import type { CommandType } from '../../src/agent-types.ts';
import type { AgentSession } from '../../src/client/agent.ts';
import { work } from '../../src/worker/worker.ts';
import { silentLog } from '../../src/observe/log.ts';

const type: CommandType = {
  name: 'test',
  runtime: 'command',
  argv: ['/bin/sh', '-c', 'echo done'],
  stdin: 'none',
  parse: 'text',
  cwd: tmpdir(),
  env: [],
  setEnv: {},
  maxOutputBytes: 1024,
  capabilities: [],
  maxConcurrent: 2,
};

const assignment = {
  assignmentId: 'task_1/work/1',
  taskId: 'task_1',
  phase: 'work',
  role: 'worker',
  attempt: 1,
  leaseToken: 'lease_1',
  description: 'a test',
  input: null,
  dependencies: {},
  timeoutMs: 60_000,
};
const quiet = { messages: 0, cancel: [] };
const drain = { messages: 0, cancel: [], drain: true };
const never = new AbortController().signal;

test('a worker whose agent is draining finishes what it has in hand, asks for no more, and has been drained', async () => {
  let asked = 0;
  const calls: string[] = [];
  let told = (): void => {};
  const session = {
    signal: never,
    joined: { agentId: 'agent_1', swarmId: 'swarm_1', heartbeatSeconds: 20, held: [] },
    onRejoin() {},
    next: async () => {
      calls.push('next');
      asked += 1;
      if (asked === 1) return { assignment, pending: quiet };
      // The other one waits, and is answered when the agent is drained.
      await new Promise<void>((resolve) => (told = resolve));
      return { assignment: null, pending: drain };
    },
    update: (_: object, { signal }: { signal: AbortSignal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    complete: async ({ result }: { result: unknown }) => {
      calls.push(`complete ${String(result)}`);
      setImmediate(told);
      return { status: 'succeeded', pending: drain };
    },
  };
  const options = { type, log: silentLog(), killGraceMs: 100, signal: never };
  assert.equal(await work(session as unknown as AgentSession, options), 'drained');
  assert.deepEqual(calls, ['next', 'next', 'complete done']);
});
