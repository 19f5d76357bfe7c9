/** Sessions as agents: they come back by themselves, and what they answer for happens once. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import {
  connect,
  SkeinError,
  type AgentSession,
  type Client,
  type ClientOptions,
  type Held,
  type TaskNextResult,
} from '../../src/client/client.ts';
import { freePort } from '../ports.ts';
import { startServer, type ServerProcess } from '../server-process.ts';
import { startProxy, toolsOf, type Proxy } from './proxy.ts';

interface Scene {
  readonly skein: Client;
  readonly proxy: Proxy;
  readonly swarmId: string;
  readonly session: AgentSession;
  /** What each return of the agent found it to hold. */
  readonly returns: (readonly Held[])[];
  /** Submits a task for the agent. */
  submit(): Promise<string>;
  ended(taskId: string): Promise<unknown>;
}

/** An agent behind a proxy, and somebody else who is not. */
async function scene(t: TestContext, server: ServerProcess, options: ClientOptions = {}): Promise<Scene> {
  const patient: ClientOptions = { host: '127.0.0.1', poolMin: 0, retryAttempts: 12, retryDelayMs: 10, ...options };
  const proxy = await startProxy(t, server.port);
  const skein = connect({ ...patient, port: server.port });
  const worker = connect({ ...patient, port: proxy.port });
  t.after(() => Promise.all([skein.close(), worker.close()]));
  const { swarmId } = await skein.call('swarm_init');
  const session = await worker.join({ swarmId, capabilities: ['work'] });
  const returns: (readonly Held[])[] = [];
  session.onRejoin((held) => returns.push(held));
  return {
    skein,
    proxy,
    swarmId,
    session,
    returns,
    submit: async () =>
      (await skein.call('task_orchestrate', { swarmId, task: { description: 'work', requiredCapabilities: ['work'] } }))
        .taskId,
    ended: async (taskId) => (await skein.call('task_wait', { swarmId, taskId, waitSeconds: 60 })).result,
  };
}

type Work = NonNullable<TaskNextResult['assignment']>;

async function claim(session: AgentSession): Promise<Work> {
  const { assignment } = await session.next({ waitSeconds: 60 });
  assert.ok(assignment !== null);
  return assignment;
}

const answerTo = ({ assignmentId, leaseToken }: Work, result: object) => ({
  assignmentId,
  leaseToken,
  result,
});

