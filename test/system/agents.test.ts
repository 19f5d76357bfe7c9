/** Agents that really execute: programs run by workers that a server started. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { methods, validate } from '../../src/spec.ts';
import { connectRaw, startServer, temporaryFolder, type RawConnection, type ServerProcess } from '../server-process.ts';
import { noneLeft, processesOf, workerOf } from './processes.ts';

const node = JSON.stringify(process.execPath);

interface Place {
  readonly server: ServerProcess;
  readonly raw: RawConnection;
  readonly folder: string;
  readonly swarmId: string;
  /** Waits for the end of a task and gives its results. */
  ended(taskId: string): Promise<any>;
}

/** A server with the given agent types, and a swarm; at its end nothing of its agents may be left. */
async function place(t: TestContext, agentTypes: string): Promise<Place> {
  const folder = await temporaryFolder();
  const config = join(folder, 'skein.yaml');
  await writeFile(config, agentTypes.replaceAll('FOLDER', folder));
  const server = await startServer(t, { env: { MCP_CONFIG: config } });
  const raw = await connectRaw(t, server.port);
  const { swarmId } = await raw.call('swarm_init', { maxAgents: 50 });
  return {
    server,
    raw,
    folder,
    swarmId,
    ended: async (taskId) => {
      for (;;) {
        const seen = await raw.call('task_wait', { taskId, waitSeconds: 60 });
        if (seen.ended) return seen;
      }
    },
  };
}

async function spawn({ raw, swarmId }: Place, agentType: string, count = 1): Promise<string[]> {
  const spawned = await Promise.all(
    Array.from({ length: count }, () => raw.call('agent_spawn', { swarmId, agentType })),
  );
  for (const { status, resources } of spawned) {
    assert.equal(status, 'spawning');
    assert.equal(resources, undefined);
  }
  return spawned.map(({ agentId }) => agentId);
}

async function destroy({ raw, swarmId }: Place, agentIds: readonly string[]): Promise<void> {
  await raw.call('swarm_destroy', { swarmId });
  await noneLeft(agentIds);
}

