import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { phase, SwarmUnderTest, taskRequest } from './swarm-under-test.ts';

describe('a task', () => {
  test('is offered to a free agent at once, claimed, and completed with its result', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ capabilities: ['hash'] });
    const accepted = swarm.orchestrate({ input: 'hello', requiredCapabilities: ['hash'] });
    assert.equal(accepted.status, 'orchestrating');
    assert.deepEqual(accepted.assignedAgents, [{ agentId: worker.agentId, role: 'worker', capabilities: ['hash'] }]);
    assert.equal(swarm.task(accepted.taskId).phases[0].assignments[0].status, 'offered');

    const claim = worker.next();
    assert.equal(claim.input, 'hello');
    assert.equal(claim.attempt, 1);
    assert.equal(swarm.task(accepted.taskId).status, 'running');
    assert.equal(worker.complete(claim, '2cf2').taskStatus, 'completed');
    assert.equal(swarm.results(accepted.taskId).result, '2cf2');
    assert.equal(swarm.task(accepted.taskId).endedAt, new Date(swarm.now).toISOString());
  });

  test('waits for a capable agent and says so', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const { taskId } = swarm.orchestrate({ requiredCapabilities: ['security'] });
    assert.match(swarm.task(taskId).phases[0].waitingFor, /no agent/);
    swarm.join({ capabilities: ['code'] });
    assert.equal(
      swarm.task(taskId).phases[0].waitingFor,
      'no agent has capability security: spawn one with agent_spawn, or join with swarm_join',
    );
    const worker = swarm.join({ capabilities: ['security'] });
    assert.equal(worker.next().taskId, taskId);
  });

  test('runs its phases in the order of their dependencies and hands results on', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({
      phases: [phase('c', { dependencies: ['b', 'a'] }), phase('b', { dependencies: ['a'] }), phase('a', { input: 1 })],
    });
    const a = worker.next();
    assert.deepEqual([a.phase, a.input, a.dependencies], ['a', 1, {}]);
    assert.equal(worker.next(), null);
    assert.equal(swarm.task(taskId).phases[1].waitingFor, 'waits for phase a');
    worker.complete(a, 'A');
    const b = worker.next();
    assert.deepEqual([b.phase, b.dependencies], ['b', { a: 'A' }]);
    worker.complete(b, 'B');
    const c = worker.next();
    assert.deepEqual([c.phase, c.dependencies], ['c', { a: 'A', b: 'B' }]);
    worker.complete(c, 'C');
    assert.equal(swarm.results(taskId).result, 'C');
  });

  test('a failed phase settles exactly its dependents; the rest completes', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({
      retry: { kind: 'none', maxAttempts: 1, initialMs: 0, maxMs: 0 },
      phases: [
        phase('bad'),
        phase('good'),
        phase('after-bad', { dependencies: ['bad'] }),
        phase('far', { dependencies: ['after-bad'] }),
        phase('after-good', { dependencies: ['good'] }),
      ],
    });
    for (let claim = worker.next(); claim !== null; claim = worker.next()) {
      if (claim.phase === 'bad') worker.fail(claim);
      else worker.complete(claim, claim.phase);
    }
    const task = swarm.task(taskId);
    assert.deepEqual(Object.fromEntries(task.phases.map((of: any) => [of.name, of.status])), {
      bad: 'failed',
      good: 'succeeded',
      'after-bad': 'cancelled',
      far: 'cancelled',
      'after-good': 'succeeded',
    });
    assert.equal(task.status, 'failed');
    assert.equal(task.reason, 'phase bad failed');
    assert.equal(swarm.results(taskId).results.find((of: any) => of.phase === 'after-good').result, 'after-good');
  });

  test('a graph with a circle, an unknown dependency or a name used twice is refused with what is wrong', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const refused = (phases: ReturnType<typeof phase>[]): string => {
      const outcome = swarm.execute({ type: 'task_orchestrate', task: taskRequest({ phases }) });
      assert.ok('refused' in outcome);
      assert.equal(outcome.refused, 'invalid_graph');
      return outcome.message;
    };
    assert.match(
      refused([phase('a', { dependencies: ['b'] }), phase('b', { dependencies: ['a'] })]),
      /a -> b -> a|b -> a -> b/,
    );
    assert.match(refused([phase('a', { dependencies: ['x'] })]), /depends on x, which is not a phase/);
    assert.match(refused([phase('a'), phase('a')]), /used twice/);
    assert.match(refused([phase('a', { dependencies: ['a'] })]), /a -> a/);
  });

  test('a setting that would have no effect is refused with what it needs', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const refused = (task: Parameters<typeof taskRequest>[0]): string =>
      swarm.refusal({ type: 'task_orchestrate', task: taskRequest(task) }).message;
    assert.match(
      refused({ consensusRequired: true, aggregation: 'all', parallelism: 3 }),
      /needs resultAggregation majority_vote/,
    );
    assert.match(refused({ consensusRequired: true, parallelism: 1 }), /several agents in one phase/);
    assert.match(refused({ consensusThreshold: 0.5, parallelism: 3 }), /needs consensusRequired/);
    assert.match(refused({ voteKey: '/x', aggregation: 'first', parallelism: 3 }), /voteKey has no effect/);
    const { orchestrationPlan } = swarm.orchestrate({
      parallelism: 2,
      phases: [phase('a'), phase('b', { parallelism: 1 })],
    });
    assert.deepEqual(
      orchestrationPlan.phases.map((of: any) => of.parallelism),
      [2, 1],
    );
  });

  test('is cancelled once: claims are over, later calls are refused', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate();
    const claim = worker.next();
    const cancelled = swarm.ask({ type: 'task_cancel', taskId, reason: 'changed my mind' });
    assert.deepEqual([cancelled.status, cancelled.reason], ['cancelled', 'changed my mind']);
    assert.ok(swarm.effects.some((effect) => effect.kind === 'wake' && effect.key === `claim:${claim.assignmentId}`));
    assert.equal(swarm.refusal(worker.completing(claim, 1)).refused, 'lease_lost');
    assert.equal(swarm.refusal({ type: 'task_cancel', taskId, reason: null }).refused, 'task_ended');
    const idle = swarm.ask({ type: 'task_next', actor: worker.actor });
    assert.deepEqual(idle.pending.cancel, [claim.assignmentId]);
  });

  test('fails at its deadline, whatever runs', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ deadlineMs: 10_000 });
    worker.next();
    swarm.pass(9_999);
    assert.equal(swarm.task(taskId).status, 'running');
    swarm.pass(1);
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).reason], ['failed', 'deadline_exceeded']);
  });

  test('higher priority goes first, first in first out within one, and waiting raises', () => {
    const swarm = SwarmUnderTest.withSwarm({ limits: { priorityAgingMs: 1000 } });
    const order: string[] = [];
    for (const [description, priority] of [
      ['low', 'low'],
      ['normal 1', 'normal'],
      ['high', 'high'],
      ['normal 2', 'normal'],
      ['critical', 'critical'],
    ] as const) {
      swarm.orchestrate({ description, priority });
      swarm.now += 1;
    }
    swarm.pass(1500);
    swarm.orchestrate({ description: 'late critical', priority: 'critical' });
    const worker = swarm.join();
    for (let claim = worker.next(); claim !== null; claim = worker.next()) {
      order.push(claim.description);
      worker.complete(claim);
    }
    assert.deepEqual(order, ['critical', 'high', 'late critical', 'normal 1', 'normal 2', 'low']);
  });

  test('is listed newest first, a page at a time', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const ids = [1, 2, 3, 4, 5].map(() => swarm.orchestrate().taskId as string);
    const list = (cursor: string | null) => swarm.ask({ type: 'task_list', filter: 'all', limit: 2, cursor });
    const first = list(null);
    assert.deepEqual(
      first.tasks.map((task: any) => task.taskId),
      [ids[4], ids[3]],
    );
    const second = list(first.cursor);
    const third = list(second.cursor);
    assert.deepEqual(
      [...second.tasks, ...third.tasks].map((task: any) => task.taskId),
      [ids[2], ids[1], ids[0]],
    );
    assert.equal(third.cursor, null);
  });

  test('is forgotten after its retention, and the oldest go when there are too many', () => {
    const swarm = SwarmUnderTest.withSwarm({ limits: { taskRetentionMs: 1000, endedTasksMax: 5 } });
    const worker = swarm.join();
    const ids: string[] = [];
    for (let i = 0; i < 120; i += 1) {
      ids.push(swarm.orchestrate().taskId);
      worker.complete(worker.next());
    }
    assert.equal(swarm.state.tasks.size, 120 - 100);
    assert.equal(swarm.refusal({ type: 'task_status', taskId: ids[0]! }).refused, 'task_not_found');
    assert.equal(swarm.task(ids[119]!).status, 'completed');
    swarm.pass(1000);
    assert.equal(swarm.state.tasks.size, 0);
    assert.equal(swarm.state.indexes.timers.size, 0);
  });
});
