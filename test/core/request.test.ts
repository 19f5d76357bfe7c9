import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { joining, SwarmUnderTest, taskRequest } from './swarm-under-test.ts';

describe('a request id', () => {
  test('gives the same answer and one effect', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const first = swarm.orchestrate({ description: 'once' }, 'r1');
    swarm.join().next();
    assert.deepEqual(swarm.orchestrate({ description: 'once' }, 'r1'), first);
    assert.equal(swarm.state.tasks.size, 1);
  });

  test('used for something else is refused', () => {
    const swarm = SwarmUnderTest.withSwarm();
    swarm.orchestrate({ description: 'once' }, 'r1');
    const other = swarm.refusal({
      type: 'task_orchestrate',
      task: taskRequest({ description: 'other' }),
      requestId: 'r1',
    });
    assert.equal(other.refused, 'request_id_reused');
    assert.equal(swarm.refusal({ type: 'swarm_destroy', requestId: 'r1' }).refused, 'request_id_reused');
  });

  test('of a refused request is free: nothing happened', () => {
    const swarm = SwarmUnderTest.withSwarm({ maxAgents: 1 });
    const worker = swarm.join();
    const spawn = { ...joining(), requestId: 'r' };
    assert.equal(swarm.refusal(spawn).refused, 'swarm_full');
    swarm.ask({ type: 'swarm_leave', actor: worker.actor, reason: null });
    swarm.ask(spawn);
  });

  test('gives a claim again while it lasts, and says so when it is over', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    swarm.orchestrate({ input: 'big' });
    const next = { type: 'task_next', actor: worker.actor, requestId: 'n1' } as const;
    const claim = swarm.ask(next).assignment;
    assert.deepEqual(swarm.ask(next).assignment, claim);
    worker.complete(claim);
    assert.equal(swarm.refusal(next).refused, 'lease_lost');
  });

  test('of an empty answer is not remembered: asking again may find something', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const worker = swarm.join();
    const next = { type: 'task_next', actor: worker.actor, requestId: 'n1' } as const;
    assert.equal(swarm.ask(next).assignment, null);
    swarm.orchestrate();
    assert.notEqual(swarm.ask(next).assignment, null);
  });

  test('of a join whose reply was lost lets the next connection take its place', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const join = { ...joining({ name: 'x' }), requestId: 'j' };
    const first = swarm.ask(join);
    swarm.ask({ type: 'worker_lost', actor: first, reason: 'connection closed' });
    const second = swarm.ask(join);
    assert.deepEqual([second.agentId, second.joins], [first.agentId, 2]);
    assert.equal(swarm.state.agents.size, 1);
  });

  test('is that of one agent: another one with the same id asks for something else', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const [ann, bob] = [swarm.join(), swarm.join()];
    swarm.orchestrate();
    const next = (worker: typeof ann) => ({ type: 'task_next', actor: worker.actor, requestId: '1' }) as const;
    assert.notEqual(swarm.ask(next(ann)).assignment, null);
    assert.equal(swarm.refusal(next(bob)).refused, 'request_id_reused');
  });

  test('is forgotten after a while', () => {
    const swarm = SwarmUnderTest.withSwarm();
    swarm.orchestrate({}, 'r1');
    swarm.pass(swarm.limits.requestIdMs + 1);
    swarm.orchestrate({}, 'r2');
    assert.deepEqual([...swarm.state.requests.keys()], ['r2']);
    swarm.orchestrate({}, 'r1');
    assert.equal(swarm.state.tasks.size, 3);
  });

  test('is kept once, also when clocks differ and it is used again before it is forgotten', () => {
    const swarm = SwarmUnderTest.withSwarm();
    const { requestIdMs } = swarm.limits;
    swarm.now += 5000;
    swarm.orchestrate({}, 'by a clock that is ahead');
    swarm.now -= 5000;
    swarm.orchestrate({}, 'r1');
    swarm.now += requestIdMs + 1;
    swarm.orchestrate({}, 'r1');
    assert.deepEqual([...swarm.state.answeredRequests], ['by a clock that is ahead', 'r1']);
    swarm.now += 2 * requestIdMs;
    swarm.orchestrate({}, 'r2');
    assert.deepEqual([...swarm.state.answeredRequests], ['r2']);
  });
});
