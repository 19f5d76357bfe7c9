/** What is handed out when, and to whom: priorities, affinity, capacities, pauses, draining, deadlines, budgets. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandBody } from '../../src/core/command.ts';
import type { Usage } from '../../src/core/state.ts';
import { restore, snapshot } from '../../src/core/snapshot.ts';
import { agentRequest, phase, SwarmUnderTest, type Worker } from './swarm-under-test.ts';

const once = { kind: 'none', maxAttempts: 1, initialMs: 0, maxMs: 0 } as const;
const fixed = { kind: 'fixed', maxAttempts: 3, initialMs: 1000, maxMs: 1000 } as const;

const agentOf = (swarm: SwarmUnderTest, { agentId }: Worker): any => swarm.ask({ type: 'agent_status', agentId });
const offeredTo = (reply: any): string | undefined => reply.assignedAgents[0]?.agentId;

function used(worker: Worker, type: 'task_complete' | 'task_fail' | 'task_update', claim: any, usage: Partial<Usage>) {
  const report = {
    task_complete: { result: 'x', vote: undefined },
    task_fail: { reason: 'exit_code', message: null, details: null, retryable: true },
    task_update: { progress: undefined },
  }[type];
  return worker.swarm.ask({
    ...worker.claimed(type, claim),
    ...report,
    usage: { inputTokens: null, outputTokens: null, costUsd: null, ...usage },
  } as CommandBody);
}

describe('priority', () => {
  test('higher ones are claimed first, within one the first in', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const asked = (['low', 'normal', 'high', 'critical', 'high'] as const).map(
      (priority) => swarm.orchestrate({ priority }).taskId,
    );
    const worker = swarm.join({ maxConcurrent: 5 });
    const claimed = asked.map(() => worker.next().taskId);
    assert.deepEqual(
      claimed,
      [3, 2, 4, 1, 0].map((index) => asked[index]),
    );
  });

  test('waiting raises it: a low one goes before a fresh high one once it has waited two steps longer', () => {
    for (const [waited, first] of [
      [2 * 60_000 - 1, 'high'],
      [2 * 60_000 + 1, 'low'],
    ] as const) {
      const swarm = SwarmUnderTest.withSwarm();
      assert.equal(swarm.limits.priorityAgingMs, 60_000);
      const low = swarm.orchestrate({ priority: 'low' }).taskId;
      swarm.pass(waited);
      const high = swarm.orchestrate({ priority: 'high' }).taskId;
      assert.equal(swarm.join().next().taskId, first === 'low' ? low : high);
    }
  });

  test('is not overtaken by what comes while an agent is about to ask', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate();
    const claim = worker.next();
    const waiting = swarm.orchestrate({ priority: 'critical' });
    worker.complete(claim);
    const { assignedAgents, orchestrationPlan } = swarm.orchestrate({ priority: 'low' });
    assert.deepEqual(assignedAgents, []);
    assert.match(orchestrationPlan.phases[0].waitingFor, /they have to call task_next/);
    assert.equal(worker.next().taskId, waiting.taskId);
  });

  test('leaves what was tried in vain to an agent that waits, when one that does not has more urgent work', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [first, second] = [swarm.join({ capabilities: ['a'] }), swarm.join({ capabilities: ['a', 'b'] })];
    swarm.orchestrate({ requiredCapabilities: ['a'], retry: fixed });
    swarm.orchestrate({ requiredCapabilities: ['b'] });
    const [claim, held] = [first.next(), second.next()];
    swarm.orchestrate({ requiredCapabilities: ['b'], priority: 'high' });
    first.fail(claim);
    second.complete(held);
    swarm.waiting.add(first.agentId);
    swarm.pass(1000);
    assert.equal(swarm.task(claim.taskId).phases[0].assignments[0].agentId, first.agentId);
  });

  test('is looked up at the heads of the lanes, however long the queue is', () => {
    const swarm = SwarmUnderTest.withSwarm();
    for (let count = 0; count < 200; count += 1) {
      swarm.orchestrate({ requiredCapabilities: [`c${count % 3}`], priority: 'low' });
    }
    swarm.orchestrate({ requiredCapabilities: ['c1'], priority: 'high' });
    const worker = swarm.join({ capabilities: ['c1'] });
    // Whoever read the queue would trip over this.
    for (const queued of swarm.state.indexes.queued.values()) {
      if (queued.slot > 0) Object.defineProperty(queued, 'phase', { get: () => assert.fail('the queue was scanned') });
    }
    swarm.execute({ type: 'task_next', actor: worker.actor });
  });
});

describe('affinity', () => {
  const rust = { requiredCapabilities: ['rust'] };

  test('among equally loaded agents, one that did well at such work lately is preferred to a faster one', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const proven = swarm.join({ capabilities: ['rust', 'go'] });
    const fast = swarm.join({ capabilities: ['rust', 'go'] });
    swarm.orchestrate(rust);
    const claim = proven.next();
    swarm.pass(5000);
    proven.complete(claim);
    swarm.orchestrate({ requiredCapabilities: ['go'] });
    fast.complete(fast.next());
    assert.equal(offeredTo(swarm.orchestrate(rust)), proven.agentId);
    assert.equal(offeredTo(swarm.orchestrate(rust)), fast.agentId, 'load comes first');
  });

  test('says nothing of other work, nor of work that requires nothing', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [first, second] = [
      swarm.join({ capabilities: ['rust', 'go'] }),
      swarm.join({ capabilities: ['rust', 'go'] }),
    ];
    swarm.orchestrate(rust);
    const claim = first!.next();
    swarm.pass(5000);
    first!.complete(claim);
    assert.equal(offeredTo(swarm.orchestrate({ requiredCapabilities: ['go'] })), second!.agentId);
    second!.complete(second!.next());
    assert.equal(offeredTo(swarm.orchestrate()), second!.agentId);
  });

  test('is lost by failing, and found again by succeeding', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ capabilities: ['rust'] });
    const share = () => swarm.state.agents.get(worker.agentId)!.record.kinds[0]!.share.toFixed(3);
    const attempt = (end: 'complete' | 'fail') => {
      swarm.orchestrate({ ...rust, retry: once });
      worker[end](worker.next());
    };
    attempt('complete');
    assert.equal(share(), '0.650');
    attempt('fail');
    assert.equal(share(), '0.455');
    const { agents, proven } = swarm.state.indexes;
    assert.equal(agents.get(worker.agentId)!.proven.size, 0);
    attempt('complete');
    assert.equal(agents.get(worker.agentId)!.proven.size, 1);
    assert.equal([...proven.values()][0]!.size, 1);
  });

  test('is remembered for the newest 8 kinds of work', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const capabilities = Array.from({ length: 12 }, (_, index) => `c${index}`);
    const worker = swarm.join({ capabilities });
    for (const capability of [...capabilities, 'c5']) {
      swarm.orchestrate({ requiredCapabilities: [capability] });
      worker.complete(worker.next());
    }
    const kinds = swarm.state.agents.get(worker.agentId)!.record.kinds.map(({ kind }) => JSON.parse(kind)[1]);
    assert.deepEqual(kinds, ['c4', 'c6', 'c7', 'c8', 'c9', 'c10', 'c11', 'c5']);
  });

  test('does not bring work to an agent that has the capability no longer', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ capabilities: ['rust'] });
    swarm.orchestrate(rust);
    worker.complete(worker.next());
    swarm.join({ token: worker.resumeToken, capabilities: ['go'] });
    assert.equal(offeredTo(swarm.orchestrate(rust)), undefined);
  });
});

describe('maxConcurrent', () => {
  test('is the most that an agent holds, offers included', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ maxConcurrent: 2 });
    const tasks = [1, 2, 3].map(() => swarm.orchestrate());
    assert.deepEqual(tasks.map(offeredTo), [worker.agentId, worker.agentId, undefined]);
    const [first, second, third] = [worker.next(), worker.next(), worker.next()];
    assert.deepEqual([first.taskId, second.taskId, third], [tasks[0].taskId, tasks[1].taskId, null]);
    worker.complete(second);
    assert.equal(worker.next().taskId, tasks[2].taskId);
  });
});

describe('a deadline', () => {
  test('ends the task as failed, whatever it holds, and tells the holder', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({
      deadlineMs: 30_000,
      phases: [phase('a'), phase('b', { dependencies: ['a'] })],
    });
    const claim = worker.next();
    swarm.pass(29_999);
    assert.equal(swarm.task(taskId).status, 'running');
    swarm.pass(1);
    const { status, reason, phases } = swarm.task(taskId);
    assert.deepEqual([status, reason], ['failed', 'deadline_exceeded']);
    assert.deepEqual(
      phases.map((of: any) => of.status),
      ['cancelled', 'cancelled'],
    );
    assert.equal(swarm.refusal(worker.completing(claim, 1)).refused, 'lease_lost');
  });

  test('runs on while the swarm is paused', () => {
    const swarm = SwarmUnderTest.withSwarm();
    swarm.ask({ type: 'swarm_pause', reason: null });
    const { taskId } = swarm.orchestrate({ deadlineMs: 30_000 });
    swarm.pass(30_000);
    assert.equal(swarm.task(taskId).reason, 'deadline_exceeded');
  });
});

describe('what waits says why, and what would change it:', () => {
  const waitingFor = (swarm: SwarmUnderTest, { taskId }: any, index = 0): string =>
    swarm.task(taskId).phases[index].waitingFor;
  const at = (swarm: SwarmUnderTest, ms: number): string => new Date(swarm.now + ms).toISOString();

  test('nobody could do it', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const remedy = 'spawn one with agent_spawn, or join with swarm_join';
    const [any, typed, both, typedBoth] = [
      swarm.orchestrate(),
      swarm.orchestrate({ agentType: 'coder' }),
      swarm.orchestrate({ requiredCapabilities: ['a', 'b'] }),
      swarm.orchestrate({ agentType: 'tester', requiredCapabilities: ['a', 'b'] }),
    ];
    assert.equal(waitingFor(swarm, any), `the swarm has no agent: ${remedy}`);
    swarm.join({ agentType: 'tester', capabilities: ['a'] });
    assert.equal(waitingFor(swarm, typed), `no agent is of type coder: ${remedy}`);
    assert.equal(waitingFor(swarm, both), `no agent has capability b: ${remedy}`);
    swarm.join({ capabilities: ['b'] });
    assert.equal(waitingFor(swarm, both), `no single agent has all of a, b: ${remedy}`);
    swarm.join({ capabilities: ['a', 'b'] });
    assert.equal(waitingFor(swarm, typedBoth), `no agent of type tester has all of a, b: ${remedy}`);
  });

  test('nobody can do it now', () => {
    const swarm = SwarmUnderTest.withSwarm();
    swarm.ask({ type: 'agent_spawn', agent: agentRequest(), limitsAsked: false });
    swarm.join().lost();
    const task = swarm.orchestrate();
    assert.equal(
      waitingFor(swarm, task),
      'no capable agent takes work now: 1 is spawning, 1 is offline; it waits for one to join',
    );
  });

  test('too few could do it', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ maxConcurrent: 3 });
    const task = swarm.orchestrate({ parallelism: 2 });
    worker.next();
    assert.equal(
      waitingFor(swarm, task),
      'needs 2 distinct capable agents; there is one, and it has an assignment of this phase: spawn another, or let another join',
    );
  });

  test('all are busy, until about when it was before, or at the latest when their time is over', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate({ timeoutMs: 60_000 });
    const first = worker.next();
    const latest = at(swarm, 60_000 + swarm.limits.timeoutSlackMs);
    const next = swarm.orchestrate();
    assert.equal(
      waitingFor(swarm, next),
      `the capable agent is busy; how long is not known, until ${latest} at the latest`,
    );
    swarm.pass(4_000);
    worker.complete(first);
    worker.next();
    const later = swarm.orchestrate();
    swarm.pass(1_000);
    assert.equal(waitingFor(swarm, later), `the capable agent is busy until about ${at(swarm, 3_000)}`);
    swarm.pass(3_000);
    assert.match(waitingFor(swarm, later), /how long is not known/);
  });

  test('another attempt is due later, perhaps too late', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const slow = {
      retry: { kind: 'fixed', maxAttempts: 3, initialMs: 60_000, maxMs: 60_000 },
      deadlineMs: 90_000,
    } as const;
    const task = swarm.orchestrate(slow);
    worker.fail(worker.next());
    const again = at(swarm, 60_000);
    assert.equal(waitingFor(swarm, task), `tried again at ${again}: attempt 1 failed (exit_code)`);
    swarm.pass(60_000);
    worker.fail(worker.next());
    assert.equal(
      waitingFor(swarm, task),
      `tried again at ${at(swarm, 60_000)}: attempt 2 failed (exit_code); the deadline of the task is before, ${at(swarm, 30_000)}`,
    );
  });

  test('what comes before it is not done', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const task = swarm.orchestrate({ phases: [phase('a'), phase('b', { dependencies: ['a'] })] });
    assert.equal(waitingFor(swarm, task, 1), 'waits for phase a');
  });
});

describe('a paused swarm', () => {
  test('takes tasks and results, and hands nothing out', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [busy, free] = [swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate({ phases: [phase('a'), phase('b', { dependencies: ['a'] })] });
    const claim = busy.next() ?? free.next();
    const paused = swarm.ask({ type: 'swarm_pause', reason: 'lunch' });
    assert.deepEqual(paused, {
      swarmId: 'swarm_1',
      paused: { since: new Date(swarm.now).toISOString(), reason: 'lunch' },
    });
    assert.deepEqual(swarm.ask({ type: 'swarm_status', topology: false, performance: false }).paused, paused.paused);
    busy.update(claim);
    busy.complete(claim);
    assert.equal(swarm.task(taskId).phases[1].assignments[0].status, 'queued');
    const accepted = swarm.orchestrate();
    assert.deepEqual(accepted.assignedAgents, []);
    assert.match(accepted.orchestrationPlan.phases[0].waitingFor, /paused since .* \(lunch\): swarm_resume/);
    assert.deepEqual([busy.next(), free.next()], [null, null]);
  });

  test('does not hand out what was offered before, and does not blame the agent for not claiming it', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate();
    swarm.ask({ type: 'swarm_pause', reason: null });
    assert.equal(worker.next(), null);
    swarm.pass(swarm.limits.offerMs);
    assert.equal(swarm.task(taskId).phases[0].assignments[0].status, 'queued');
    assert.equal(swarm.state.agents.get(worker.agentId)!.attentive, true);
    swarm.ask({ type: 'swarm_resume' });
    assert.equal(worker.next().taskId, taskId);
  });

  test('resumed, wakes all requests of every agent that waits, and them only', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [waiting, away] = [swarm.join({ maxConcurrent: 2 }), swarm.join()];
    swarm.ask({ type: 'swarm_pause', reason: null });
    const tasks = [swarm.orchestrate().taskId, swarm.orchestrate().taskId];
    swarm.waiting.add(waiting.agentId);
    swarm.effects = [];
    assert.deepEqual(swarm.ask({ type: 'swarm_resume' }), { swarmId: 'swarm_1', paused: null });
    assert.deepEqual(swarm.effects, [{ kind: 'wake', key: `work:${waiting.agentId}`, all: true }]);
    assert.deepEqual([waiting.next().taskId, waiting.next().taskId], tasks);
    assert.equal(away.next(), null);
  });

  test('paused again stays so since the first time; resumed twice is resumed', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const first = swarm.ask({ type: 'swarm_pause', reason: 'one' });
    swarm.pass(1000);
    assert.deepEqual(swarm.ask({ type: 'swarm_pause', reason: 'two' }), first);
    swarm.ask({ type: 'swarm_resume' });
    swarm.ask({ type: 'swarm_resume' });
    assert.deepEqual(
      swarm.types().filter((type) => type === 'swarm_paused' || type === 'swarm_resumed'),
      ['swarm_paused', 'swarm_resumed'],
    );
  });

  test('retries after a backoff, and places what is given back, only once it goes on', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ retry: fixed });
    const claim = worker.next();
    swarm.ask({ type: 'swarm_pause', reason: null });
    worker.fail(claim);
    swarm.pass(10_000);
    assert.equal(swarm.task(taskId).phases[0].assignments[0].status, 'queued');
    swarm.ask({ type: 'swarm_resume' });
    assert.equal(worker.next().attempt, 2);
  });
});

describe('a draining agent', () => {
  function draining(): { swarm: SwarmUnderTest; worker: Worker; claim: any } {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ maxConcurrent: 3 });
    swarm.orchestrate({ retry: fixed });
    const claim = worker.next();
    const reply = swarm.ask({ type: 'agent_stop', agentId: worker.agentId, reason: 'new release', drain: true });
    assert.deepEqual(reply, {
      agentId: worker.agentId,
      swarmId: 'swarm_1',
      status: 'draining',
      reason: 'new release',
    });
    return { swarm, worker, claim };
  }

  const ends: [string, (swarm: SwarmUnderTest, worker: Worker, claim: any) => void][] = [
    ['its result', (_, worker, claim) => worker.complete(claim)],
    ['a failure', (_, worker, claim) => worker.fail(claim)],
    ['giving it back', (_, worker, claim) => worker.release(claim)],
    [
      'the end of its task',
      (swarm, _, claim) => swarm.ask({ type: 'task_cancel', taskId: claim.taskId, reason: null }),
    ],
    ['the end of its lease', (swarm) => swarm.pass(swarm.limits.leaseMs)],
  ];
  for (const [name, end] of ends) {
    test(`stops by itself after ${name}`, () => {
      const { swarm, worker, claim } = draining();
      assert.deepEqual([agentOf(swarm, worker).status, agentOf(swarm, worker).reason], ['draining', 'new release']);
      end(swarm, worker, claim);
      swarm.pass(0);
      assert.deepEqual([agentOf(swarm, worker).status, agentOf(swarm, worker).reason], ['stopped', 'new release']);
    });
  }

  test('is offered nothing, claims nothing, and is told so at once; it keeps its messages', () => {
    const { swarm, worker, claim } = draining();
    const { taskId, assignedAgents, orchestrationPlan } = swarm.orchestrate();
    assert.deepEqual(assignedAgents, []);
    assert.match(orchestrationPlan.phases[0].waitingFor, /no capable agent takes work now: 1 is draining/);
    const outcome: any = swarm.execute({ type: 'task_next', actor: worker.actor });
    assert.deepEqual([outcome.reply.assignment, outcome.reply.pending.drain, outcome.idle], [null, true, null]);
    swarm.ask({ type: 'agent_message', from: null, to: worker.agentId, message: 'hurry', replyTo: null, ttlMs: null });
    const { messages, pending } = swarm.ask({ type: 'message_next', actor: worker.actor, after: 0, limit: 10 });
    assert.deepEqual([messages.length, pending.drain], [1, true]);
    assert.equal(worker.complete(claim).pending.drain, true);
    assert.equal(swarm.task(taskId).phases[0].assignments[0].status, 'queued');
  });

  test('gives its offers back, to others if there are any', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ maxConcurrent: 2 });
    swarm.orchestrate();
    worker.next();
    assert.equal(offeredTo(swarm.orchestrate()), worker.agentId);
    const other = swarm.join();
    swarm.ask({ type: 'agent_stop', agentId: worker.agentId, reason: null, drain: true });
    assert.notEqual(other.next(), null);
  });

  test('that holds nothing stops at once', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate();
    const stop = { type: 'agent_stop', agentId: worker.agentId, reason: null, drain: true } as const;
    assert.equal(swarm.ask(stop).status, 'stopped');
  });

  test('told again goes on draining, and without drain stops now: what it holds goes to others', () => {
    const { swarm, worker, claim } = draining();
    const again = swarm.ask({ type: 'agent_stop', agentId: worker.agentId, reason: 'again', drain: true });
    assert.deepEqual([again.status, again.reason], ['draining', 'new release']);
    assert.equal(swarm.ask({ type: 'agent_stop', agentId: worker.agentId, reason: null }).status, 'stopped');
    assert.equal(swarm.refusal(worker.completing(claim, 1)).refused, 'agent_closed');
    assert.equal(swarm.join().next().assignmentId, claim.assignmentId);
  });

  test('that is lost can come back and finish', () => {
    const { swarm, worker, claim } = draining();
    worker.lost();
    const back = swarm.join({ token: worker.resumeToken });
    assert.equal(agentOf(swarm, back).status, 'draining');
    back.complete(claim);
    swarm.pass(0);
    assert.equal(agentOf(swarm, back).status, 'stopped');
  });

  test('of a host is not started again when its worker dies, and has stopped when it ended after its work', () => {
    for (const [finishes, status] of [
      [false, 'failed'],
      [true, 'stopped'],
    ] as const) {
      const swarm = SwarmUnderTest.withSwarm();
      const { agentId } = swarm.ask({
        type: 'agent_spawn',
        agent: agentRequest({ runtime: 'command' }),
        limitsAsked: false,
      });
      const { life } = swarm.state.agents.get(agentId)!;
      const worker = swarm.join({ token: (life as { joinToken: string }).joinToken });
      swarm.orchestrate();
      const claim = worker.next();
      swarm.ask({ type: 'agent_stop', agentId, reason: null, drain: true });
      if (finishes) worker.complete(claim);
      swarm.ask({ type: 'worker_failed', agentId, restarts: 0, reason: 'its worker ended' });
      assert.equal(agentOf(swarm, worker).status, status);
    }
  });
});

describe('a budget', () => {
  const tokens = (maxTokens: number) => ({ maxTokens, maxCostUsd: null });

  test('is used up by all attempts together, failed ones too; then nothing of the task is claimed any more', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ budget: tokens(100), retry: fixed });
    used(worker, 'task_fail', worker.next(), { inputTokens: 50, outputTokens: 10 });
    swarm.pass(1000);
    assert.equal(swarm.task(taskId).status, 'running');
    used(worker, 'task_fail', worker.next(), { inputTokens: 30, outputTokens: 10 });
    assert.equal(worker.next(), null);
    swarm.pass(0);
    const { status, reason, phases, usage, budget } = swarm.task(taskId);
    assert.deepEqual([status, reason], ['failed', 'budget_exceeded: 100 tokens were used, and maxTokens is 100']);
    assert.equal(phases[0].assignments[0].attempt, 2);
    assert.deepEqual(usage, { inputTokens: 80, outputTokens: 20, costUsd: null, unknownAttempts: 2 });
    assert.deepEqual(budget, { maxTokens: 100, maxCostUsd: null });
  });

  test('lets go on what is claimed, and keeps the results', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [first, second] = [swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate({
      budget: { maxTokens: null, maxCostUsd: 0.3 },
      phases: [phase('a', { parallelism: 2 }), phase('b', { dependencies: ['a'] })],
    });
    const [one, two] = [first.next(), second.next()];
    used(first, 'task_complete', one, { costUsd: 0.1 });
    used(second, 'task_update', two, { costUsd: 0.2 });
    swarm.pass(0);
    assert.equal(swarm.task(taskId).status, 'running');
    used(second, 'task_complete', two, { costUsd: 0.25 });
    swarm.pass(0);
    const { status, reason } = swarm.task(taskId);
    assert.deepEqual([status, reason], ['failed', 'budget_exceeded: 0.35 USD were used, and maxCostUsd is 0.3']);
    assert.deepEqual(
      swarm.results(taskId).results.map((of: any) => [of.phase, of.status, of.result]),
      [
        ['a', 'succeeded', 'x'],
        ['a', 'succeeded', 'x'],
        ['b', 'cancelled', null],
      ],
    );
  });

  test('used up by the last result changes nothing: the task has completed', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ budget: tokens(1) });
    used(worker, 'task_complete', worker.next(), { inputTokens: 5 });
    swarm.pass(0);
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('is not touched by what is unknown; a later report of an attempt replaces the earlier one', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ budget: tokens(100), retry: fixed });
    assert.deepEqual(swarm.task(taskId).usage, {
      inputTokens: null,
      outputTokens: null,
      costUsd: null,
      unknownAttempts: 0,
    });
    worker.fail(worker.next());
    swarm.pass(1000);
    const claim = worker.next();
    for (const inputTokens of [10, 40, 60]) used(worker, 'task_update', claim, { inputTokens });
    used(worker, 'task_update', claim, { outputTokens: 30 });
    assert.deepEqual(swarm.task(taskId).phases[0].assignments[0].usage, {
      inputTokens: 60,
      outputTokens: 30,
      costUsd: null,
    });
    used(worker, 'task_complete', claim, { inputTokens: 65, costUsd: 0.01 });
    assert.deepEqual(swarm.task(taskId).usage, {
      inputTokens: 65,
      outputTokens: 30,
      costUsd: 0.01,
      unknownAttempts: 1,
    });
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('used up withholds what was offered, without blaming the agent', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [busy, idle] = [swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate({ budget: tokens(10), parallelism: 2 });
    const claim = busy.next();
    used(busy, 'task_update', claim, { inputTokens: 10 });
    assert.equal(idle.next(), null);
    assert.match(
      swarm.task(taskId).phases[0].waitingFor,
      /over budget: 10 tokens were used, and maxTokens is 10; the task fails when nothing of it is claimed any more/,
    );
    swarm.effects = [];
    swarm.pass(swarm.limits.offerMs);
    assert.ok(swarm.effects.some((effect) => effect.kind === 'wake' && effect.key === `work:${idle.agentId}`));
    assert.equal(swarm.state.agents.get(idle.agentId)!.attentive, true);
    busy.release(claim);
    swarm.pass(0);
    assert.match(swarm.task(taskId).reason, /^budget_exceeded/);
  });
});

test('a snapshot of before there were pauses, draining and budgets is restored, and goes on', () => {
  const swarm = SwarmUnderTest.withSwarm();
  const worker = swarm.join();
  const { taskId } = swarm.orchestrate({ retry: fixed });
  const content = JSON.parse(snapshot(swarm.state));
  delete content.swarm.paused;
  for (const agent of content.agents) {
    delete agent.draining;
    delete agent.idleSince;
    delete agent.record.kinds;
  }
  for (const task of content.tasks) {
    delete task.budget;
    delete task.usage;
  }
  const before = swarm.state;
  swarm.state = restore(JSON.stringify(content), swarm.limits);
  assert.deepEqual(JSON.parse(snapshot(swarm.state)), JSON.parse(snapshot(before)));
  used(worker, 'task_complete', worker.next(), { inputTokens: 5 });
  assert.equal(swarm.task(taskId).status, 'completed');
});
