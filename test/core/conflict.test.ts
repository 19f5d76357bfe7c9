import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TaskRequest } from '../../src/core/command.ts';
import { phase, SwarmUnderTest, taskRequest, type Worker } from './swarm-under-test.ts';

/** A swarm with some agents of the given types or weights, and a task for as many of them as it wants. */
function voting(
  agents: readonly { readonly type?: string; readonly weight?: number; readonly capabilities?: string[] }[],
  task: Partial<TaskRequest>,
): { swarm: SwarmUnderTest; workers: Worker[]; taskId: string; coordination: any } {
  const swarm = SwarmUnderTest.withSwarm();
  const workers = agents.map(({ type = 'worker', weight, capabilities = [] }) =>
    swarm.spawn({ agentType: type, capabilities, config: weight === undefined ? {} : { weight } }),
  );
  const { taskId, coordination } = swarm.orchestrate(task);
  return { swarm, workers, taskId, coordination };
}

function answer(workers: readonly Worker[], results: readonly unknown[]): void {
  for (const [index, result] of results.entries()) {
    const worker = workers[index]!;
    const claim = worker.next();
    if (result === undefined) worker.fail(claim, 'broken', false);
    else worker.complete(claim, result);
  }
}

const ended = (swarm: SwarmUnderTest, taskId: string): any => {
  const { status, result, consensus } = swarm.results(taskId);
  return { status, result, decidedBy: consensus.decidedBy, reached: consensus.reached, share: consensus.share };
};

describe('a weighted vote', () => {
  test('is won by weight, waits for all, and reports the weights', () => {
    const { swarm, workers, taskId } = voting([{ weight: 5 }, {}, {}], {
      aggregation: 'weighted_vote',
      parallelism: 3,
    });
    answer(workers.slice(1), ['b', 'b']);
    assert.equal(swarm.task(taskId).status, 'running', 'the third may weigh anything');
    answer(workers, ['a']);
    const { result, consensus } = swarm.results(taskId);
    assert.deepEqual([result, consensus.reached, consensus.decidedBy], ['a', true, 'weighted_vote']);
    assert.equal(consensus.share, 5 / 7);
    assert.deepEqual(consensus.ballots.map(({ ballot, weight }: any) => [ballot, weight]).sort(), [
      ['a', 5],
      ['b', 1],
      ['b', 1],
    ]);
  });

  test('is not won by half, however the weights are rounded', () => {
    const { swarm, workers, taskId } = voting([{ weight: 0.3 }, { weight: 0.6 }, { weight: 0.9 }], {
      aggregation: 'weighted_vote',
      parallelism: 3,
    });
    answer(workers, ['a', 'a', 'b']);
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).phases[0].reason], ['failed', 'no_consensus']);
  });

  test('counts the weight of failures against, and half is not enough', () => {
    const { swarm, workers, taskId } = voting([{ weight: 2 }, { weight: 2 }], {
      aggregation: 'majority_vote',
      votingMechanism: 'weighted',
      parallelism: 2,
    });
    answer(workers, ['a', undefined]);
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).phases[0].reason], ['failed', 'no_consensus']);
    assert.equal(swarm.results(taskId).consensus.share, 0.5);
  });

  test('an equal mechanism of a weighted vote, and a weighted one of no vote, are refused', () => {
    const swarm = SwarmUnderTest.withSwarm();
    for (const task of [
      { aggregation: 'weighted_vote', votingMechanism: 'equal', parallelism: 3 },
      { aggregation: 'all', votingMechanism: 'weighted', parallelism: 3 },
      { conflictResolution: 'judge' },
      { lead: 2 },
      { aggregation: 'ahead_by_k', lead: 3, maxVotes: 2 },
      { aggregation: 'ahead_by_k', parallelism: 5 },
      { aggregation: 'best', parallelism: 2, conflictResolution: 'rerun' },
      { aggregation: 'best', parallelism: 2, conflictResolution: 'judge' },
      { aggregation: 'best', parallelism: 1 },
      { aggregation: 'weighted_vote', strategy: 'sequential', parallelism: 3 },
      { strategy: 'balanced', parallelism: 3 },
      { strategy: 'balanced', phases: [phase('a')] },
    ] as const) {
      assert.equal(swarm.refusal({ type: 'task_orchestrate', task: taskRequest(task) }).refused, 'invalid_arguments');
    }
  });
});

