import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { agentRequest, joining, SwarmUnderTest, Worker } from './swarm-under-test.ts';

function spawn(swarm: SwarmUnderTest, more: Parameters<typeof agentRequest>[0] = {}): any {
  return swarm.ask({ type: 'agent_spawn', agent: agentRequest(more), limitsAsked: false });
}

const status = (swarm: SwarmUnderTest, agentId: string): any => swarm.ask({ type: 'agent_status', agentId });

describe('an agent', () => {
  test('of an external type gives out a token, and whoever joins with it becomes it', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const spawned = spawn(swarm, { capabilities: ['rust'] });
    assert.deepEqual([spawned.status, spawned.estimatedReadyTime], ['spawning', null]);
    assert.equal(status(swarm, spawned.agentId).health, null);
    swarm.pass(250);
    const worker = swarm.join({ token: spawned.joinToken });
    assert.equal(worker.agentId, spawned.agentId);
    const after = status(swarm, spawned.agentId);
    assert.deepEqual([after.status, after.health, after.initialisationMetrics], ['active', 100, { spawnTime: 250 }]);
    assert.equal(swarm.execute(joining({ token: spawned.joinToken })).hasOwnProperty('refused'), true);
  });

  test('of a command type is started by its host, and failed with the reason when no worker joins', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const spawned = spawn(swarm, { runtime: 'command' });
    assert.equal(spawned.joinToken, undefined);
    const start = swarm.effects.find((effect) => effect.kind === 'start_worker')!;
    assert.equal(start.agentId, spawned.agentId);
    swarm.pass(swarm.limits.spawnMs);
    assert.deepEqual(
      [status(swarm, spawned.agentId).status, status(swarm, spawned.agentId).reason],
      ['failed', 'no worker joined within 30 s'],
    );
    assert.ok(swarm.effects.some((effect) => effect.kind === 'stop_worker'));
  });

  test('the fourth of maxAgents 3 is refused, until one has stopped', () => {
    const swarm = SwarmUnderTest.withSwarm({ maxAgents: 3 });
    const first = spawn(swarm);
    spawn(swarm);
    swarm.join();
    assert.equal(
      swarm.refusal({ type: 'agent_spawn', agent: agentRequest(), limitsAsked: false }).refused,
      'swarm_full',
    );
    swarm.ask({ type: 'agent_stop', agentId: first.agentId, reason: null });
    spawn(swarm);
  });

  test('keeps what it holds through a lost connection, resumes by token, and only its newest connection acts', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate();
    const claim = worker.next();
    worker.lost();
    assert.equal(status(swarm, worker.agentId).status, 'offline');
    swarm.pass(30_000);
    assert.equal(status(swarm, worker.agentId).health, 50);
    const back = swarm.ask(joining({ token: worker.resumeToken }));
    assert.deepEqual(back.held, [{ assignmentId: claim.assignmentId, attempt: 1, leaseToken: claim.leaseToken }]);
    const replaced = swarm.refusal(worker.completing(claim, 1));
    assert.equal(replaced.refused, 'not_joined');
    assert.match(replaced.message, /another connection has joined as it since/);
    worker.lost();
    assert.equal(status(swarm, worker.agentId).status, 'busy', 'the loss of an earlier connection is no loss');
    new Worker(swarm, back.agentId, back.joins, back.resumeToken).complete(claim, 'done');
    assert.equal(swarm.results(taskId).result, 'done');
  });

  test('that does not come back in time has failed, and its work goes to another', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [worker, other] = [swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate();
    const claim = worker.next();
    worker.lost();
    swarm.pass(swarm.limits.graceMs - 1);
    assert.equal(other.next(), null);
    assert.match(
      swarm.refusal(worker.completing(claim, 1)).message,
      /it counts as lost, since the connection was closed/,
    );
    swarm.pass(1);
    assert.equal(status(swarm, worker.agentId).status, 'failed');
    swarm.pass(100);
    const again = other.next();
    assert.deepEqual([again.assignmentId, again.attempt], [claim.assignmentId, 2]);
    other.complete(again, 'ok');
    assert.equal(swarm.task(taskId).status, 'completed');
    assert.equal(swarm.refusal({ type: 'task_next', actor: worker.actor }).refused, 'agent_closed');
  });

  test('whose worker a host started is started again when it is lost, up to a number of times in a row', () => {
    const swarm = SwarmUnderTest.withSwarm({ limits: { agentRestartsMax: 2 } });
    spawn(swarm, { runtime: 'command' });
    const started = () => swarm.effects.findLast((effect) => effect.kind === 'start_worker') as any;
    for (let restarts = 0; restarts <= 2; restarts += 1) {
      const worker = swarm.join({ token: started().joinToken });
      swarm.ask({ type: 'worker_failed', agentId: worker.agentId, restarts, reason: 'killed' });
      swarm.ask({ type: 'worker_failed', agentId: worker.agentId, restarts, reason: 'told twice' });
      assert.equal(status(swarm, worker.agentId).status, restarts < 2 ? 'spawning' : 'failed');
    }
    assert.equal(swarm.effects.filter((effect) => effect.kind === 'start_worker').length, 3);
  });

  test('that is stopped gives its work back without a failure', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [worker, other] = [swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate({ retry: { kind: 'none', maxAttempts: 1, initialMs: 0, maxMs: 0 } });
    worker.next();
    swarm.ask({ type: 'agent_stop', agentId: worker.agentId, reason: null });
    const again = other.next();
    assert.equal(again.attempt, 2);
    other.complete(again, 'ok');
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('health falls with failures', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate();
    worker.fail(worker.next(), 'x', false);
    assert.equal(status(swarm, worker.agentId).health, 50);
    swarm.orchestrate();
    worker.complete(worker.next());
    assert.equal(status(swarm, worker.agentId).health, 75);
  });

  test('is forgotten some time after it has closed', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.ask({ type: 'swarm_leave', actor: worker.actor, reason: null });
    swarm.pass(swarm.limits.agentRetentionMs);
    assert.equal(swarm.refusal({ type: 'agent_status', agentId: worker.agentId }).refused, 'agent_not_found');
  });
});

