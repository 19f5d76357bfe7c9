import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { phase, SwarmUnderTest } from './swarm-under-test.ts';

const once = { kind: 'none', maxAttempts: 1, initialMs: 0, maxMs: 0 } as const;

describe('a lease', () => {
  test('runs out without a heartbeat; the work goes to another, and the late result is refused', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const slow = swarm.join();
    const { taskId } = swarm.orchestrate();
    const late = slow.next();
    const other = swarm.join();
    swarm.pass(swarm.limits.leaseMs - 1);
    assert.equal(swarm.task(taskId).phases[0].assignments[0].status, 'claimed');
    swarm.pass(1);
    const [assignment] = swarm.task(taskId).phases[0].assignments;
    assert.equal(assignment.lastError.reason, 'lease_expired');
    swarm.pass(100);
    const again = other.next();
    assert.equal(again.assignmentId, late.assignmentId);
    assert.equal(again.attempt, 2);
    const refused = swarm.refusal(slow.completing(late, 'late'));
    assert.equal(refused.refused, 'lease_lost');
    assert.match(refused.message, /attempt 2 belongs to agent/);
    other.complete(again, 'in time');
    assert.equal(swarm.results(taskId).result, 'in time');
  });

  test('that has run out is not brought back by another call of its holder', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate();
    const claim = worker.next();
    swarm.now = Date.parse(claim.leaseExpiresAt);
    swarm.ask({ type: 'message_next', actor: worker.actor, after: 0, limit: 1 });
    assert.equal(swarm.types().includes('leases_renewed'), false);
    assert.equal(swarm.refusal(worker.completing(claim, 'x')).refused, 'lease_lost');
  });

  test('is renewed by a heartbeat, with one event per third of it', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate({ timeoutMs: 3_600_000 });
    const claim = worker.next();
    for (let second = 0; second < 600; second += 1) {
      swarm.pass(1000);
      worker.update(claim);
    }
    const renewals = swarm.types().filter((type) => type === 'leases_renewed').length;
    assert.ok(renewals >= 25 && renewals <= 30, `${renewals} renewals in ten leases`);
    worker.complete(claim);
  });

  test('does not outlast the timeout of the attempt', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ timeoutMs: 30_000, retry: once });
    const claim = worker.next();
    swarm.pass(30_000);
    worker.update(claim);
    swarm.pass(swarm.limits.timeoutSlackMs);
    assert.equal(swarm.task(taskId).status, 'failed');
    assert.equal(swarm.task(taskId).phases[0].assignments[0].lastError.reason, 'timeout');
    assert.deepEqual(swarm.ask({ type: 'task_next', actor: worker.actor }).pending.cancel, [claim.assignmentId]);
  });

  test('an expired one is refused even before its timer has gone off', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate();
    const claim = worker.next();
    swarm.now += swarm.limits.leaseMs;
    assert.match(swarm.refusal(worker.completing(claim, 1)).message, /ran out/);
  });

  test('another agent cannot speak for it, nor a wrong token', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [holder, thief] = [swarm.join(), swarm.join()];
    swarm.orchestrate();
    const claim = holder.next() ?? thief.next();
    const [owner, other] = claim === null ? [thief, holder] : [holder, thief];
    assert.equal(swarm.refusal(other.completing(claim, 'stolen')).refused, 'lease_lost');
    assert.equal(swarm.refusal(owner.completing({ ...claim, leaseToken: 'guess' }, 'x')).refused, 'lease_lost');
    assert.equal(
      swarm.refusal(owner.completing({ ...claim, assignmentId: 'task_9/work/1' }, 'x')).refused,
      'assignment_not_found',
    );
    owner.complete(claim, 'mine');
    assert.match(swarm.refusal(owner.completing(claim, 'twice')).message, /task has completed/);
  });
});

