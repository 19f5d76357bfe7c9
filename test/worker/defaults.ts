/** An agent type and a job, of which a test says what is special. */
import { tmpdir } from 'node:os';
import type { CommandType } from '../../src/agent-types.ts';
import type { Job } from '../../src/worker/job.ts';

export const commandDefaults: CommandType = {
  name: 'test',
  runtime: 'command',
  argv: ['/bin/true'],
  stdin: 'prompt',
  parse: 'text',
  cwd: tmpdir(),
  env: [],
  setEnv: {},
  maxOutputBytes: 1024 * 1024,
  capabilities: [],
  maxConcurrent: 1,
};

export const jobDefaults: Job = {
  assignmentId: 'task_1/work/1',
  taskId: 'task_1',
  swarmId: 'swarm_1',
  agentId: 'agent_1',
  phase: 'work',
  role: 'worker',
  attempt: 1,
  description: 'a test',
  dependencies: {},
  // Far above what any program here needs: a run that should end by itself and does not fails the test.
  timeoutMs: 60_000,
};
