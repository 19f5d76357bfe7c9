/** A claim whose reply cannot be written down was never made known, so it is given back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw } from '../server-process.ts';
import { listenInProcess } from './in-process.ts';

test('a claim whose reply cannot be encoded is given back at once', async (t) => {
  const reported: unknown[] = [];
  const assignment = {
    assignmentId: 'task_1/work/1',
    taskId: 'task_1',
    leaseToken: 'lease',
    toJSON: () => assert.fail('longer than a text may be'),
  };
  const answers: Readonly<Record<string, object>> = {
    swarm_join: { agentId: 'agent_1', joins: 1, held: [] },
    task_next: { assignment, pending: { messages: 0, cancel: [] } },
  };
  const coordinator = {
    swarmOf: () => 'swarm_1',
    submit: async (_swarmId: string, { type }: { type: string }) => answers[type],
    report: (...report: unknown[]) => reported.push(report),
    workerLost: () => {},
  };
  const server = await listenInProcess(t, {}, { coordinator });
  const connection = await connectRaw(t, server.port);
  await connection.call('swarm_join', { swarmId: 'swarm_1' });
  const { error } = await connection.request('tools/call', { name: 'task_next', arguments: { waitSeconds: 0 } });
  assert.equal(error?.code, -32603);
  assert.deepEqual(reported, [
    ['swarm_1', { type: 'claim_undelivered', assignmentId: 'task_1/work/1', leaseToken: 'lease' }],
  ]);
});
