/** File reservations through real connections, over a crash, and of agents that vanish. Protocol: section "Files". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, startServer, temporaryFolder, type RawConnection } from '../server-process.ts';

/** A swarm with two agents, each on a connection of its own. */
async function twoAgents(connections: readonly [RawConnection, RawConnection]) {
  const [ann, ben] = connections;
  const { swarmId } = await ann.call('swarm_init');
  const { agentId } = await ann.call('swarm_join', { swarmId, name: 'ann' });
  const other = await ben.call('swarm_join', { swarmId, name: 'ben' });
  return { swarmId, annId: agentId, benId: other.agentId, benToken: other.resumeToken };
}

test('one of many that ask for the same files at once gets them, and the others are told who', async (t) => {
  const server = await startServer(t);
  const connections = await Promise.all(Array.from({ length: 10 }, () => connectRaw(t, server.port)));
  const { swarmId } = await connections[0]!.call('swarm_init');
  const names = await Promise.all(
    connections.map(async (agent, index) => {
      const { agentId } = await agent.call('swarm_join', { swarmId, name: `agent ${index}` });
      return agentId as string;
    }),
  );
  const replies = await Promise.all(
    connections.map((agent) =>
      agent.request('tools/call', { name: 'file_reserve', arguments: { globs: ['src/**'], ttl: 60 } }),
    ),
  );
  const holders = replies.flatMap(({ result }) => (result === undefined ? [] : [result]));
  assert.equal(holders.length, 1);
  const [holder] = holders;
  const holderName = `agent ${names.indexOf(holder.agentId)}`;
  for (const { error } of replies.filter((reply) => reply.error !== undefined)) {
    assert.equal(error!.data.reason, 'file_reserved');
    assert.equal(error!.data.definite, true);
    assert.deepEqual(
      error!.data.conflicts.map(({ name, expiresAt }: any) => [name, expiresAt]),
      [[holderName, holder.expiresAt]],
    );
    assert.ok(error!.message.includes(`${holder.agentId} (${holderName}) has reserved src/**`), error!.message);
  }
});

test('who waits has the files when the holder has left, and not a moment before', async (t) => {
  const server = await startServer(t);
  const [ann, ben] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  const { annId, benId } = await twoAgents([ann, ben]);
  const held = await ann.call('file_reserve', { globs: ['a', 'b'] });
  const waiting = ben.call('file_reserve', { globs: ['b'], waitSeconds: 60 });
  await ann.call('file_release', { reservationId: held.reservationId, globs: ['a'] });
  const { reservations } = await ann.call('agent_status', { agentId: annId });
  assert.deepEqual(
    reservations.map(({ globs, assignmentId }: any) => [globs, assignmentId]),
    [[['b'], null]],
  );
  await ann.call('swarm_leave');
  assert.equal((await waiting).agentId, benId);
});

test('who has waited in vain is refused with the holder', async (t) => {
  const server = await startServer(t);
  const [ann, ben] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  const { annId } = await twoAgents([ann, ben]);
  await ann.call('file_reserve', { globs: ['a'] });
  await assert.rejects(ben.call('file_reserve', { globs: ['*'], waitSeconds: 0.05 }), ({ data }: any) => {
    return data.reason === 'file_reserved' && data.conflicts[0].agentId === annId;
  });
});

test('a ttl that is over frees the files for who waits', async (t) => {
  const server = await startServer(t);
  const [ann, ben] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  const { benId } = await twoAgents([ann, ben]);
  await ann.call('file_reserve', { globs: ['a'], ttl: 0.05 });
  assert.equal((await ben.call('file_reserve', { globs: ['a'], waitSeconds: 60 })).agentId, benId);
});

test('work that fails, and work that is given back, frees the files with the lease', async (t) => {
  const server = await startServer(t);
  const [ann, ben] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  const { swarmId } = await twoAgents([ann, ben]);
  for (const end of ['task_fail', 'task_release', 'task_cancel']) {
    const { taskId } = await ben.call('task_orchestrate', { swarmId, task: { description: end } });
    const { assignment } = await ann.call('task_next', { waitSeconds: 60 });
    const { assignmentId, leaseToken } = assignment;
    const reserved = await ann.call('file_reserve', { globs: ['src/**'], assignmentId, leaseToken });
    assert.equal(reserved.assignmentId, assignmentId);
    const waiting = ben.call('file_reserve', { globs: ['src/a'], waitSeconds: 60 });
    if (end === 'task_cancel') await ben.call(end, { taskId });
    else
      await ann.call(end, { assignmentId, leaseToken, ...(end === 'task_fail' && { reason: 'x', retryable: false }) });
    await waiting;
    await ben.call('file_release');
    if (end === 'task_release') await ben.call('task_cancel', { taskId });
    await assert.rejects(
      ann.call('file_reserve', { globs: ['src/**'], assignmentId, leaseToken }),
      ({ data }: any) => data.reason === 'lease_lost',
    );
  }
});

test('a reservation outlives a crash of the server, and its agent has it when it is back', async (t) => {
  const dataDir = await temporaryFolder();
  const first = await startServer(t, { dataDir });
  const before = [await connectRaw(t, first.port), await connectRaw(t, first.port)] as const;
  const { swarmId, benId, benToken } = await twoAgents(before);
  const reserved = await before[1].call('file_reserve', { globs: ['docs/**'] });
  first.kill('SIGKILL');
  await first.ended;

  const second = await startServer(t, { dataDir });
  const [ben, carl] = [await connectRaw(t, second.port), await connectRaw(t, second.port)];
  await carl.call('swarm_join', { swarmId, name: 'carl' });
  await assert.rejects(carl.call('file_reserve', { globs: ['docs/x'] }), ({ data }: any) => {
    return data.conflicts[0].reservationId === reserved.reservationId && data.conflicts[0].agentId === benId;
  });
  await ben.call('swarm_join', { token: benToken });
  const { released } = await ben.call('file_release');
  assert.deepEqual(released, [{ reservationId: reserved.reservationId, globs: ['docs/**'] }]);
  await carl.call('file_reserve', { globs: ['docs/x'] });
});

test('an assignment without its lease token is not taken for granted', async (t) => {
  const server = await startServer(t);
  const [ann, ben] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  await twoAgents([ann, ben]);
  for (const wrong of [{ globs: ['a'], assignmentId: 'task_1/work/1' }, { globs: [] }, { globs: ['a'], ttl: 0 }, {}]) {
    await assert.rejects(ann.call('file_reserve', wrong), ({ code, data }: any) => {
      return code === -32602 && data.reason === 'invalid_arguments';
    });
  }
});
