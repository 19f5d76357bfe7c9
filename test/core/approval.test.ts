/** What the scenarios of approvals do not tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../../src/core/limits.ts';
import { restore, snapshot } from '../../src/core/snapshot.ts';
import { SwarmUnderTest, type Worker } from './swarm-under-test.ts';

function asking(worker: Worker, input = {}, requestId?: string): any {
  return worker.swarm.ask({
    type: 'approve',
    actor: worker.actor,
    assignmentId: null,
    tool: 'Bash',
    input,
    toolUseId: null,
    ...(requestId !== undefined && { requestId }),
  });
}

const deciding = { type: 'approval_decide', behavior: 'allow', message: null, updatedInput: null } as const;

test('a snapshot of a release without approvals has none', () => {
  const swarm = SwarmUnderTest.withSwarm();
  asking(swarm.join());
  const { approvals, ...before } = JSON.parse(snapshot(swarm.state)) as { approvals: object[] };
  assert.equal(approvals.length, 1);
  const state = restore(JSON.stringify(before), defaultLimits);
  assert.equal(state.approvals.size, 0);
  assert.equal(state.indexes.waitingApprovals.size, 0);
});

test('asked again with its requestId, it is the same approval, also once it is answered', () => {
  const swarm = SwarmUnderTest.withSwarm();
  const worker = swarm.join();
  const { approvalId } = asking(worker, {}, 'r1');
  swarm.ask({ ...deciding, approvalId });
  assert.equal(asking(worker, {}, 'r1').approvalId, approvalId);
  assert.notEqual(asking(worker, {}, 'r2').approvalId, approvalId);
});

test('a long input is kept by its beginning, and two that begin alike are two', () => {
  const swarm = SwarmUnderTest.withSwarm();
  const worker = swarm.join();
  const ids = ['a', 'b', 'a'].map((end) => asking(worker, { content: 'x'.repeat(1_000_000) + end }).approvalId);
  assert.equal(ids[0], ids[2]);
  assert.notEqual(ids[0], ids[1]);
  assert.ok(snapshot(swarm.state).length < 50_000);
  const { approvals } = swarm.ask({ type: 'swarm_status', topology: false, performance: false });
  assert.equal(approvals[0].input.characters, 1_000_015);
});

test('what people are to use instead has an end, too; what is answered keeps its input no longer', () => {
  const swarm = SwarmUnderTest.withSwarm();
  const { approvalId } = asking(swarm.join(), { command: 'ls' });
  const updatedInput = { command: 'x'.repeat(20_000) };
  assert.equal(swarm.refusal({ ...deciding, approvalId, updatedInput }).refused, 'invalid_arguments');
  swarm.ask({ ...deciding, approvalId });
  assert.equal(swarm.state.approvals.get(approvalId)!.input, null);
});
