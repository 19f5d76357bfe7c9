import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ballotOf } from '../../src/core/ballot.ts';
import { maxFailures, requiredVotes } from '../../src/core/vote.ts';
import type { VoteRules } from '../../src/core/state.ts';
import { SwarmUnderTest, type Worker } from './swarm-under-test.ts';

const rules = (more: Partial<VoteRules> = {}): VoteRules => ({
  aggregation: 'majority_vote',
  consensusRequired: false,
  consensusThreshold: 0.7,
  failureThreshold: null,
  voteKey: null,
  ...more,
});

describe('required votes', () => {
  for (const [planned, consensusRequired, threshold, required] of [
    [3, true, 0.7, 3],
    [3, true, 0.66, 2],
    [3, true, 0.67, 3],
    [3, false, 0.7, 2],
    [4, false, 0.7, 3],
    [4, true, 0.5, 3],
    [10, true, 0.7, 7],
    [1, true, 1, 1],
    [5, true, 1, 5],
  ] as const) {
    test(`of ${planned} ${consensusRequired ? `with threshold ${threshold}` : 'by majority'}: ${required}`, () => {
      assert.equal(requiredVotes(rules({ consensusRequired, consensusThreshold: threshold }), planned), required);
    });
  }
});

describe('failures that a phase survives', () => {
  test('follow from what is needed, and from failureThreshold: strictly above it is too many', () => {
    assert.equal(maxFailures(rules(), 3), 1);
    assert.equal(maxFailures(rules({ consensusRequired: true }), 3), 0);
    assert.equal(maxFailures(rules({ aggregation: 'all' }), 5), 4);
    assert.equal(maxFailures(rules({ aggregation: 'all', failureThreshold: 0.2 }), 5), 1);
    assert.equal(maxFailures(rules({ aggregation: 'all', failureThreshold: 0.2 }), 3), 0);
    assert.equal(maxFailures(rules({ aggregation: 'all', failureThreshold: 0.3 }), 10), 3);
  });
});

describe('a ballot is the first that applies', () => {
  const key = (...args: Parameters<typeof ballotOf>) => ballotOf(...args)?.key;
  test('the vote given with the result, or as its member', () => {
    assert.deepEqual(ballotOf({ vote: 'b' }, 'A  a', '/x'), { key: 'a a', source: 'vote' });
    assert.deepEqual(ballotOf({ vote: { y: 1, x: 2 }, z: 1 }, undefined, null), {
      key: '{"x":2,"y":1}',
      source: 'vote',
    });
  });
  test('what voteKey points to; nothing there is an abstention', () => {
    assert.deepEqual(ballotOf({ a: { b: 3 } }, undefined, '/a/b'), { key: '3', source: 'voteKey' });
    assert.equal(ballotOf({ a: 1 }, undefined, '/b'), null);
    assert.equal(ballotOf('text', undefined, '/b'), null);
  });
  test('canonical JSON, whatever the order of the members', () => {
    assert.equal(key({ b: 1.0, a: [1e2] }, undefined, null), key({ a: [100], b: 1 }, undefined, null));
    assert.notEqual(key({ a: '1' }, undefined, null), key({ a: 1 }, undefined, null));
  });
  test('the normal form of plain text; different prose never merges', () => {
    assert.equal(key(' Yes,\n it  IS', undefined, null), key('yes, it is', undefined, null));
    assert.equal(key('e\u0301', undefined, null), key('\u00e9', undefined, null));
    assert.notEqual(key('yes, it is.', undefined, null), key('yes, it is', undefined, null));
  });
  test('long ones are compared by digest', () => {
    assert.match(key('x'.repeat(1000), undefined, null)!, /^sha256:[0-9a-f]{64}$/);
  });
});