describe('ahead_by_k', () => {
  test('takes as many votes as could decide, and more until one leads', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}, {}], { aggregation: 'ahead_by_k', lead: 2, maxVotes: 9 });
    assert.equal(swarm.task(taskId).phases[0].assignments.length, 2);
    answer(workers, ['a', 'b']);
    assert.equal(swarm.task(taskId).phases[0].assignments.length, 4, 'two more could decide');
    answer(workers.slice(2), ['b', 'b']);
    assert.deepEqual(ended(swarm, taskId), {
      status: 'completed',
      result: 'b',
      decidedBy: 'ahead_by_k',
      reached: true,
      share: 0.75,
    });
  });

  test('gives up as soon as the votes that are left cannot decide', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}], { aggregation: 'ahead_by_k', lead: 2, maxVotes: 3 });
    answer(workers, ['a', 'b']);
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).phases[0].reason], ['failed', 'no_lead']);
  });

  test('bears failures of all the votes that may be taken, whatever their order', () => {
    const task = { aggregation: 'ahead_by_k', lead: 2, maxVotes: 5, failureThreshold: 0.4 } as const;
    for (const answers of [
      ['a', 'b', 'a', undefined, 'a'],
      [undefined, 'a', 'b', 'a', 'a'],
    ]) {
      const { swarm, workers, taskId, coordination } = voting([{}, {}, {}, {}, {}], task);
      assert.equal(coordination.maxFailures, 2);
      answer(workers, answers);
      assert.equal(swarm.task(taskId).status, 'completed', answers.join());
    }
  });

  test('says how many more agents it needs', () => {
    const { swarm, workers, taskId } = voting([{}, {}], { aggregation: 'ahead_by_k', lead: 2, maxVotes: 9 });
    answer(workers, ['a', 'b']);
    assert.match(swarm.task(taskId).phases[0].waitingFor, /^needs 4 distinct capable agents; there are 2/);
  });
});

describe('the best one', () => {
  test('is judged in both orders by the same agent, by another only when that one is gone', () => {
    const { swarm, workers, taskId } = voting([{}, {}, { type: 'validator' }, {}], {
      aggregation: 'best',
      parallelism: 2,
    });
    answer(workers, ['x', 'y']);
    const [validator, bystander] = workers.slice(2) as [Worker, Worker];
    const first = validator.next();
    assert.equal(bystander.next(), null);
    validator.complete(first, { choice: 'A' });
    assert.equal(bystander.next(), null);
    swarm.ask({ type: 'agent_stop', agentId: validator.agentId, reason: null });
    bystander.complete(bystander.next(), { choice: 'B' });
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('is not judged by who has given one of the answers, also where another said the same first', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}, {}], {
      aggregation: 'majority_vote',
      parallelism: 4,
      conflictResolution: 'judge',
    });
    answer(workers, ['a', 'a', 'b', 'b']);
    for (const worker of workers) assert.equal(worker.next(), null);
    assert.match(swarm.task(taskId).phases[0].waitingFor, /^needs a judge: an agent that is no author/);
    assert.notEqual(swarm.join().next(), null);
  });

  test('is chosen by a validator that is no author, who sees them without names, in two orders, and agrees with itself', () => {
    const { swarm, workers, taskId } = voting([{}, {}, { type: 'validator' }], { aggregation: 'best', parallelism: 2 });
    const [one, two, judge] = workers as [Worker, Worker, Worker];
    answer([one, two], ['fine', 'better']);
    assert.equal(one.next(), null);
    const seen = [judge.next()];
    assert.equal(seen[0].role, 'validator');
    assert.ok(!JSON.stringify(seen[0].input).includes('agent'));
    const letter = (claim: any): string =>
      Object.entries(claim.input.candidates).find(([, result]) => result === 'better')![0];
    judge.complete(seen[0], { choice: letter(seen[0]) });
    seen.push(judge.next());
    assert.deepEqual(Object.values(seen[1].input.candidates), Object.values(seen[0].input.candidates).reverse());
    judge.complete(seen[1], letter(seen[1]));
    assert.deepEqual(ended(swarm, taskId), {
      status: 'completed',
      result: 'better',
      decidedBy: 'judge',
      reached: false,
      share: null,
    });
  });

  test('a judge that prefers a place has decided nothing', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}], { aggregation: 'best', parallelism: 2 });
    answer(workers, ['fine', 'better']);
    for (const _ of [1, 2]) workers[2]!.complete(workers[2]!.next(), { choice: 'A' });
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).phases[0].reason], ['failed', 'tie']);
  });

  test('a choice of what there is not is refused, and can be made again', () => {
    const { swarm, workers } = voting([{}, {}, {}], { aggregation: 'best', parallelism: 2 });
    answer(workers, ['fine', 'better']);
    const claim = workers[2]!.next();
    const refused = swarm.refusal(workers[2]!.completing(claim, { choice: 'C' }));
    assert.equal(refused.refused, 'answer_invalid');
    assert.match(refused.message, /chooses one of A, B/);
    assert.equal(workers[2]!.complete(claim, { choice: 'b' }).status, 'succeeded');
  });

  test('waits for a judge, and says so; a single success needs none', () => {
    const { swarm, workers, taskId } = voting([{}, {}], { aggregation: 'best', parallelism: 2 });
    answer(workers, ['fine', 'better']);
    assert.match(swarm.task(taskId).phases[0].waitingFor, /needs a judge: an agent that is no author/);
    const alone = swarm.orchestrate({ aggregation: 'best', parallelism: 2 });
    answer(workers, ['only', undefined]);
    assert.deepEqual(
      [ended(swarm, alone.taskId).result, ended(swarm, alone.taskId).decidedBy],
      ['only', 'only_candidate'],
    );
  });
});

