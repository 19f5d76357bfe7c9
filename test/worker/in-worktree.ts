/** A process for tests: runs the script argv[4] in a worktree of argv[2] for each copy that argv[3] lists, all at once. */
import { execute } from '../../src/worker/execute.ts';
import { inWorktree } from '../../src/worker/worktree.ts';
import type { CommandType } from '../../src/agent-types.ts';

const [folder, copies, script] = process.argv.slice(2) as [string, string, string];
const type: CommandType = {
  name: 'coder',
  runtime: 'command',
  argv: ['/bin/sh', '-c', script],
  stdin: 'none',
  parse: 'text',
  cwd: folder,
  worktree: { base: 'HEAD', keep: 'failure' },
  env: [],
  setEnv: {},
  maxOutputBytes: 1024,
  capabilities: [],
  maxConcurrent: 1,
};
const { signal } = new AbortController();
const log = { debug() {}, info() {}, warn: console.error } as never;

await Promise.all(
  copies.split(',').map(async (copy) => {
    const job = {
      assignmentId: `task_1/work/${copy}`,
      taskId: 'task_1',
      swarmId: 'swarm_1',
      agentId: `agent_in_worktree_${process.pid}_${copy}`,
      phase: 'work',
      role: 'worker',
      attempt: 1,
      description: 'Change it',
      dependencies: {},
      timeoutMs: 600_000,
    };
    const outcome = await inWorktree(type, job, { signal, log }, (placed) =>
      execute(placed, job, signal, { killGraceMs: 1_000, log }),
    );
    if (outcome.ok) return;
    console.error(outcome);
    process.exitCode = 1;
  }),
);
