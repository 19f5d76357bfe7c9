/** examples/pipeline: three phases, each of which works on the output of the one before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { example, runTask, startExample } from './run-cli.ts';

test('each phase works on the output of the one before', async (t) => {
  const server = await startExample(t, 'pipeline/skein.yaml');
  const task = await runTask(t, server, example('pipeline/task.yaml'), '--input', 'to be, or not to be: To be');
  const resultOf = new Map(task.results?.map(({ phase, result }) => [phase, result]));
  assert.equal(resultOf.get('split'), 'to\nbe\nor\nnot\nto\nbe\nTo\nbe');
  assert.equal(resultOf.get('sort'), 'be\nbe\nbe\nnot\nor\nTo\nto\nto');
  assert.deepEqual(
    String(task.result)
      .split('\n')
      .map((line) => line.trim()),
    ['3 be', '1 not', '1 or', '3 To'],
  );
});