const sum = `
  sum:
    argv: [sha256sum]
    stdin: input
    capabilities: [hash]`;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('an agent whose type is a command', () => {
  test('becomes active by joining, and its result is the true one', async (t) => {
    const there = await place(t, `agentTypes:${sum}`);
    const agentIds = await spawn(there, 'sum');
    const input = randomBytes(64).toString('base64');
    const { taskId } = await there.raw.call('task_orchestrate', { task: { description: 'Digest it', input } });
    const { status, result, results } = await there.ended(taskId);
    assert.deepEqual([status, result], ['completed', `${digest(input)}  -`]);
    assert.deepEqual(
      results.map((of: any) => of.agentId),
      agentIds,
    );
    const agent = await there.raw.call('agent_status', { agentId: agentIds[0] });
    assert.equal(agent.status, 'active');
    assert.ok(agent.initialisationMetrics.spawnTime > 0);
    await destroy(there, agentIds);
  });

  test('three in parallel, one of them wrong on purpose: the right digest wins, and the votes are shown', async (t) => {
    // The right ones wait until the wrong one has voted, so that there is a dissenter to be seen.
    const there = await place(
      t,
      `agentTypes:
  sum:
    argv: [/bin/sh, -c, 'until [ -e "FOLDER/voted" ]; do sleep 0.05; done; exec sha256sum']
    stdin: input
    capabilities: [hash]
  wrong:
    argv: [/bin/sh, -c, 'echo 0000000000000000000000000000000000000000000000000000000000000000 " -"']
    stdin: none
    capabilities: [hash]`,
    );
    const right = await spawn(there, 'sum', 2);
    const [wrong] = await spawn(there, 'wrong');
    const input = randomBytes(16).toString('hex');
    const { taskId, coordination } = await there.raw.call('task_orchestrate', {
      task: { description: 'Digest it', input, requiredCapabilities: ['hash'], parallelism: 3 },
      execution: { resultAggregation: 'majority_vote' },
    });
    assert.equal(coordination.requiredVotes, 2);
    const follower = await connectRaw(t, there.server.port);
    await follower.request('subscribe', { swarmId: there.swarmId, from: 0 });
    for (;;) {
      const { params } = await follower.message();
      if (params.event.type === 'attempt_succeeded' && params.event.agentId === wrong) break;
    }
    await writeFile(join(there.folder, 'voted'), '');
    const { status, result, consensus } = await there.ended(taskId);
    assert.deepEqual([status, result], ['completed', `${digest(input)}  -`]);
    assert.deepEqual([consensus.reached, consensus.share, consensus.decidedBy], [true, 2 / 3, 'majority_vote']);
    const votes = new Map(consensus.ballots.map((ballot: any) => [ballot.agentId, ballot.ballot]));
    assert.deepEqual(
      right.map((agentId) => votes.get(agentId)),
      [`${digest(input)} -`, `${digest(input)} -`],
    );
    assert.equal(votes.get(wrong!), `${'0'.repeat(64)} -`);
    await destroy(there, [...right, wrong!]);
  });

  test('in a graph of three phases each program uses the output of the one before', async (t) => {
    const there = await place(
      t,
      `agentTypes:
  split:
    argv: [${node}, -e, 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>console.log(JSON.stringify(s.trim().split(" "))))']
    stdin: input
    parse: json
    capabilities: [split]
  sort:
    argv: [${node}, -e, 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>console.log(JSON.stringify(JSON.parse(s).dependencies.words.sort())))']
    stdin: json
    parse: json
    capabilities: [sort]
  join:
    argv: [${node}, -e, 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>console.log(JSON.parse(s).dependencies.sorted.join("-")))']
    stdin: json
    capabilities: [join]`,
    );
    const agentIds = [
      ...(await spawn(there, 'split')),
      ...(await spawn(there, 'sort')),
      ...(await spawn(there, 'join')),
    ];
    const { taskId } = await there.raw.call('task_orchestrate', {
      task: {
        description: 'Sort words',
        input: 'pear apple fig',
        phases: [
          { name: 'words', requiredCapabilities: ['split'] },
          { name: 'sorted', requiredCapabilities: ['sort'], dependencies: ['words'] },
          { name: 'joined', requiredCapabilities: ['join'], dependencies: ['sorted'] },
        ],
      },
    });
    const { result, results } = await there.ended(taskId);
    assert.equal(result, 'apple-fig-pear');
    assert.deepEqual(
      results.map((of: any) => of.result),
      [['pear', 'apple', 'fig'], ['apple', 'fig', 'pear'], 'apple-fig-pear'],
    );
    await destroy(there, agentIds);
  });

  test('that fails ends as the right failure, is retried as configured, and leaves no process behind', async (t) => {
    const there = await place(
      t,
      `agentTypes:
  exits:
    argv: [/bin/sh, -c, 'echo x >> "FOLDER/exits"; echo this is why >&2; exit 1']
  hangs:
    argv: [/bin/sh, -c, 'echo x >> "FOLDER/hangs"; trap "" TERM; sleep 1000 & wait; sleep 1000']
  floods:
    argv: [/bin/sh, -c, 'echo x >> "FOLDER/floods"; head -c 100000000 /dev/zero']
  missing:
    argv: [./no-such-program]`,
    );
    const kinds = ['exits', 'hangs', 'floods', 'missing'] as const;
    const agentIds = (await Promise.all(kinds.map((kind) => spawn(there, kind)))).flat();
    const outcome = async (agentType: string): Promise<any> => {
      const { taskId } = await there.raw.call('task_orchestrate', {
        task: { description: agentType, agentType, ...(agentType === 'hangs' && { timeout: 2 }) },
        execution: { retryPolicy: 'fixed', retryDelay: 10, maxAttempts: 2 },
      });
      const { status, phases } = await there.ended(taskId);
      assert.equal(status, 'failed');
      return phases[0].assignments[0];
    };
    const [exits, hangs, floods, missing] = await Promise.all(kinds.map(outcome));
    assert.deepEqual([exits.lastError.reason, exits.attempt], ['exit_code', 2]);
    assert.match(exits.lastError.details.stderr, /this is why/);
    assert.deepEqual([hangs.lastError.reason, hangs.attempt], ['timeout', 2]);
    assert.deepEqual([floods.lastError.reason, floods.attempt], ['output_too_large', 2]);
    assert.deepEqual(
      [missing.lastError.reason, missing.attempt],
      ['not_found', 1],
      'what is not there will not be there the next time',
    );
    for (const kind of ['exits', 'hangs', 'floods']) assert.ok(existsSync(join(there.folder, kind)));
    await destroy(there, agentIds);
  });

  test('a cancelled task ends its program at once', async (t) => {
    const there = await place(t, `agentTypes:\n  hangs:\n    argv: [/bin/sh, -c, 'touch "FOLDER/begun"; sleep 1000']`);
    const agentIds = await spawn(there, 'hangs');
    const { taskId } = await there.raw.call('task_orchestrate', { task: 'hang' });
    const follower = await connectRaw(t, there.server.port);
    await follower.request('subscribe', { swarmId: there.swarmId, from: 0 });
    while ((await follower.message()).params.event.type !== 'assignment_claimed');
    await there.raw.call('task_cancel', { taskId });
    // The worker takes its next work only when the program has ended.
    const next = await there.raw.call('task_orchestrate', { task: 'again' });
    while (true) {
      const { event } = (await follower.message()).params;
      if (event.type === 'assignment_claimed' && event.assignmentId.startsWith(next.taskId)) break;
    }
    await destroy(there, agentIds);
  });

  test('whose worker cannot start has failed, with the reason', async (t) => {
    const there = await place(t, `agentTypes:${sum}`);
    await writeFile(join(there.folder, 'skein.yaml'), 'agentTypes: {}');
    const [agentId] = await spawn(there, 'sum');
    const follower = await connectRaw(t, there.server.port);
    await follower.request('subscribe', { swarmId: there.swarmId, from: 0 });
    for (;;) {
      const { event } = (await follower.message()).params;
      if (event.type !== 'agent_failed') continue;
      assert.deepEqual([event.agentId, event.reason], [agentId, 'its worker ended with exit code 1']);
      break;
    }
    assert.equal((await there.raw.call('agent_status', { agentId })).status, 'failed');
  });
});

