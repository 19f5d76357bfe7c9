/**
 * Every way to plan a task and to make one of many results (design, section 8), through a real server with programs
 * that real workers run. Three agents say blue and one, who weighs 4, says green; some fail, and a validator prefers green.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectRaw, startServer, temporaryFolder } from '../server-process.ts';
import { noneLeft } from './processes.ts';

/** A program that is given the whole assignment as `a` and prints `expression` as JSON. */
const program = (expression: string): string =>
  JSON.stringify([
    process.execPath,
    '-e',
    `let s="";process.stdin.on("data",d=>s+=d).on("end",()=>{const a=JSON.parse(s);console.log(JSON.stringify(${expression}))})`,
  ]);

/** At first something that fails, and then what is left to do. */
const plan = `{phases: a.phase === "plan"
  ? [{name: "words", requiredCapabilities: ["split"]}, {name: "fragile", requiredCapabilities: ["fragile"]}]
  : [{name: "number", requiredCapabilities: ["count"], dependencies: ["words"]}]}`.replaceAll(/\s+/g, ' ');

const types = (folder: string): string => `
agentTypes:
  blue: {argv: [echo, blue], stdin: none}
  green: {argv: [echo, "  GREEN "], stdin: none}
  broken: {argv: [/bin/sh, -c, 'echo no idea >&2; exit 3'], stdin: none}
  second: {argv: [/bin/sh, -c, 'test -e "${folder}/tried" && echo done && exit; touch "${folder}/tried"; exit 1'], stdin: none}
  endless: {argv: [sleep, '1000'], stdin: none}
  gated: {argv: [/bin/sh, -c, 'until [ -e "${folder}/open" ]; do sleep 0.02; done'], stdin: none}
  double: {argv: ${program('a.item * 2')}, stdin: json, parse: json}
  split: {argv: ${program('({words: a.input.split(" "), at: a.phase})')}, stdin: json, parse: json}
  count: {argv: ${program('({count: a.dependencies[Object.keys(a.dependencies)[0]].words.length})')}, stdin: json, parse: json}
  add: {argv: ${program('Object.values(a.dependencies).reduce((sum, n) => sum + n, 0)')}, stdin: json, parse: json}
  coordinator: {argv: ${program(plan)}, stdin: json, parse: json}
  validator:
    argv: ${program('({choice: Object.entries(a.input.candidates).find(([, said]) => said.includes("GREEN"))[0]})')}
    stdin: json
    parse: json
`;

