/** `skein task ID` against a real server, whose agents really fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli } from '../examples/run-cli.ts';
import { connectRaw, startServer } from '../server-process.ts';

/** start -> a1..a5 -> b1..b5 -> join -> end, where b3 fails; `side` is waited for by nobody but `end`. */
const branches = [1, 2, 3, 4, 5];
const phases = [
  { name: 'start' },
  ...branches.flatMap((n) => [
    { name: `a${n}`, dependencies: ['start'] },
    { name: `b${n}`, dependencies: [`a${n}`], ...(n === 3 && { requiredCapabilities: ['rare'] }) },
  ]),
  { name: 'join', dependencies: branches.map((n) => `b${n}`) },
  { name: 'side', dependencies: ['start'], parallelism: 2, resultAggregation: 'all' },
  { name: 'end', dependencies: ['join', 'side'] },
];

test('the graph of a task is drawn while it runs and when it has ended, and can be listed', async (t) => {
  const server = await startServer(t);
  const [ann, bob] = [await connectRaw(t, server.port), await connectRaw(t, server.port)];
  const { swarmId } = await ann.call('swarm_init');
  await ann.call('swarm_join', { swarmId, name: 'ann' });
  await bob.call('swarm_join', { swarmId, name: 'bob' });
  const { taskId } = await ann.call('task_orchestrate', { swarmId, task: { description: 'Two\nlines', phases } });
  const graph = async (...more: string[]): Promise<string[]> => {
    const { exitCode, stdout, stderr } = await runCli(t, server, 'task', taskId, ...more);
    assert.equal(exitCode, 0, stderr);
    return stdout.split('\n').slice(0, -1);
  };

  // Both work until nothing is left for them: b3 waits for somebody who can do it.
  for (let idle = 0; idle < 2;) {
    idle = 0;
    for (const worker of [ann, bob]) {
      const { assignment } = await worker.call('task_next', { waitSeconds: 0 });
      if (assignment === null) idle += 1;
      else {
        const { assignmentId, leaseToken } = assignment;
        await worker.call('task_complete', { assignmentId, leaseToken, result: assignmentId });
      }
    }
  }
  const open = await graph('--graph');
  assert.deepEqual(open.slice(0, 2), [`${taskId}  running`, '  Two lines']);
  assert.match(open[2]!, /^ {2}11 of 14 phases settled; accepted .*, started after .* s, deadline /);
  const shape = (lines: readonly string[]): string[] =>
    lines.slice(4).map((line) => line.replace(/(; | {2})(ann|bob).*/, ''));
  assert.deepEqual(shape(open), [
    '✔     start          succeeded',
    '├─┬─╮',
    '✔ │ │ a{1,2,4,5} ×4  succeeded',
    '✔ │ │ b{1,2,4,5} ×4  succeeded',
    '│ ✔ │ a3             succeeded',
    '│ ○ │ b3             queued     no agent has capability rare: spawn one with agent_spawn, or join with swarm_join',
    '├─╯ │',
    '·   │ join           waiting    waits for b3',
    '│   ✔ side           succeeded  2 of 2 assignments succeeded',
    '├───╯',
    '·     end            waiting    waits for join',
    '',
    '✔ 11 succeeded   ○ 1 queued   · 2 waiting',
  ]);

  const cleo = await connectRaw(t, server.port);
  await cleo.call('swarm_join', { swarmId, name: 'cleo', capabilities: ['rare'] });
  const { assignment } = await cleo.call('task_next', { waitSeconds: 60 });
  const { assignmentId, leaseToken } = assignment;
  const failure = { reason: 'exit_code', message: 'exit code 65\nno such file', retryable: false };
  await cleo.call('task_fail', { assignmentId, leaseToken, ...failure });

  const ended = await graph('--graph', '--watch');
  assert.equal(ended[0], `${taskId}  failed: phase b3 failed`);
  assert.deepEqual(shape(ended).slice(5, 11), [
    '│ ✘ │ b3             failed     attempts_exhausted; cleo: exit_code: exit code 65 no such file',
    '├─╯ │',
    '⊘   │ join           cancelled  depends on b3, which failed',
    '│   ✔ side           succeeded  2 of 2 assignments succeeded',
    '├───╯',
    '⊘     end            cancelled  depends on b3, which failed',
  ]);

  const listed = await graph();
  assert.ok(listed.includes('⊘ join   cancelled  after b{1..5}; depends on b3, which failed'), listed.join('\n'));
  assert.ok(listed.includes('    side/1 succeeded ann') || listed.includes('    side/1 succeeded bob'));
  assert.equal(JSON.parse((await graph('--json')).join('')).status, 'failed');
});

test('a task that there is not is an error, in a line', async (t) => {
  const server = await startServer(t);
  const bob = await connectRaw(t, server.port);
  await bob.call('swarm_init');
  const { exitCode, stderr } = await runCli(t, server, 'task', 'task_1', '--graph');
  assert.equal(exitCode, 1);
  assert.match(stderr, /^skein: task_not_found: swarm \S+ has no task task_1: /);
});