describe('an agent of the Agent Client Protocol', () => {
  const program = JSON.stringify(fileURLToPath(new URL('../worker/acp/agent.mjs', import.meta.url)));
  const coder = (...behaviour: readonly string[]): string =>
    `agentTypes:\n  coder: {runtime: acp, argv: [${[node, program, ...behaviour].join(', ')}], capabilities: [code]}`;

  /** The events of the swarm, from its first one on, until one is as wanted. */
  async function follow(t: TestContext, { server, swarmId }: Place, until: (event: any) => boolean): Promise<any[]> {
    const follower = await connectRaw(t, server.port);
    await follower.request('subscribe', { swarmId, from: 0 });
    const events: any[] = [];
    for (;;) {
      const { event } = (await follower.message()).params;
      events.push(event);
      if (until(event)) return events;
    }
  }

  test('answers, and what it used and did arrives with the answer', async (t) => {
    const there = await place(t, coder('work'));
    const agentIds = await spawn(there, 'coder');
    const { taskId } = await there.raw.call('task_orchestrate', { task: 'What is the answer?' });
    const { status, result, results, usage } = await there.ended(taskId);
    assert.deepEqual([status, result], ['completed', 'The answer is 42.']);
    assert.deepEqual(results[0].usage, { inputTokens: 40, outputTokens: 25, costUsd: 0.25 });
    assert.deepEqual(usage, { inputTokens: 40, outputTokens: 25, costUsd: 0.25, unknownAttempts: 0 });
    assert.equal((await there.raw.call('agent_status', { agentId: agentIds[0] })).runtime, 'acp');
    const { agentTypes } = await there.raw.call('server_info');
    assert.deepEqual(
      agentTypes.map(({ name, runtime }: any) => [name, runtime]),
      [['coder', 'acp']],
    );
    const events = await follow(t, there, ({ type }) => type === 'agent_spawned');
    const { params } = methods.get('subscribe')!.notifications!['event']!;
    assert.equal(validate(params, { subscriptionId: 'sub_1', event: events.at(-1) }), null);
    await destroy(there, agentIds);
  });

  test('that asks for permission under permissions: deny has failed for good, and the failure says what to do', async (t) => {
    const there = await place(t, coder('ask').replace('runtime', 'permissions: deny, runtime'));
    const agentIds = await spawn(there, 'coder');
    const { taskId } = await there.raw.call('task_orchestrate', { task: 'Clean up' });
    const { status, phases } = await there.ended(taskId);
    const { attempt, lastError } = phases[0].assignments[0];
    assert.deepEqual([status, attempt, lastError.reason], ['failed', 1, 'permission_denied']);
    assert.match(lastError.message, /rm -rf build.*permissions: allow/);
    await destroy(there, agentIds);
  });

  test('reaches its swarm by the MCP server that it is given', async (t) => {
    const there = await place(t, coder('companion'));
    const agentIds = await spawn(there, 'coder');
    const { taskId } = await there.raw.call('task_orchestrate', { task: 'Tell' });
    const { status, result } = await there.ended(taskId);
    assert.deepEqual([status, result], ['completed', 'told']);
    const events = await follow(t, there, ({ type }) => type === 'attempt_succeeded');
    assert.deepEqual(
      events.flatMap(({ type, progress }) => (type === 'progress_reported' ? [progress] : [])),
      ['half'],
    );
    await destroy(there, agentIds);
  });

  test('asks a person for permission, whose answer it gets', async (t) => {
    const there = await place(t, coder('ask'));
    const agentIds = await spawn(there, 'coder');
    const { taskId } = await there.raw.call('task_orchestrate', { task: { description: 'Clean up', timeout: 60 } });
    const asked = (await follow(t, there, ({ type }) => type === 'approval_requested')).at(-1);
    assert.deepEqual(asked.tool, 'rm -rf build');
    await there.raw.call('approval_decide', { approvalId: asked.approvalId, behavior: 'allow' });
    const { status, result } = await there.ended(taskId);
    assert.deepEqual([status, result], ['completed', { outcome: 'selected', optionId: 'b' }]);
    await destroy(there, agentIds);
  });

  test('tells of its progress, gives up its turn when its task is cancelled, and takes the next', async (t) => {
    const there = await place(t, coder('wait'));
    const agentIds = await spawn(there, 'coder');
    const { taskId } = await there.raw.call('task_orchestrate', { task: 'Wait' });
    const events = await follow(t, there, ({ type }) => type === 'progress_reported');
    assert.equal(events.at(-1).progress, 'waiting');
    await there.raw.call('task_cancel', { taskId });
    const next = await there.raw.call('task_orchestrate', { task: 'again' });
    await follow(
      t,
      there,
      (event) => event.type === 'assignment_claimed' && event.assignmentId.startsWith(next.taskId),
    );
    await destroy(there, agentIds);
  });

  test('whose process is killed in the middle has failed, and the work is done again', async (t) => {
    const there = await place(t, coder('second', 'FOLDER/begun'));
    const agentIds = await spawn(there, 'coder');
    const { taskId } = await there.raw.call('task_orchestrate', { task: 'Twice' });
    await follow(t, there, ({ type }) => type === 'progress_reported');
    const [worker, ...others] = [workerOf(agentIds[0]!), ...processesOf(agentIds[0]!)];
    for (const pid of others) if (pid !== worker) process.kill(pid, 'SIGKILL');
    const { status, result, phases } = await there.ended(taskId);
    assert.deepEqual([status, result], ['completed', 'the second time']);
    const { attempt, lastError } = phases[0].assignments[0];
    assert.deepEqual([attempt, lastError.reason, lastError.details.signal], [2, 'signal', 'SIGKILL']);
    await destroy(there, agentIds);
  });
});