describe('a vote', () => {
  function voters(
    count: number,
    task: object,
    options: object = {},
  ): { swarm: SwarmUnderTest; taskId: string; workers: Worker[]; claims: any[]; plan: any } {
    const swarm = SwarmUnderTest.withSwarm(options);
    const workers = Array.from({ length: count }, () => swarm.join());
    const plan = swarm.orchestrate({ parallelism: count, aggregation: 'majority_vote', ...task });
    const claims = workers.map((worker) => worker.next());
    return { swarm, taskId: plan.taskId, workers, claims, plan };
  }

  test('is won by more than half of those planned, with the audit', () => {
    const { swarm, taskId, workers, claims, plan } = voters(3, {});
    assert.equal(plan.coordination.requiredVotes, 2);
    workers[0]!.complete(claims[0], 'wrong');
    workers[1]!.complete(claims[1], 'right');
    assert.equal(swarm.task(taskId).status, 'running');
    workers[2]!.complete(claims[2], 'Right ');
    const { status, result, consensus } = swarm.results(taskId);
    assert.deepEqual([status, result], ['completed', 'right']);
    assert.deepEqual(
      [consensus.reached, consensus.share, consensus.required, consensus.decidedBy],
      [true, 2 / 3, 2, 'majority_vote'],
    );
    assert.deepEqual(
      consensus.ballots.map((ballot: any) => ballot.ballot),
      ['wrong', 'right', 'right'],
    );
    assert.deepEqual(
      consensus.ballots.map((ballot: any) => ballot.agentId),
      workers.map((worker) => worker.agentId),
    );
    for (const ballot of consensus.ballots) assert.equal(swarm.events[ballot.version - 1]!.type, 'attempt_succeeded');
  });

  test('is decided as soon as nothing outstanding can change it; a late ballot is refused', () => {
    const { swarm, taskId, workers, claims } = voters(3, {});
    workers[0]!.complete(claims[0], 'x');
    workers[1]!.complete(claims[1], 'x');
    assert.equal(swarm.task(taskId).status, 'completed');
    assert.equal(swarm.refusal(workers[2]!.completing(claims[2], 'y')).refused, 'lease_lost');
  });

  test('of three with threshold 0.7 needs all three; a failed voter counts against', () => {
    const { swarm, taskId, workers, claims, plan } = voters(3, {
      consensusRequired: true,
      aggregation: null,
      parallelism: 3,
    });
    assert.deepEqual(
      [plan.coordination.requiredVotes, plan.coordination.maxFailures, plan.coordination.consensusThreshold],
      [3, 0, 0.7],
    );
    workers[0]!.complete(claims[0], 'x');
    workers[1]!.fail(claims[1], 'broken', false);
    assert.equal(swarm.task(taskId).status, 'failed');
    const { consensus, result } = swarm.results(taskId);
    assert.deepEqual([consensus.reached, result], [false, null]);
  });

  test('that nobody can win any more fails, and keeps what there is', () => {
    const { swarm, taskId, workers, claims } = voters(3, {});
    workers[0]!.complete(claims[0], 'a');
    workers[1]!.complete(claims[1], 'b');
    workers[2]!.complete(claims[2], 'c');
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).phases[0].reason], ['failed', 'no_consensus']);
    assert.deepEqual(
      swarm.results(taskId).results.map((of: any) => of.result),
      ['a', 'b', 'c'],
    );
  });

  test('an abstention counts against', () => {
    const { swarm, taskId, workers, claims } = voters(3, { voteKey: '/verdict' });
    workers[0]!.complete(claims[0], { verdict: 'go' });
    workers[1]!.complete(claims[1], { nothing: 1 });
    workers[2]!.complete(claims[2], { verdict: 'stop' });
    assert.equal(swarm.task(taskId).status, 'failed');
  });
});

describe('other aggregations', () => {
  test('first: the first success is the result, the rest is cancelled', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const workers = [swarm.join(), swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate({ parallelism: 3, aggregation: 'first' });
    const claims = workers.map((worker) => worker.next());
    workers[0]!.fail(claims[0], 'x', false);
    workers[2]!.complete(claims[2], 'third');
    const { status, result, results } = swarm.results(taskId);
    assert.deepEqual([status, result], ['completed', 'third']);
    assert.deepEqual(
      results.map((of: any) => of.status),
      ['failed', 'cancelled', 'succeeded'],
    );
  });

  test('all: every result in order, failures included', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const workers = [swarm.join(), swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate({ parallelism: 3, aggregation: 'all' });
    const claims = workers.map((worker) => worker.next());
    workers[2]!.complete(claims[2], 3);
    workers[1]!.fail(claims[1], 'x', false);
    workers[0]!.complete(claims[0], 1);
    const { status, result, results } = swarm.results(taskId);
    assert.deepEqual([status, result], ['completed', [1, 3]]);
    assert.equal(results[1].error.reason, 'x');
  });

  test('failureThreshold: above it the rest is cancelled and partial results are kept', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const workers = [1, 2, 3, 4].map(() => swarm.join());
    const { taskId } = swarm.orchestrate({ parallelism: 4, aggregation: 'all', failureThreshold: 0.25 });
    const claims = workers.map((worker) => worker.next());
    workers[0]!.complete(claims[0], 'kept');
    workers[1]!.fail(claims[1], 'x', false);
    assert.equal(swarm.task(taskId).status, 'running');
    workers[2]!.fail(claims[2], 'x', false);
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).phases[0].reason], ['failed', 'failure_threshold']);
    assert.deepEqual(
      swarm.results(taskId).results.map((of: any) => of.status),
      ['succeeded', 'failed', 'failed', 'cancelled'],
    );
    assert.equal(swarm.results(taskId).results[0].result, 'kept');
  });
});
