/** Agents that work on one repository at the same time, each in a worktree of its own, from a server to git. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { repository, type Repository } from '../git-repository.ts';
import { connectRaw, startServer, type RawConnection, type ServerProcess } from '../server-process.ts';
import { noneLeft, workerOf } from './processes.ts';

interface Place {
  readonly repo: Repository;
  readonly server: ServerProcess;
  readonly raw: RawConnection;
  readonly swarmId: string;
  readonly agentIds: readonly string[];
  ended(taskId: string): Promise<any>;
}

const program = (script: string): object => ({ argv: ['/bin/sh', '-c', script], stdin: 'none' });

async function place(t: TestContext, agents: number, script: string | object): Promise<Place> {
  const repo = await repository(t);
  const config = join(repo.folder, 'skein.yaml');
  const coder = { ...(typeof script === 'string' ? program(script) : script), cwd: 'worktree' };
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ agentTypes: { coder } }));
  const server = await startServer(t, { env: { MCP_CONFIG: config } });
  const raw = await connectRaw(t, server.port);
  const { swarmId } = await raw.call('swarm_init', { maxAgents: 50 });
  const spawned = await Promise.all(
    Array.from({ length: agents }, () => raw.call('agent_spawn', { swarmId, agentType: 'coder' })),
  );
  const agentIds = spawned.map(({ agentId }) => agentId as string);
  const ended = async (taskId: string): Promise<any> => {
    for (;;) {
      const seen = await raw.call('task_wait', { taskId, waitSeconds: 60 });
      if (seen.ended) return seen;
    }
  };
  return { repo, server, raw, swarmId, agentIds, ended };
}

async function destroy({ raw, swarmId, agentIds }: Place): Promise<void> {
  await raw.call('swarm_destroy', { swarmId });
  await noneLeft(agentIds);
}

test('eight agents at once: eight branches, none of which has what another one did', async (t) => {
  const there = await place(t, 8, 'cat a.txt; echo "$SKEIN_BRANCH" > a.txt');
  const { repo, raw, swarmId } = there;
  // As it was started by somebody who has work of his own lying about.
  await writeFile(join(repo.folder, 'a.txt'), 'not committed\n');
  const description = 'Change a.txt';
  const tasks = await Promise.all(
    Array.from({ length: 8 }, () => raw.call('task_orchestrate', { swarmId, task: { description } })),
  );
  for (const { taskId } of tasks) {
    const { status, result } = await there.ended(taskId);
    assert.deepEqual([status, result], ['completed', 'one']);
    const branch = `skein/${taskId}-work-1-1`;
    const [{ details }] = (await raw.call('task_results', { swarmId, taskId })).results;
    const { commit } = details.worktree;
    assert.deepEqual(details, { worktree: { branch, commit, changed: true, path: null } });
    assert.equal(repo.git('rev-parse', branch), commit);
    assert.equal(repo.git('show', `${branch}:a.txt`), branch);
  }
  assert.equal(repo.branches().length, 9);
  assert.deepEqual(repo.worktrees(), []);
  assert.equal(repo.git('diff', 'HEAD', '--', 'a.txt').split('\n').at(-1), '+not committed');
  await destroy(there);
});

test('a worker that is killed: what it had done is on its branch, and its work is done again on another', async (t) => {
  const there = await place(t, 1, 'echo "$SKEIN_ATTEMPT" > a.txt; [ "$SKEIN_ATTEMPT" = 1 ] && exec sleep 1000; true');
  const { repo, raw, swarmId, agentIds } = there;
  const { taskId } = await raw.call('task_orchestrate', { swarmId, task: { description: 'Change a.txt' } });
  const folder = join(repo.folder, `.skein/worktrees/${taskId}-work-1-1`);
  const file = join(folder, 'a.txt');
  while (!existsSync(file) || readFileSync(file, 'utf8') !== '1\n') await new Promise(setImmediate);
  process.kill(workerOf(agentIds[0]!)!, 'SIGKILL');
  assert.equal((await there.ended(taskId)).status, 'completed');
  assert.equal(repo.git('show', `skein/${taskId}-work-1-1:a.txt`), '1');
  assert.equal(repo.git('show', `skein/${taskId}-work-1-2:a.txt`), '2');
  // The first one's folder is kept: it has failed.
  assert.deepEqual(repo.worktrees(), [folder]);
  await destroy(there);
});

test('an agent that is stopped: what it had done is on its branch', async (t) => {
  const there = await place(t, 1, 'echo half > a.txt; exec sleep 1000');
  const { repo, raw, swarmId, agentIds } = there;
  const { taskId } = await raw.call('task_orchestrate', { swarmId, task: { description: 'Change a.txt' } });
  const file = join(repo.folder, `.skein/worktrees/${taskId}-work-1-1/a.txt`);
  while (!existsSync(file) || readFileSync(file, 'utf8') !== 'half\n') await new Promise(setImmediate);
  await raw.call('agent_stop', { agentId: agentIds[0] });
  await noneLeft(agentIds);
  assert.equal(repo.git('show', `skein/${taskId}-work-1-1:a.txt`), 'half');
  await destroy(there);
});

test('an agent of the Agent Client Protocol has a worktree, too', async (t) => {
  const agent = fileURLToPath(new URL('../worker/acp/agent.mjs', import.meta.url));
  const script = 'pwd > a.txt; exec "$0" "$@"';
  const argv = ['/bin/sh', '-c', script, process.execPath, agent, 'echo'];
  const there = await place(t, 1, { runtime: 'acp', argv });
  const { repo, raw, swarmId } = there;
  const { taskId } = await raw.call('task_orchestrate', { swarmId, task: { description: 'Change a.txt' } });
  const { status, results } = await there.ended(taskId);
  assert.equal(status, 'completed', JSON.stringify(results));
  const name = `${taskId}-work-1-1`;
  assert.equal(repo.git('show', `skein/${name}:a.txt`), join(repo.folder, '.skein/worktrees', name));
  assert.deepEqual(repo.worktrees(), []);
  await destroy(there);
});

test('a failure tells where its worktree is', async (t) => {
  const there = await place(t, 1, 'echo half > a.txt; exit 7');
  const { repo, raw, swarmId } = there;
  const { taskId } = await raw.call('task_orchestrate', {
    swarmId,
    task: { description: 'Change a.txt' },
    execution: { retryPolicy: 'none' },
  });
  const { status, results } = await there.ended(taskId);
  assert.equal(status, 'failed');
  const { worktree } = results[0].error.details;
  assert.deepEqual(worktree, {
    branch: `skein/${taskId}-work-1-1`,
    commit: repo.git('rev-parse', worktree.branch),
    changed: true,
    path: repo.worktrees()[0],
  });
  await destroy(there);
});
