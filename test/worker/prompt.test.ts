import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../../src/worker/job.ts';
import { renderPrompt, stdinText } from '../../src/worker/prompt.ts';

const job: Job = {
  assignmentId: 'assignment_1',
  taskId: 'task_1',
  swarmId: 'swarm_1',
  agentId: 'agent_1',
  phase: 'judge',
  role: 'worker',
  attempt: 2,
  description: 'Is this fit to release?\n',
  input: { folder: '/src', deep: true },
  dependencies: { lint: 'no findings\n', test: { passed: 12, failed: [] } },
  timeoutMs: 1000,
};

test('the prompt: description, input, results', () => {
  assert.equal(
    renderPrompt(job),
    `Is this fit to release?

--- Input ---
{
  "folder": "/src",
  "deep": true
}

--- Result of phase "lint" ---
no findings

--- Result of phase "test" ---
{
  "passed": 12,
  "failed": []
}
`,
  );
});

test('what there is none of is left out', () => {
  const { input: _, ...bare } = { ...job, dependencies: {} };
  assert.equal(renderPrompt(bare), 'Is this fit to release?\n');
  assert.equal(renderPrompt({ ...bare, input: null }), 'Is this fit to release?\n');
  assert.equal(stdinText('input', bare), '');
});

test('the input as it is: a string raw, anything else as JSON', () => {
  assert.equal(stdinText('input', { ...job, input: ' "raw"\n' }), ' "raw"\n');
  assert.equal(stdinText('input', { ...job, input: '' }), '');
  assert.equal(stdinText('input', { ...job, input: ['a', 1, null] }), '["a",1,null]');
  assert.equal(stdinText('input', { ...job, input: null }), 'null');
  assert.equal(stdinText('input', { ...job, item: 'part' }), 'part', 'where there are items, the part that is meant');
  assert.match(renderPrompt({ ...job, item: ['part'] }), /--- Item ---\n\[\n  "part"\n\]/);
});

test('the whole assignment, or nothing', () => {
  assert.deepEqual(JSON.parse(stdinText('json', job)), job);
  assert.equal(stdinText('prompt', job), renderPrompt(job));
  assert.equal(stdinText('none', job), '');
});
