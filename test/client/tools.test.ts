/** What a call is on its way: its key, whether it may be repeated, how long it waits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toolCall } from '../../src/client/tools.ts';
import { tools, validate } from '../../src/spec.ts';

const toCall = [...tools.values()].filter(({ name }) => name !== 'swarm_join');

test('every tool may be repeated: it reads, or carries a key', () => {
  for (const { name, annotations } of toCall) {
    const call = toolCall(name, {});
    const key = (call.params().arguments as { requestId?: string }).requestId;
    assert.equal(call.repeatable, true, name);
    assert.equal(key === undefined, annotations.readOnlyHint, name);
  }
});

test('the arguments of every example stay valid with what is added', () => {
  for (const { name, input, examples } of toCall) {
    for (const example of examples) {
      const call = toolCall(name, example.arguments);
      assert.equal(validate(input, call.params().arguments), null, name);
      assert.equal(validate(input, call.params().arguments), null, `${name}, repeated`);
    }
  }
});

test('a repeated call has the same key, another call has another', () => {
  const call = toolCall('task_orchestrate', { task: 'a' });
  assert.deepEqual(call.params(), call.params());
  assert.notDeepEqual(call.params(), toolCall('task_orchestrate', { task: 'a' }).params());
});

test('a call that waits has its wait on top of its time, and goes on waiting where it was', () => {
  const call = toolCall('task_wait', { taskId: 't', waitSeconds: 500 });
  assert.equal(call.waitMs, 500_000);
  assert.deepEqual(call.params().arguments, { taskId: 't', waitSeconds: 500 });
  const { waitSeconds } = call.params().arguments as { waitSeconds: number };
  assert.ok(waitSeconds < 500 && waitSeconds > 0);
  assert.equal(toolCall('task_wait', { taskId: 't' }).waitMs, 30_000);
  assert.equal(toolCall('task_status', { taskId: 't' }).waitMs, 0);
});

test('a tool that this release does not know is sent as it is, and not repeated', () => {
  const call = toolCall('tool_of_the_future', { a: 1 });
  assert.equal(call.repeatable, false);
  assert.deepEqual(call.params(), { name: 'tool_of_the_future', arguments: { a: 1 } });
});
