import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandBody, PhaseRequest, TaskRequest } from '../../src/core/command.ts';
import { assertRestores } from './invariants.ts';
import { phase, SwarmUnderTest, taskRequest, type Worker } from './swarm-under-test.ts';

/** A swarm with a coordinator and a worker who can code, and a task that the coordinator is to plan. */
function planned(task: Partial<TaskRequest> = {}) {
  const swarm = SwarmUnderTest.withSwarm();
  const planner = swarm.join({ agentType: 'coordinator', capabilities: ['lead'] });
  const coder = swarm.join({ capabilities: ['code'] });
  const accepted = swarm.orchestrate({
    planned: true,
    description: 'Build it',
    requiredCapabilities: ['code'],
    ...task,
  });
  return { swarm, planner, coder, accepted, taskId: accepted.taskId as string };
}

function answering(planner: Worker, claim: any, phases: readonly PhaseRequest[] | string | undefined): CommandBody {
  const plan = typeof phases === 'string' ? { faulty: phases } : phases;
  return { ...planner.completing(claim, { phases }), ...(plan !== undefined && { plan }) } as CommandBody;
}

describe('a task that an agent plans', () => {
  test('asks a coordinator, and does what it answers', () => {
    const { swarm, planner, coder, accepted, taskId } = planned({ input: 'the spec' });
    assert.equal(accepted.resolvedStrategy, 'planned_by_agent');
    assert.equal(coder.next(), null);
    const asked = planner.next();
    assert.deepEqual([asked.phase, asked.role], ['plan', 'coordinator']);
    assert.match(asked.description, /^Plan the task below; do not do it\..*\n\nBuild it$/s);
    assert.deepEqual(asked.input, {
      input: 'the spec',
      capabilities: ['code', 'lead'],
      settings: { requiredCapabilities: ['code'] },
    });
    swarm.ask(answering(planner, asked, [phase('write'), phase('check', { dependencies: ['write'] })]));
    assert.deepEqual(
      swarm.task(taskId).phases.map(({ name, status, dependencies }: any) => [name, status, dependencies]),
      [
        ['plan', 'succeeded', []],
        ['write', 'running', ['plan']],
        ['check', 'waiting', ['write']],
      ],
    );
    const write = coder.next();
    assert.deepEqual([write.input, write.dependencies, write.requiredCapabilities], ['the spec', {}, ['code']]);
    coder.complete(write, 'code');
    const check = coder.next();
    assert.deepEqual(check.dependencies, { write: 'code' });
    coder.complete(check, 'good');
    assert.deepEqual([swarm.task(taskId).status, swarm.results(taskId).result], ['completed', 'good']);
    assertRestores(swarm.state);
  });

  test('refuses a plan that cannot be carried out, says why, and leaves the planner its claim', () => {
    const { swarm, planner, coder } = planned();
    const asked = planner.next();
    const chain = (length: number): PhaseRequest[] =>
      Array.from({ length }, (_, index) => phase(`p${index}`, { dependencies: index === 0 ? [] : [`p${index - 1}`] }));
    for (const [answer, why] of [
      [undefined, /answers with \{"phases"/],
      ['phases.0.name must be string', /phases\.0\.name must be string/],
      [[], /phases is empty/],
      [[phase('a', { dependencies: ['b'] })], /depends on b, which is not a phase/],
      [[phase('a', { dependencies: ['b'] }), phase('b', { dependencies: ['a'] })], /in a circle/],
      [[phase('plan')], /name plan is kept/],
      [[phase('replan')], /name replan is kept/],
      [chain(21), /21 phases come one after the other; the most is 20/],
      [Array.from({ length: 101 }, (_, index) => phase(`p${index}`)), /101 entries; the most is 100/],
    ] as const) {
      const refused = swarm.refusal(answering(planner, asked, answer));
      assert.equal(refused.refused, 'answer_invalid');
      assert.match(refused.message, why);
    }
    swarm.ask(answering(planner, asked, chain(20)));
    assert.equal(coder.next().phase, 'p0');
  });

  test('is planned once more when a phase fails, and can build upon what succeeded; a second failure is the end', () => {
    for (const second of ['succeeds', 'fails'] as const) {
      const { swarm, planner, coder, taskId } = planned();
      const phases = [
        phase('data'),
        phase('report', { dependencies: ['data'] }),
        phase('print', { dependencies: ['report'] }),
      ];
      swarm.ask(answering(planner, planner.next(), phases));
      coder.complete(coder.next(), [1, 2]);
      coder.fail(coder.next(), 'no paper', false);
      assert.equal(swarm.task(taskId).status, 'running');

      const again = planner.next();
      assert.equal(again.phase, 'replan');
      assert.deepEqual(
        again.input.phases.map(({ name, status, result }: any) => [name, status, result]),
        [
          ['data', 'succeeded', [1, 2]],
          ['report', 'failed', null],
          ['print', 'cancelled', null],
        ],
      );
      for (const [name, dependency] of [
        ['data', []],
        ['short', ['report']],
      ] as const) {
        const refused = swarm.refusal(answering(planner, again, [phase(name, { dependencies: dependency })]));
        assert.equal(refused.refused, 'answer_invalid');
      }
      swarm.ask(answering(planner, again, [phase('short', { dependencies: ['data'] })]));
      const short = coder.next();
      assert.deepEqual(short.dependencies, { data: [1, 2] });
      if (second === 'succeeds') coder.complete(short, 'two numbers');
      else coder.fail(short, 'no paper', false);
      const { status, result } = swarm.ask({ type: 'task_wait', taskId });
      assert.deepEqual([status, result], second === 'succeeds' ? ['completed', 'two numbers'] : ['failed', null]);
      assertRestores(swarm.state);
    }
  });

  test('is held to the settings of the task by all its plans together', () => {
    const { swarm, planner, coder } = planned({ aggregation: 'majority_vote', conflictResolution: 'human' });
    const vote = phase('vote', { parallelism: 2 });
    swarm.ask(answering(planner, planner.next(), [vote, phase('print', { dependencies: ['vote'] })]));
    const other = swarm.join({ capabilities: ['code'] });
    for (const worker of [coder, other]) worker.complete(worker.next(), 'yes');
    coder.fail(coder.next(), 'no paper', false);
    swarm.ask(answering(planner, planner.next(), [phase('show', { dependencies: ['vote'] })]));
    assert.deepEqual(coder.next().dependencies, { vote: 'yes' });
  });

  test('fails with its planner, waits while there is none, and says so', () => {
    const { swarm, planner, taskId } = planned();
    planner.fail(planner.next(), 'no idea', false);
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).reason], ['failed', 'phase plan failed']);

    const alone = SwarmUnderTest.withSwarm();
    alone.join();
    const waiting = alone.orchestrate({ planned: true });
    assert.equal(
      waiting.orchestrationPlan.phases[0].waitingFor,
      'no agent is of type coordinator: spawn one with agent_spawn, or join with swarm_join',
    );
  });

  test('takes no plan of its own, and holds the planner to the settings of the task', () => {
    const { swarm, planner, coder } = planned({ consensusRequired: true });
    const unheeded = [
      { phases: [phase('a')] },
      { items: [1] },
      { strategy: 'parallel' },
      { consensusThreshold: 0.9 },
    ] as const;
    for (const more of unheeded) {
      const refused = swarm.refusal({
        type: 'task_orchestrate',
        task: taskRequest({ ...more, planned: true }),
      } as CommandBody);
      assert.match(refused.message, new RegExp(`^${Object.keys(more)[0]} has no effect on this task`));
    }
    const asked = planner.next();
    assert.match(swarm.refusal(answering(planner, asked, [phase('a')])).message, /consensusRequired has no effect/);
    swarm.ask(answering(planner, asked, [phase('a', { parallelism: 2 })]));
    assert.equal(coder.next().phase, 'a');
  });
});
