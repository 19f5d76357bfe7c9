/** Resources that are watched for subscriptions: each once, and no longer than it is wanted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listed, Watching, type Watched } from '../../src/dialects/mcp/watching.ts';

const status = 'skein://swarm_1/status';
const task = 'skein://swarm_1/tasks/task_1';

/** What is watched at the moment, and who would hear of it. */
function watching(most = 10) {
  const watched = new Map<string, () => void>();
  const told: Watched[] = [];
  const subscriptions = new Watching(
    (swarmId, taskId, onChange) => {
      if (swarmId === 'swarm_none') return { refused: 'swarm_not_found', message: 'there is none' };
      const name = `${swarmId} ${taskId}`;
      assert.ok(!watched.has(name), `${name} is watched twice`);
      watched.set(name, onChange);
      return () => assert.ok(watched.delete(name));
    },
    (onChange) => {
      assert.ok(!watched.has('the list'), 'the list is watched twice');
      watched.set('the list', onChange);
      return () => assert.ok(watched.delete('the list'));
    },
    most,
    (what) => told.push(what),
  );
  return { watched, told, subscriptions };
}

test('what several subscriptions have is watched once, until the last of them ends', () => {
  const { watched, told, subscriptions } = watching();
  assert.equal(subscriptions.open(1, [status, task, status]), null);
  assert.equal(subscriptions.open('1', [task]), null);
  assert.deepEqual([...watched.keys()], ['swarm_1 null', 'swarm_1 task_1']);
  watched.get('swarm_1 task_1')!();
  assert.deepEqual(told, [task]);
  subscriptions.close(1);
  assert.deepEqual([...watched.keys()], ['swarm_1 task_1']);
  subscriptions.close(1);
  subscriptions.close('1');
  assert.equal(watched.size, 0);
});

test('the list is watched as what is in it', () => {
  const { watched, told, subscriptions } = watching(2);
  assert.equal(subscriptions.open(listed, [listed]), null);
  assert.equal(subscriptions.open(1, [status, listed]), null);
  assert.deepEqual(subscriptions.subscriptions, [listed, 1]);
  subscriptions.close(listed);
  watched.get('the list')!();
  assert.deepEqual(told, [listed]);
  subscriptions.close(1);
  assert.equal(watched.size, 0);
});

test('a subscription of the same name takes the place of the one before', () => {
  const { watched, subscriptions } = watching();
  subscriptions.open(1, [status]);
  subscriptions.open(1, [task]);
  assert.deepEqual([...watched.keys()], ['swarm_1 task_1']);
  subscriptions.closeAll();
  assert.equal(watched.size, 0);
});

for (const [what, uris, reason] of [
  ['a swarm that there is not', [status, 'skein://swarm_none/status'], 'swarm_not_found'],
  ['a value of the memory bank', [task, 'skein://swarm_1/memory/key'], 'invalid_arguments'],
  ['what is no resource', [task, 'https://example.com'], 'invalid_arguments'],
  ['more than it may', [status, task, 'skein://swarm_1/tasks/task_2'], 'wait_limit'],
] as const) {
  test(`of ${what} nothing is watched`, () => {
    const { watched, subscriptions } = watching(2);
    assert.equal(subscriptions.open(1, uris)?.refused, reason);
    assert.equal(watched.size, 0);
    assert.equal(subscriptions.open(2, [status, task]), null);
  });
}
