import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { phase, SwarmUnderTest, taskRequest } from './swarm-under-test.ts';

describe('a plan', () => {
  test('sequential: a phase for each required capability, in the given order, each with the results before it', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const coder = swarm.join({ capabilities: ['code'] });
    const tester = swarm.join({ capabilities: ['test it'] });
    const accepted = swarm.orchestrate({ strategy: 'sequential', requiredCapabilities: ['test it', 'code'] });
    assert.equal(accepted.resolvedStrategy, 'sequential');
    assert.deepEqual(
      accepted.orchestrationPlan.phases.map(({ name, dependencies, requiredCapabilities }: any) => [
        name,
        dependencies,
        requiredCapabilities,
      ]),
      [
        ['1-test_it', [], ['test it']],
        ['2-code', ['1-test_it'], ['code']],
      ],
    );
    assert.equal(coder.next(), null);
    tester.complete(tester.next(), 'tests');
    const claim = coder.next();
    assert.deepEqual(claim.dependencies, { '1-test_it': 'tests' });
    coder.complete(claim, 'code');
    assert.equal(swarm.results(accepted.taskId).result, 'code');
  });

  test('sequential with fewer than two capabilities: passes, each of which sees all before it', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ strategy: 'sequential', parallelism: 3 });
    for (const [pass, seen] of [
      ['pass-1', {}],
      ['pass-2', { 'pass-1': 'pass-1' }],
      ['pass-3', { 'pass-1': 'pass-1', 'pass-2': 'pass-2' }],
    ] as const) {
      const claim = worker.next();
      assert.deepEqual([claim.phase, claim.dependencies], [pass, seen]);
      worker.complete(claim, pass);
    }
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('balanced: an assignment for each item, taken by whoever is least loaded, results in order', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [one, two] = [swarm.join({ maxConcurrent: 2 }), swarm.join({ maxConcurrent: 2 })];
    const items = ['a', { b: 1 }, null, 4, 5];
    const accepted = swarm.orchestrate({ strategy: 'balanced', items, input: 'all' });
    assert.equal(accepted.orchestrationPlan.phases[0].parallelism, 5);
    const held = [one.next(), two.next(), one.next(), two.next()];
    assert.deepEqual(
      held.map(({ item, input }) => [item, input]),
      items.slice(0, 4).map((item) => [item, 'all']),
    );
    assert.deepEqual([one.next(), two.next()], [null, null]);
    for (const [index, claim] of held.entries()) {
      const worker = index % 2 === 0 ? one : two;
      if (index === 1) worker.fail(claim, 'broken', false);
      else worker.complete(claim, [claim.item]);
    }
    two.complete(two.next(), 'last');
    const { status, result } = swarm.results(accepted.taskId);
    assert.deepEqual([status, result], ['completed', [['a'], null, [null], [4], 'last']]);
  });

  test('balanced without items is one unit; adaptive with items is balanced, and says so', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const unit = swarm.orchestrate({ strategy: 'balanced' });
    assert.equal(unit.strategyReason, 'asked for, and no items: one unit');
    assert.equal(unit.orchestrationPlan.phases[0].parallelism, 1);
    const adaptive = swarm.orchestrate({ items: [1] });
    assert.deepEqual([adaptive.resolvedStrategy, adaptive.strategyReason], ['balanced', 'adaptive: items were given']);
  });

  test('items where they would have no effect are refused with what they need', () => {
    const swarm = SwarmUnderTest.withSwarm();
    for (const [task, message] of [
      [{ strategy: 'parallel' }, /items has no effect on this task: it needs the strategy balanced/],
      [{ phases: [phase('a')] }, /items has no effect/],
      [{ parallelism: 2 }, /parallelism has no effect/],
      [{ consensusRequired: true }, /consensusRequired has no effect/],
      [{ aggregation: 'first' }, /resultAggregation first has no effect/],
    ] as const) {
      const refused = swarm.refusal({ type: 'task_orchestrate', task: taskRequest({ items: [1, 2], ...task }) });
      assert.equal(refused.refused, 'invalid_arguments');
      assert.match(refused.message, message);
    }
  });

  test('a phase selects parts of what the phases before it came to', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate({
      phases: [
        phase('read'),
        phase('use', { dependencies: ['read'], select: { read: '/files/1' } }),
        phase('miss', { dependencies: ['read'], select: { read: '/nothing/here' } }),
      ],
    });
    worker.complete(worker.next(), { files: ['a', { name: 'b' }] });
    const use = worker.next();
    worker.complete(use, null);
    assert.deepEqual(
      [use, worker.next()].map(({ dependencies }) => JSON.parse(JSON.stringify(dependencies))),
      [{ read: { name: 'b' } }, { read: null }],
    );
  });

  test('a part is what the result has, and nothing that objects have by nature', () => {
    for (const [result, pointer, part] of [
      [{ a: 1 }, '/constructor', null],
      [[1, 2], '/length', null],
      [[1, 2], '/1', 2],
      ['text', '', 'text'],
      [{ 'a/b': { '~': 3 } }, '/a~1b/~0', 3],
    ] as const) {
      const swarm = SwarmUnderTest.withSwarm();
      const worker = swarm.join();
      swarm.orchestrate({ phases: [phase('a'), phase('b', { dependencies: ['a'], select: { a: pointer } })] });
      worker.complete(worker.next(), result);
      assert.deepEqual(JSON.parse(JSON.stringify(worker.next().dependencies)), { a: part });
    }
  });

  test('results have the names of their phases, whatever these are', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate({ phases: [phase('__proto__'), phase('b', { dependencies: ['__proto__'] })] });
    worker.complete(worker.next(), 1);
    assert.equal(JSON.stringify(worker.next().dependencies), '{"__proto__":1}');
  });

  test('an aggregation of several results is given several agents', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const { strategyReason, orchestrationPlan } = swarm.orchestrate({ aggregation: 'best' });
    assert.equal(strategyReason, 'adaptive: best needs several agents');
    assert.deepEqual(
      orchestrationPlan.phases.map(({ parallelism, resultAggregation }: any) => [parallelism, resultAggregation]),
      [[3, 'best']],
    );
  });

  test('no value of a request that is refused is kept', () => {
    const swarm = SwarmUnderTest.withSwarm();
    let kept = 0;
    swarm.keep = (json) => {
      kept += 1;
      return { json };
    };
    const task = taskRequest({ strategy: 'parallel', items: [1, 2, 3], phases: null });
    swarm.refusal({ type: 'task_orchestrate', task });
    assert.equal(kept, 0);
  });

  test('a part of a phase on which it does not depend is refused', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const phases = [phase('a'), phase('b', { select: { a: '/x' } })];
    const refused = swarm.refusal({ type: 'task_orchestrate', task: taskRequest({ phases }) });
    assert.equal(refused.refused, 'invalid_graph');
    assert.match(refused.message, /phase b selects a part of a, on which it does not depend/);
  });
});