describe('an offer', () => {
  test('goes to the least loaded, then healthiest, then fastest agent', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [slow, fast, failing] = [swarm.join(), swarm.join(), swarm.join()];
    for (const [worker, ms] of [
      [slow, 5000],
      [fast, 1000],
      [failing, 10],
    ] as const) {
      assert.equal(swarm.orchestrate().assignedAgents[0].agentId, worker.agentId);
      const claim = worker.next();
      swarm.pass(ms);
      worker.complete(claim);
    }
    swarm.orchestrate({ retry: once });
    const claim = failing.next();
    failing.fail(claim);
    assert.equal(swarm.orchestrate().assignedAgents[0].agentId, fast.agentId);
    assert.equal(swarm.orchestrate().assignedAgents[0].agentId, slow.agentId);
    assert.equal(swarm.orchestrate().assignedAgents[0].agentId, failing.agentId);
    assert.deepEqual(swarm.orchestrate().assignedAgents, []);
  });

  test('goes to an agent that waits for work, even if another one would be better', () => {
    const swarm = SwarmUnderTest.withSwarm();
    swarm.join();
    const waiting = swarm.join();
    swarm.waiting.add(waiting.agentId);
    assert.equal(swarm.orchestrate().assignedAgents[0].agentId, waiting.agentId);
  });

  test('passes over nothing that is queued, in the moment between an answer and the next question', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate();
    const claim = worker.next();
    const urgent = swarm.orchestrate({ priority: 'high' });
    worker.complete(claim);
    assert.deepEqual(swarm.orchestrate({ priority: 'low' }).assignedAgents, []);
    assert.equal(swarm.orchestrate({ priority: 'critical' }).assignedAgents[0].agentId, worker.agentId);
    worker.complete(worker.next());
    assert.equal(worker.next().taskId, urgent.taskId);
  });

  test('is for who waits: another who asks meanwhile goes away empty', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const waiting = swarm.join();
    swarm.waiting.add(waiting.agentId);
    const { taskId } = swarm.orchestrate();
    assert.equal(swarm.join().next(), null);
    assert.equal(waiting.next().taskId, taskId);
  });

  test('to an agent that does not wait is taken by whoever asks first', () => {
    const swarm = SwarmUnderTest.withSwarm();
    swarm.join();
    const { taskId } = swarm.orchestrate();
    const other = swarm.join();
    assert.equal(other.next().taskId, taskId);
  });

  test('that is not claimed goes to others, and its agent is passed over until it asks', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const idle = swarm.join();
    swarm.waiting.add(idle.agentId);
    const { taskId } = swarm.orchestrate();
    const awake = swarm.join();
    swarm.pass(swarm.limits.offerMs);
    assert.equal(swarm.task(taskId).phases[0].assignments[0].agentId, awake.agentId);
    assert.equal(awake.next().taskId, taskId);
    assert.deepEqual(swarm.orchestrate().assignedAgents, []);
    swarm.waiting.clear();
    assert.notEqual(idle.next(), null);
    assert.deepEqual(swarm.orchestrate().assignedAgents, []);
  });

  test('an agent holds no more than its maxConcurrent', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join({ maxConcurrent: 2 });
    for (let i = 0; i < 3; i += 1) swarm.orchestrate();
    const claims = [worker.next(), worker.next()];
    assert.equal(worker.next(), null);
    worker.complete(claims[0]);
    assert.notEqual(worker.next(), null);
  });
});

describe('a failed attempt', () => {
  test('is retried with backoff, by another agent if there is one, up to the limit', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [a, b] = [swarm.join(), swarm.join()];
    const { taskId } = swarm.orchestrate();
    const first = a.next();
    assert.equal(a.fail(first).attemptsLeft, 2);
    assert.match(swarm.task(taskId).phases[0].waitingFor, /tried again at .*attempt 1 failed \(exit_code\)/);
    assert.equal(b.next(), null);
    swarm.pass(50);
    const second = b.next();
    assert.equal(second.attempt, 2);
    b.fail(second);
    swarm.pass(100);
    const third = a.next() ?? b.next();
    assert.equal(third.attempt, 3);
    const last = a.actor.agentId === swarm.task(taskId).phases[0].assignments[0].agentId ? a : b;
    assert.deepEqual([last.fail(third).status, swarm.task(taskId).status], ['failed', 'failed']);
    assert.equal(swarm.task(taskId).phases[0].reason, 'attempts_exhausted');
  });

  test('full jitter: anywhere from nothing to the doubled delay', () => {
    for (const [draw, delays] of [
      [0, [0, 0]],
      [0.999999, [99, 199]],
    ] as const) {
      const swarm = SwarmUnderTest.withSwarm();
      swarm.draw = () => draw;
      const worker = swarm.join();
      swarm.orchestrate();
      for (const delay of delays) {
        worker.fail(worker.next());
        const failed = swarm.events.findLast((event) => event.type === 'attempt_failed')!;
        assert.equal((failed as any).retryAt - swarm.now, delay);
        swarm.pass(delay + 1);
      }
    }
  });

  test('is not retried when it is not retryable', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate();
    worker.fail(worker.next(), 'not_found', false);
    assert.equal(swarm.task(taskId).status, 'failed');
  });

  test('given-back work is no failure and comes again after a second', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const { taskId } = swarm.orchestrate({ retry: once });
    worker.release(worker.next());
    assert.equal(worker.next(), null);
    swarm.pass(swarm.limits.releaseDelayMs);
    worker.complete(worker.next(), 'ok');
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('a claim whose reply was not delivered is claimable at once', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate();
    const { assignmentId, leaseToken } = worker.next();
    swarm.ask({ type: 'claim_undelivered', assignmentId, leaseToken: 'another' });
    assert.equal(worker.next(), null);
    swarm.ask({ type: 'claim_undelivered', assignmentId, leaseToken });
    assert.equal(worker.next().attempt, 2);
  });
});

describe('parallel assignments', () => {
  test('are for distinct agents', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const a = swarm.join({ maxConcurrent: 5 });
    const { taskId } = swarm.orchestrate({ strategy: 'parallel', parallelism: 2 });
    assert.notEqual(a.next(), null);
    assert.equal(a.next(), null);
    assert.match(swarm.task(taskId).phases[0].waitingFor, /needs 2 distinct capable agents; there is one/);
    const b = swarm.join();
    assert.notEqual(b.next(), null);
  });

  test('of different phases of one agent are fine', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const a = swarm.join({ maxConcurrent: 5 });
    swarm.orchestrate({ phases: [phase('x'), phase('y')] });
    assert.deepEqual([a.next().phase, a.next().phase].sort(), ['x', 'y']);
  });
});