async function failure(promise: Promise<unknown>): Promise<SkeinError> {
  const error = await promise.then(
    (result) => assert.fail(`it succeeded with ${JSON.stringify(result)}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SkeinError, String(error));
  return error;
}

async function typesOf(skein: Client, swarmId: string): Promise<string[]> {
  const { version } = await skein.call('swarm_status', { swarmId });
  const types: string[] = [];
  for await (const event of skein.subscribe(swarmId, { from: 0 })) {
    types.push(event.type);
    if (event.version === version) break;
  }
  return types;
}

test('sessions as agents', async (suite) => {
  const server = await startServer(suite);

  await suite.test('claims work, says how it goes, and answers', async (t) => {
    const { session, skein, submit, ended } = await scene(t, server);
    const taskId = await submit();
    const work = await claim(session);
    assert.equal(work.taskId, taskId);
    const { assignmentId, leaseToken } = work;
    await session.update({ assignmentId, leaseToken, progress: { percent: 50 } });
    await session.complete(answerTo(work, { sum: 3 }));
    assert.deepEqual(await ended(taskId), { sum: 3 });

    const { agentId } = session;
    await skein.call('agent_message', { agentId, message: { hello: 1 } });
    const { messages, cursor } = await session.messages();
    assert.deepEqual(
      messages.map(({ message }) => message),
      [{ hello: 1 }],
    );
    assert.equal((await session.acknowledge(cursor)).pending.messages, 0);
  });

  await suite.test('gives back and fails', async (t) => {
    const { session, submit } = await scene(t, server);
    await submit();
    const { assignmentId, leaseToken } = await claim(session);
    assert.equal((await session.release({ assignmentId, leaseToken })).status, 'queued');
    const again = await claim(session);
    const failed = await session.fail({ ...pick(again), reason: 'exit_code', retryable: false });
    assert.equal(failed.taskStatus, 'failed');
  });

  await suite.test('leaves, and the session is over', async (t) => {
    const { session, skein, swarmId, proxy } = await scene(t, server);
    assert.equal((await session.leave({ reason: 'enough' })).status, 'stopped');
    assert.equal(session.signal.aborted, true);
    assert.equal((await failure(session.next())).reason, 'closed');
    const { agents } = await skein.call('agent_list', { swarmId });
    assert.equal(agents[0]?.reason, 'enough');
    await proxy.until(() => proxy.standing === 0);
  });

  await suite.test('comes back with what it held before anything else is sent, and goes on', async (t) => {
    const { session, proxy, returns, submit, ended, skein, swarmId } = await scene(t, server);
    const taskId = await submit();
    const work = await claim(session);
    const before = proxy.requests.length;
    proxy.cut();
    await session.update({ ...pick(work), progress: { percent: 50 } });
    assert.deepEqual(returns, [[{ ...pick(work), attempt: 1 }]]);
    assert.equal(toolsOf(proxy)[before], 'swarm_join');
    assert.equal(proxy.requests[before]!.params.arguments?.['token'], session.joined.resumeToken);
    await session.complete(answerTo(work, { sum: 3 }));
    assert.deepEqual(await ended(taskId), { sum: 3 });
    const types = await typesOf(skein, swarmId);
    assert.ok(types.includes('agent_offline'));
    assert.ok(!types.includes('attempt_failed'));
  });

  await suite.test('comes back without being asked', async (t) => {
    const { session, proxy } = await scene(t, server);
    const back = new Promise<readonly Held[]>((resolve) => session.onRejoin(resolve));
    proxy.cut();
    assert.deepEqual(await back, []);
    assert.equal(session.joined.joins, 2);
  });

  await suite.test('calls wait while there is no way back, however often it is tried', async (t) => {
    const { session, proxy, submit, ended } = await scene(t, server, { retryAttempts: 1, retryDelayMs: 1 });
    const taskId = await submit();
    const work = await claim(session);
    const before = proxy.made;
    proxy.refusing = true;
    proxy.cut();
    const completed = session.complete(answerTo(work, { sum: 3 }));
    await Promise.race([completed, proxy.until(() => proxy.made >= before + 6)]);
    proxy.refusing = false;
    assert.equal((await completed).status, 'succeeded');
    assert.deepEqual(await ended(taskId), { sum: 3 });
  });

  await suite.test('an answer whose reply is lost is given once, and the same reply comes', async (t) => {
    const { session, proxy, submit, skein, swarmId } = await scene(t, server);
    await submit();
    const work = await claim(session);
    let times = 0;
    proxy.fate = ({ params }) => (params.name === 'task_complete' && times++ === 0 ? 'lose_reply' : 'pass');
    const answered = await session.complete(answerTo(work, { sum: 3 }));
    assert.equal(answered.status, 'succeeded');
    assert.equal(answered.taskStatus, 'completed');
    assert.equal(toolsOf(proxy).filter((tool) => tool === 'task_complete').length, 2);
    const types = await typesOf(skein, swarmId);
    assert.equal(types.filter((type) => type === 'attempt_succeeded').length, 1);
  });

  await suite.test('a claim whose reply is lost is not lost', async (t) => {
    const { session, proxy, submit, returns } = await scene(t, server);
    let times = 0;
    proxy.fate = ({ params }) => (params.name === 'task_next' && times++ === 0 ? 'lose_reply' : 'pass');
    await submit();
    const work = await claim(session);
    assert.deepEqual(returns, [[{ ...pick(work), attempt: work.attempt }]]);
    await session.complete(answerTo(work, {}));
  });

  await suite.test('what a worker gives back on its return goes before the calls that wait', async (t) => {
    const { session, proxy, submit } = await scene(t, server, { retryDelayMs: 1 });
    let times = 0;
    proxy.fate = ({ params }) => {
      if (params.name !== 'task_next' || times++ > 0) return 'pass';
      proxy.refusing = true;
      return 'lose_reply';
    };
    const given: Promise<unknown>[] = [];
    session.onRejoin((held) => {
      for (const { assignmentId, leaseToken } of held) given.push(session.release({ assignmentId, leaseToken }));
    });
    await submit();
    const before = proxy.made;
    const claimed = claim(session);
    // The claim's call is tried again, and waits for the connection with the rest.
    await proxy.until(() => proxy.made >= before + 6);
    proxy.refusing = false;
    const work = await claimed;
    assert.equal(work.attempt, 2);
    assert.equal(given.length, 1);
    await Promise.all(given);
    await session.complete(answerTo(work, {}));
  });

  await suite.test('a first join whose reply is lost makes one agent', async (t) => {
    const { skein, swarmId } = await scene(t, server);
    const proxy = await startProxy(t, server.port);
    const worker = connect({ host: '127.0.0.1', port: proxy.port, poolMin: 0, retryDelayMs: 1 });
    t.after(() => worker.close());
    let times = 0;
    proxy.fate = () => (times++ === 0 ? 'lose_reply' : 'pass');
    const session = await worker.join({ swarmId, name: 'second' });
    assert.equal(toolsOf(proxy).length, 2);
    const { agents } = await skein.call('agent_list', { swarmId });
    assert.deepEqual(
      agents.filter(({ name }) => name === 'second').map(({ id }) => id),
      [session.agentId],
    );
  });

  await suite.test('takes the place of an agent that was spawned', async (t) => {
    const { skein, swarmId } = await scene(t, server);
    const { agentId, joinToken } = await skein.call('agent_spawn', { swarmId, agentType: 'someone' });
    const session = await skein.join({ swarmId, token: joinToken! });
    assert.equal(session.agentId, agentId);
    const refused = await failure(skein.join({ swarmId, token: joinToken! }));
    assert.equal(refused.reason, 'join_token_invalid');
    assert.equal(refused.definite, true);
  });

  await suite.test('is over when the agent is stopped by somebody else', async (t) => {
    const { session, skein, swarmId, proxy } = await scene(t, server);
    const next = failure(session.next({ waitSeconds: 60 }));
    await proxy.until(() => toolsOf(proxy).includes('task_next'));
    await skein.call('agent_stop', { swarmId, agentId: session.agentId });
    assert.equal((await next).reason, 'agent_closed');
    assert.equal((session.signal.reason as SkeinError).reason, 'agent_closed');
  });

  await suite.test('is over when it may not come back', async (t) => {
    const { session, skein, swarmId, proxy } = await scene(t, server);
    proxy.refusing = true;
    proxy.cut();
    await skein.call('agent_stop', { swarmId, agentId: session.agentId });
    const next = failure(session.next());
    proxy.refusing = false;
    assert.equal((await next).reason, 'join_token_invalid');
    assert.equal((session.signal.reason as SkeinError).reason, 'join_token_invalid');
  });

  await suite.test('is over when another connection has become the agent', async (t) => {
    const { session, skein, swarmId } = await scene(t, server);
    const other = await skein.join({ swarmId, token: session.joined.resumeToken });
    assert.equal(other.agentId, session.agentId);
    assert.equal((await failure(session.next())).reason, 'not_joined');
    assert.equal(session.signal.aborted, true);
    assert.equal((await other.next({ waitSeconds: 0 })).assignment, null);
  });

  await suite.test('a message to an agent that is gone ends no session', async (t) => {
    const { session, skein, swarmId } = await scene(t, server);
    const other = await skein.join({ swarmId });
    await other.leave();
    const refused = await failure(session.call('agent_message', { agentId: other.agentId, message: { a: 1 } }));
    assert.equal(refused.reason, 'agent_closed');
    assert.equal(session.signal.aborted, false);
  });

  await suite.test('work that comes after nobody waits for it any more is given back', async (t) => {
    const { session, proxy, submit, skein, swarmId } = await scene(t, server);
    const stop = new AbortController();
    const next = failure(session.next({ waitSeconds: 60, signal: stop.signal }));
    await proxy.until(() => toolsOf(proxy).includes('task_next'));
    stop.abort();
    assert.equal((await next).reason, 'aborted');
    await submit();
    await proxy.until(() => toolsOf(proxy).includes('task_release'));
    const work = await claim(session);
    assert.equal(work.attempt, 2);
    assert.ok(!(await typesOf(skein, swarmId)).includes('attempt_failed'));
  });
});

test('kill -9 of the coordinator: the agent comes back and finishes what it holds', async (t) => {
  const server = await startServer(t, { port: await freePort() });
  const { session, skein, submit, ended, swarmId } = await scene(t, server, { retryAttempts: 12, retryDelayMs: 20 });
  const taskId = await submit();
  const work = await claim(session);
  server.kill('SIGKILL');
  await server.ended;
  const completed = session.complete(answerTo(work, { sum: 3 }));
  await startServer(t, { port: server.port, dataDir: server.dataDir });
  assert.equal((await completed).status, 'succeeded');
  assert.deepEqual(await ended(taskId), { sum: 3 });
  const types = await typesOf(skein, swarmId);
  assert.equal(types.filter((type) => type === 'attempt_succeeded').length, 1);
  assert.ok(!types.includes('attempt_failed'));
});

test('an agent that cannot come back in its grace is over', async (t) => {
  const server = await startServer(t, { env: { MCP_GRACE: '1' } });
  const { session, proxy } = await scene(t, server);
  assert.equal(session.joined.graceSeconds, 1);
  await proxy.close();
  const next = failure(session.next());
  if (!session.signal.aborted) await once(session.signal, 'abort');
  const reason = session.signal.reason as SkeinError;
  assert.equal(reason.reason, 'grace_over');
  assert.equal((reason.cause as SkeinError).reason, 'connect_failed');
  assert.equal((await next).reason, 'grace_over');
});

function pick({ assignmentId, leaseToken }: Work): { assignmentId: string; leaseToken: string } {
  return { assignmentId, leaseToken };
}