describe('after a restart of the coordinator', () => {
  test('workers have the grace to come back, whatever ran out meanwhile', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate({ timeoutMs: 1000 });
    const claim = worker.next();
    swarm.now += 600_000;
    swarm.ask({ type: 'recover' });
    swarm.pass(swarm.limits.graceMs - 1);
    const back = swarm.join({ token: worker.resumeToken });
    back.complete(claim, 'finished meanwhile');
    assert.equal(swarm.task(claim.taskId).status, 'completed');
  });

  test('a worker that was being started is started again, with a new token', () => {
    const swarm = SwarmUnderTest.withSwarm();
    spawn(swarm, { runtime: 'command' });
    const before = swarm.effects.find((effect) => effect.kind === 'start_worker') as any;
    swarm.effects = [];
    swarm.ask({ type: 'recover' });
    const after = swarm.effects.find((effect) => effect.kind === 'start_worker') as any;
    assert.notEqual(after.joinToken, before.joinToken);
    assert.equal(swarm.refusal(joining({ token: before.joinToken })).refused, 'join_token_invalid');
    swarm.join({ token: after.joinToken });
  });

  test('offers are withdrawn and placed anew', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate();
    swarm.ask({ type: 'recover' });
    assert.equal(swarm.task(taskId).phases[0].assignments[0].status, 'queued');
    assert.equal(swarm.join({ token: worker.resumeToken }).next().taskId, taskId);
  });
});

describe('a swarm', () => {
  test('that is destroyed ends everything once, and can only be read', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate();
    worker.next();
    swarm.ask({ type: 'swarm_destroy' });
    assert.deepEqual([swarm.task(taskId).status, swarm.task(taskId).reason], ['cancelled', 'swarm_destroyed']);
    assert.equal(status(swarm, worker.agentId).status, 'stopped');
    assert.equal(swarm.refusal({ type: 'swarm_destroy' }).refused, 'swarm_destroyed');
    swarm.pass(swarm.limits.swarmRetentionMs);
    assert.ok(swarm.effects.some((effect) => effect.kind === 'forget_swarm'));
  });

  test('that is destroyed may have had more tasks than a call may have arguments', () => {
    const swarm = SwarmUnderTest.withSwarm();
    swarm.checkEvery = Infinity;
    const tasks = 150_000;
    for (let count = 0; count < tasks; count += 1) swarm.orchestrate();
    const outcome = swarm.execute({ type: 'swarm_destroy' });
    assert.ok('effects' in outcome);
    assert.ok(
      outcome.effects.filter((effect) => effect.kind === 'wake' && effect.key.startsWith('task:')).length === tasks,
    );
  });

  test('reports what was measured, and null for what was not', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const ask = (): any => swarm.ask({ type: 'swarm_status', topology: true, performance: true });
    assert.deepEqual([ask().metrics.avgCompletionTime, ask().metrics.successRate], [null, null]);
    const worker = swarm.join();
    swarm.orchestrate();
    const claim = worker.next();
    swarm.pass(1500);
    worker.complete(claim);
    assert.deepEqual([ask().metrics.avgCompletionTime, ask().metrics.successRate], [1.5, 1]);
    assert.deepEqual(ask().performance.agentTypes, [
      { agentType: 'external', successes: 1, avgDuration: 1.5, avgSpawnTime: 0 },
    ]);
    assert.equal(swarm.orchestrate().orchestrationPlan.phases[0].estimatedDuration, 1.5);
  });
});