test('each way to plan a task and to make one of many results, with real workers', { timeout: 600_000 }, async (t) => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'skein.yaml'), types(folder));
  const server = await startServer(t, { env: { MCP_CONFIG: join(folder, 'skein.yaml') } });
  const raw = await connectRaw(t, server.port);
  const { swarmId } = await raw.call('swarm_init', { maxAgents: 50, config: { consensusThreshold: 0.7 } });
  const agentIds: string[] = [];
  const spawn = async (agentType: string, capabilities: readonly string[], more: object = {}): Promise<string> => {
    const { agentId } = await raw.call('agent_spawn', { swarmId, agentType, config: { capabilities, ...more } });
    agentIds.push(agentId);
    return agentId;
  };
  const submit = (task: object, execution: object = {}, strategy?: string): Promise<any> =>
    raw.call('task_orchestrate', {
      swarmId,
      task: { description: 'Say a colour', ...task },
      execution,
      ...(strategy !== undefined && { strategy }),
    });
  const ended = async (taskId: string): Promise<any> => {
    for (;;) {
      const seen = await raw.call('task_wait', { taskId, waitSeconds: 60 });
      if (seen.ended) return { ...seen, ...(await raw.call('task_status', { taskId })) };
    }
  };
  const run = async (task: object, execution?: object, strategy?: string): Promise<any> =>
    ended((await submit(task, execution, strategy)).taskId);

  await Promise.all([
    ...['blue', 'blue'].map((type) => spawn(type, ['vote', 'three', 'crew'])),
    spawn('blue', ['vote', 'crew']),
    spawn('green', ['vote', 'three'], { weight: 4 }),
    spawn('validator', []),
  ]);
  const voters = { requiredCapabilities: ['vote'], parallelism: 4 };
  const three = { requiredCapabilities: ['three'], parallelism: 3 };

  await t.test('parallel: distinct agents, each for itself', async () => {
    const { status, result, results } = await run(voters, { resultAggregation: 'all' }, 'parallel');
    assert.equal(status, 'completed');
    assert.deepEqual(result.map((said: string) => said.trim().toLowerCase()).sort(), ['blue', 'blue', 'blue', 'green']);
    assert.equal(new Set(results.map(({ agentId }: any) => agentId)).size, 4);
  });

  await t.test('majority_vote: text is compared in its normal form; who voted what is shown', async () => {
    const { status, result, consensus } = await run(three, { resultAggregation: 'majority_vote' });
    assert.deepEqual([status, result], ['completed', 'blue']);
    assert.deepEqual([consensus.reached, consensus.share, consensus.required], [true, 2 / 3, 2]);
    for (const { agentId, ballot, status: how } of consensus.ballots) {
      if (how === 'succeeded') assert.equal(ballot, agentId === agentIds[3] ? 'green' : 'blue');
    }
  });

  await t.test('consensus: of three equal voters 0.7 needs all three, 0.66 two', async () => {
    const asked = { ...three, consensusRequired: true };
    const strict = await submit(asked);
    assert.equal(strict.coordination.requiredVotes, 3);
    const { status, phases } = await ended(strict.taskId);
    assert.deepEqual([status, phases[0].reason], ['failed', 'no_consensus']);
    const loose = await submit({ ...asked, consensusThreshold: 0.66 });
    assert.equal(loose.coordination.requiredVotes, 2);
    const { result, consensus } = await ended(loose.taskId);
    assert.deepEqual([result, consensus.decidedBy], ['blue', 'consensus']);
  });

  await t.test('weighted_vote: one who weighs 4 outvotes three', async () => {
    const { result, consensus } = await run(voters, {
      votingMechanism: 'weighted',
      resultAggregation: 'majority_vote',
    });
    assert.deepEqual([result.trim(), consensus.decidedBy, consensus.share], ['GREEN', 'weighted_vote', 4 / 7]);
    assert.deepEqual(consensus.ballots.map(({ weight }: any) => weight).sort(), [1, 1, 1, 4]);
  });

  await t.test('ahead_by_k: asks more agents until one answer leads by two', async () => {
    const { result, consensus } = await run({ requiredCapabilities: ['vote'] }, { resultAggregation: 'ahead_by_k' });
    assert.deepEqual([result, consensus.decidedBy, consensus.required], ['blue', 'ahead_by_k', 2]);
    const count = (said: string): number => consensus.ballots.filter(({ ballot }: any) => ballot === said).length;
    assert.equal(count('blue') - count('green'), 2);
  });

  await t.test('best: the validator sees the answers without names, twice, and chooses', async () => {
    const { result, consensus } = await run(voters, { resultAggregation: 'best' });
    assert.deepEqual([result.trim(), consensus.decidedBy], ['GREEN', 'judge']);
    const judges = consensus.ballots.filter(({ judges: order }: any) => order !== undefined);
    assert.deepEqual(
      judges.map(({ agentId }: any) => agentId),
      [agentIds[4], agentIds[4]],
    );
    assert.deepEqual(judges[0].judges, [...judges[1].judges].reverse());
  });

  const split = { ...voters, consensusRequired: true, consensusThreshold: 0.8 };
  for (const [conflictResolution, said, decidedBy] of [
    ['expert_priority', 'GREEN', 'expert_priority'],
    ['judge', 'GREEN', 'judge'],
    ['fail', null, null],
    ['rerun', null, null],
  ] as const) {
    await t.test(`conflictResolution ${conflictResolution}`, async () => {
      const { status, result, consensus, phases } = await run(split, { conflictResolution });
      assert.equal(status, said === null ? 'failed' : 'completed');
      assert.equal(result?.trim() ?? null, said);
      assert.deepEqual([consensus.reached, consensus.decidedBy], [false, decidedBy]);
      if (said === null) assert.equal(phases[0].reason, 'no_consensus');
      if (conflictResolution === 'rerun') assert.equal(consensus.ballots.length, 8);
    });
  }

  await t.test('conflictResolution human: the task waits and says for what, until somebody decides', async () => {
    const { taskId } = await submit(split, { conflictResolution: 'human' });
    for (;;) {
      const { status, phases } = await raw.call('task_status', { taskId });
      if (status !== 'waiting') {
        await raw.call('task_wait', { taskId, waitSeconds: 1 });
        continue;
      }
      assert.match(phases[0].waitingFor, /needs a person: task_decide/);
      const { candidates } = phases[0].decision;
      assert.deepEqual(candidates.map(({ ballot }: any) => ballot).sort(), ['blue', 'green']);
      const { assignmentId } = candidates.find(({ ballot }: any) => ballot === 'green');
      await raw.call('task_decide', { taskId, choice: assignmentId });
      break;
    }
    const { status, result, consensus } = await ended(taskId);
    assert.deepEqual([status, result.trim(), consensus.decidedBy], ['completed', 'GREEN', 'human']);
  });

  await t.test('a failed voter counts against, and failureThreshold keeps what there is', async () => {
    await spawn('broken', ['crew']);
    const crew = { requiredCapabilities: ['crew'], parallelism: 4 };
    const once = { retryPolicy: 'none' };
    const all = await submit({ ...crew, consensusRequired: true }, once);
    assert.equal(all.coordination.requiredVotes, 3);
    const voted = await ended(all.taskId);
    assert.deepEqual([voted.result, voted.consensus.share], ['blue', 3 / 4]);
    const unanimous = await run({ ...crew, consensusRequired: true, consensusThreshold: 1 }, once);
    assert.deepEqual([unanimous.status, unanimous.phases[0].reason], ['failed', 'attempts_exhausted']);
    const borne = await run(crew, { ...once, resultAggregation: 'all', failureThreshold: 0.25 });
    assert.deepEqual([borne.status, borne.result], ['completed', ['blue', 'blue', 'blue']]);
    const tooMany = await run(crew, { ...once, resultAggregation: 'all', failureThreshold: 0.2 });
    assert.deepEqual([tooMany.status, tooMany.phases[0].reason], ['failed', 'failure_threshold']);
    const failed = tooMany.results.find(({ status }: any) => status === 'failed');
    assert.match(failed.error.message, /no idea/);
  });

  await t.test('first: one success is enough, and the others are stopped', async () => {
    await spawn('endless', ['race']);
    await spawn('blue', ['race']);
    const { result, results } = await run(
      { requiredCapabilities: ['race'], parallelism: 2 },
      { resultAggregation: 'first' },
    );
    assert.equal(result, 'blue');
    assert.deepEqual(results.map(({ status }: any) => status).sort(), ['cancelled', 'succeeded']);
  });

  await t.test('a timeout ends an attempt; none, fixed and exponential_backoff say what follows', async () => {
    await spawn('second', ['again']);
    const none = await run({ requiredCapabilities: ['again'] }, { retryPolicy: 'none' });
    assert.deepEqual([none.status, none.phases[0].assignments[0].attempt], ['failed', 1]);
    for (const retryPolicy of ['fixed', 'exponential_backoff']) {
      const late = await run(
        { requiredCapabilities: ['race'], phases: [{ name: 'p', agentType: 'endless', timeout: 1 }] },
        { retryPolicy, maxAttempts: 2, retryDelay: 50 },
      );
      assert.deepEqual([late.status, late.phases[0].assignments[0].failures], ['failed', 2]);
      assert.equal(late.results[0].error.reason, 'timeout');
    }
    // It has been tried once by now, and succeeds from then on.
    const again = await run({ requiredCapabilities: ['again'] }, { retryPolicy: 'fixed', retryDelay: 1 });
    assert.deepEqual([again.status, again.result], ['completed', 'done']);
  });

  await t.test('sequential: a phase for each capability, given what came before', async () => {
    await Promise.all([spawn('split', ['split']), spawn('count', ['count'])]);
    const task = { input: 'one two three', requiredCapabilities: ['split', 'count'] };
    const { status, result, phases } = await run(task, {}, 'sequential');
    assert.deepEqual([status, result], ['completed', { count: 3 }]);
    assert.deepEqual(
      phases.map(({ name, dependencies }: any) => [name, dependencies]),
      [
        ['1-split', []],
        ['2-count', ['1-split']],
      ],
    );
  });

  await t.test('given phases: results flow along the dependencies, or the part of them that is selected', async () => {
    await spawn('add', ['add']);
    const { resolvedStrategy, taskId } = await submit({
      input: 'one two three',
      phases: [
        { name: 'split', requiredCapabilities: ['split'] },
        { name: 'count', requiredCapabilities: ['count'], dependencies: ['split'] },
        { name: 'more', requiredCapabilities: ['count'], dependencies: ['split'] },
        {
          name: 'add',
          requiredCapabilities: ['add'],
          dependencies: ['count', 'more'],
          select: { count: '/count', more: '/count' },
        },
      ],
    });
    assert.equal(resolvedStrategy, 'given_phases');
    assert.equal((await ended(taskId)).result, 6);
  });

  await t.test('planned by an agent, which plans anew when a phase of its plan fails', async () => {
    await Promise.all([spawn('coordinator', []), spawn('broken', ['fragile'])]);
    const { status, result, phases } = await run({ input: 'one two three', plan: 'agent' }, { retryPolicy: 'none' });
    assert.deepEqual([status, result], ['completed', { count: 3 }]);
    assert.deepEqual(
      phases.map(({ name, status: how }: any) => [name, how]),
      [
        ['plan', 'succeeded'],
        ['words', 'succeeded'],
        ['fragile', 'failed'],
        ['replan', 'succeeded'],
        ['number', 'succeeded'],
      ],
    );
  });

  await t.test('balanced: one assignment an item, the results in their order', async () => {
    await Promise.all([spawn('double', ['double']), spawn('double', ['double'])]);
    const task = { items: [1, 2, 3, 4, 5, 6], requiredCapabilities: ['double'] };
    const { status, result, results } = await run(task, {}, 'balanced');
    assert.deepEqual([status, result], ['completed', [2, 4, 6, 8, 10, 12]]);
    assert.equal(results.length, 6);
  });

  await t.test('adaptive: one agent where nothing asks for more, and the reply says why', async () => {
    const { resolvedStrategy, strategyReason, taskId } = await submit({ requiredCapabilities: ['three'] });
    assert.deepEqual([resolvedStrategy, strategyReason.startsWith('adaptive: ')], ['single', true]);
    assert.equal((await ended(taskId)).results.length, 1);
  });

  await t.test('priority: what waits is taken in its order', async () => {
    await spawn('gated', ['gate']);
    const gate = { requiredCapabilities: ['gate'] };
    const first = await submit(gate);
    const taskIds: string[] = [];
    for (const priority of ['low', 'normal', 'critical', 'high']) {
      taskIds.push((await submit({ ...gate, priority })).taskId);
    }
    const waiting = await raw.call('task_status', { taskId: taskIds[0] });
    assert.ok(waiting.phases[0].waitingFor.length > 0);
    await writeFile(join(folder, 'open'), '');
    await ended(first.taskId);
    const begun = await Promise.all(taskIds.map(async (taskId) => Date.parse((await ended(taskId)).startedAt)));
    const [low, normal, critical, high] = begun as [number, number, number, number];
    assert.ok(critical <= high && high <= normal && normal <= low, `${begun.join()}`);
  });

  await raw.call('swarm_destroy', { swarmId });
  await noneLeft(agentIds);
});