describe('a conflict', () => {
  const split: Partial<TaskRequest> = { aggregation: 'majority_vote', parallelism: 3 };

  test('is decided by the expert: weight, then validators, then the oldest; and consensus is not claimed', () => {
    for (const [agents, wins] of [
      [[{}, {}, { weight: 3 }], 'c'],
      [[{}, { type: 'validator' }, {}], 'b'],
      [[{}, {}, {}], 'a'],
    ] as const) {
      const { swarm, workers, taskId } = voting(agents, { ...split, conflictResolution: 'expert_priority' });
      answer(workers, ['a', 'b', 'c']);
      const { result, decidedBy, reached } = ended(swarm, taskId);
      assert.deepEqual([result, decidedBy, reached], [wins, 'expert_priority', false]);
    }
    const { swarm, workers, taskId } = voting([{}, {}, { weight: 3 }], {
      aggregation: 'weighted_vote',
      consensusRequired: true,
      consensusThreshold: 0.9,
      parallelism: 3,
      conflictResolution: 'expert_priority',
    });
    answer(workers, ['a', 'b', 'c']);
    assert.equal(ended(swarm, taskId).result, 'c');
  });

  test('a threshold that is met needs no expert; one that failures put out of reach waits for all and then for the expert', () => {
    const { swarm, workers, taskId } = voting([{ weight: 9 }, {}, {}], {
      ...split,
      conflictResolution: 'expert_priority',
    });
    answer(workers, ['a', 'b', 'b']);
    assert.deepEqual([ended(swarm, taskId).result, ended(swarm, taskId).reached], ['b', true]);

    const second = swarm.orchestrate({
      ...split,
      consensusRequired: true,
      consensusThreshold: 0.7,
      conflictResolution: 'expert_priority',
    });
    answer(workers, [undefined, 'b']);
    assert.equal(swarm.task(second.taskId).status, 'running');
    answer(workers.slice(2), ['c']);
    assert.deepEqual(
      [ended(swarm, second.taskId).result, ended(swarm, second.taskId).decidedBy],
      ['b', 'expert_priority'],
    );
  });

  test('is put before a judge, who sees each different result once', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}, {}, { type: 'validator' }], {
      ...split,
      parallelism: 4,
      conflictResolution: 'judge',
    });
    answer(workers, ['a', 'b', 'b', 'a']);
    const judge = workers[4]!;
    for (const _ of [1, 2]) {
      const claim = judge.next();
      assert.deepEqual(Object.values(claim.input.candidates).sort(), ['a', 'b']);
      judge.complete(claim, {
        choice: Object.entries(claim.input.candidates).find(([, result]) => result === 'b')![0],
      });
    }
    const { result, decidedBy, reached } = ended(swarm, taskId);
    assert.deepEqual([result, decidedBy, reached], ['b', 'judge', false]);
  });

  test('is put before a person: the task waits, says what is asked, and goes on with the decision', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}], { ...split, conflictResolution: 'human' });
    answer(workers, ['a', 'b', 'c']);
    const waiting = swarm.task(taskId);
    assert.equal(waiting.status, 'waiting');
    assert.equal(waiting.reason, 'phase work waits for a decision: no_consensus');
    assert.deepEqual(
      waiting.phases[0].decision.candidates.map(({ ballot, weight }: any) => [ballot, weight]),
      [
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ],
    );
    assert.match(waiting.phases[0].waitingFor, /needs a person: task_decide/);
    const decide = { type: 'task_decide', taskId, phase: null, reason: null } as const;
    assert.match(swarm.refusal({ ...decide, choice: `${taskId}/work/9` }).message, /is not among what phase work/);
    swarm.ask({ ...decide, choice: `${taskId}/work/2` });
    const { status, result, decidedBy, reached } = ended(swarm, taskId);
    assert.deepEqual([status, result, decidedBy, reached], ['completed', 'b', 'human', false]);
    assert.equal(swarm.refusal({ ...decide, choice: null }).refused, 'not_asked');
  });

  test('a decision is for people, and not for an agent of the swarm', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}], { ...split, conflictResolution: 'human' });
    answer(workers, ['a', 'b', 'c']);
    const decide = { type: 'task_decide', taskId, phase: null, choice: `${taskId}/work/1`, reason: null } as const;
    assert.equal(swarm.refusal({ ...decide, from: workers[0]!.agentId }).refused, 'decision_is_human');
    swarm.ask(decide);
  });

  test('nobody decides for a task that was cancelled while it waited', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}], { ...split, conflictResolution: 'human' });
    answer(workers, ['a', 'b', 'c']);
    swarm.ask({ type: 'task_cancel', taskId, reason: null });
    const late = swarm.refusal({ type: 'task_decide', taskId, phase: null, choice: null, reason: null });
    assert.equal(late.refused, 'not_asked');
    assert.match(late.message, /was cancelled/);
    assert.equal(swarm.task(taskId).phases[0].decision, undefined);
  });

  test('a person may reject all of it; the deadline runs on while nobody decides', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}], { ...split, conflictResolution: 'human' });
    answer(workers, ['a', 'b', 'c']);
    swarm.ask({ type: 'task_decide', taskId, phase: null, choice: null, reason: 'none of it' });
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).phases[0].reason], ['failed', 'none of it']);

    const late = swarm.orchestrate({ ...split, conflictResolution: 'human', deadlineMs: 60_000 });
    answer(workers, ['a', 'b', 'c']);
    swarm.pass(60_000);
    assert.deepEqual([swarm.task(late.taskId).status, swarm.task(late.taskId).reason], ['failed', 'deadline_exceeded']);
  });

  test('is voted on once more also when nobody had a say', () => {
    const { swarm, workers, taskId } = voting([{}, {}], {
      aggregation: 'majority_vote',
      parallelism: 2,
      voteKey: '/verdict',
      conflictResolution: 'rerun',
    });
    answer(workers, ['prose', 'prose']);
    assert.equal(swarm.task(taskId).status, 'running');
    answer(workers, [{ verdict: 1 }, { verdict: 1 }]);
    assert.deepEqual(ended(swarm, taskId).result, { verdict: 1 });
  });

  test('is voted on once more, by the same agents if there are no others, and then it fails', () => {
    const { swarm, workers, taskId } = voting([{}, {}, {}], { ...split, conflictResolution: 'rerun' });
    answer(workers, ['a', 'b', 'c']);
    assert.equal(swarm.task(taskId).phases[0].assignments.length, 6);
    answer(workers, ['a', 'b', 'b']);
    const { result, decidedBy, reached, share } = ended(swarm, taskId);
    assert.deepEqual([result, decidedBy, reached, share], ['b', 'majority_vote', true, 2 / 3]);
    assert.deepEqual(
      swarm
        .results(taskId)
        .consensus.ballots.map(({ round, ballot }: any) => [round ?? 1, ballot])
        .sort(),
      [
        [1, 'a'],
        [1, 'b'],
        [1, 'c'],
        [2, 'a'],
        [2, 'b'],
        [2, 'b'],
      ],
    );
    const twice = swarm.orchestrate({ ...split, conflictResolution: 'rerun' });
    for (const _ of [1, 2]) answer(workers, ['a', 'b', 'c']);
    assert.deepEqual(
      [swarm.task(twice.taskId).status, swarm.task(twice.taskId).phases[0].reason],
      ['failed', 'no_consensus'],
    );
  });
});
