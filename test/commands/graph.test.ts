/** The picture of a task's graph, as people see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countStates, drawGraph, listPhases, type Look } from '../../src/commands/graph.ts';
import type { PhaseState } from '../../src/spec.types.ts';

type Assignment = PhaseState['assignments'][number];

const look: Look = { width: 160, colours: false, all: false, nameOf: (agentId) => agentId.toUpperCase() };

function phase(name: string, status: PhaseState['status'], more: Partial<PhaseState> = {}): PhaseState {
  return { name, status, reason: null, dependencies: [], assignments: [], ...more };
}

function assignment(agentId: string | null, status: Assignment['status'], more: Partial<Assignment> = {}): Assignment {
  return { assignmentId: 'task_1/a/1', agentId, status, attempt: 1, failures: 0, ...more };
}

const done = (name: string, agentId: string, ...dependencies: string[]): PhaseState =>
  phase(name, 'succeeded', { dependencies, assignments: [assignment(agentId, 'succeeded')] });

const waiting = (name: string, ...dependencies: string[]): PhaseState =>
  phase(name, 'waiting', { dependencies, waitingFor: `waits for phase ${dependencies.join(', ')}` });

const lastError = {
  attempt: 3,
  agentId: 'bob',
  reason: 'exit_code',
  message: 'exit code 65\n\x1b[2Jdisk full',
  details: null,
};

/** 100 phases: 32 branches of three, a start, two joins, an end; one branch has failed. */
const hundred: readonly PhaseState[] = [
  done('plan', 'ann'),
  ...Array.from({ length: 32 }, (_, index) => String(index + 1)).flatMap((n) => {
    const cancelled = { reason: 'depends on parse-7, which failed' };
    if (n !== '7') {
      return [
        done(`fetch-${n}`, 'ann', 'plan'),
        done(`parse-${n}`, Number(n) % 2 === 0 ? 'ann' : 'bob', `fetch-${n}`),
        done(`check-${n}`, 'bob', `parse-${n}`),
      ];
    }
    return [
      done('fetch-7', 'ann', 'plan'),
      phase('parse-7', 'failed', {
        dependencies: ['fetch-7'],
        reason: 'attempts_exhausted',
        assignments: [assignment('bob', 'failed', { attempt: 3, failures: 3, lastError })],
      }),
      phase('check-7', 'cancelled', { dependencies: ['parse-7'], ...cancelled }),
    ];
  }),
  phase('merge-1', 'cancelled', {
    dependencies: Array.from({ length: 16 }, (_, index) => `check-${index + 1}`),
    reason: 'depends on parse-7, which failed',
  }),
  done('merge-2', 'ann', ...Array.from({ length: 16 }, (_, index) => `check-${index + 17}`)),
  phase('publish', 'cancelled', { dependencies: ['merge-1', 'merge-2'], reason: 'depends on parse-7, which failed' }),
];

test('a hundred phases, one of which has failed, fit on a screen: what failed and what that settled stand out', () => {
  assert.equal(hundred.length, 100);
  assert.deepEqual(drawGraph(hundred, look), [
    '✔     plan                    succeeded  ANN',
    '├─┬─╮',
    '✔ │ │ fetch-{1..6,8..16} ×15  succeeded  ANN 15',
    '✔ │ │ parse-{1..6,8..16} ×15  succeeded  ANN 8, BOB 7; each after its own',
    '✔ │ │ check-{1..6,8..16} ×15  succeeded  BOB 15; each after its own',
    '│ ✔ │ fetch-7                 succeeded  ANN',
    '│ ✘ │ parse-7                 failed     attempts_exhausted; BOB: exit_code: exit code 65 [2Jdisk full (3 failures)',
    '│ ⊘ │ check-7                 cancelled  depends on parse-7, which failed',
    '├─╯ │',
    '⊘   │ merge-1                 cancelled  depends on parse-7, which failed',
    '│   ✔ fetch-{17..32} ×16      succeeded  ANN 16',
    '│   ✔ parse-{17..32} ×16      succeeded  BOB 8, ANN 8; each after its own',
    '│   ✔ check-{17..32} ×16      succeeded  BOB 16; each after its own',
    '│   ✔ merge-2                 succeeded  ANN',
    '├───╯',
    '⊘     publish                 cancelled  depends on parse-7, which failed',
  ]);
  assert.equal(countStates(hundred, look), '✔ 96 succeeded   ✘ 1 failed   ⊘ 3 cancelled');
});

const running: readonly PhaseState[] = [
  done('plan', 'ann'),
  phase('build', 'running', {
    dependencies: ['plan'],
    assignments: [
      assignment('ann', 'succeeded', { assignmentId: 'task_1/build/1' }),
      assignment('bob', 'claimed', {
        assignmentId: 'task_1/build/2',
        attempt: 2,
        failures: 1,
        progress: 0.5,
        lastError,
      }),
      assignment(null, 'queued', { assignmentId: 'task_1/build/3', attempt: 0 }),
    ],
    waitingFor: 'all 2 capable agents are busy',
  }),
  phase('lint', 'running', {
    dependencies: ['plan'],
    assignments: [assignment('agent_1_x', 'offered', { attempt: 0 })],
    waitingFor: 'offered to agent agent_1_x until 2026-11-21T16:35:54.697Z',
  }),
  waiting('test-1', 'build'),
  waiting('test-2', 'build'),
  waiting('report', 'test-1', 'test-2', 'lint'),
];

test('while it runs, each says who works on it and what it waits for', () => {
  assert.deepEqual(drawGraph(running, look), [
    '✔   plan           succeeded  ANN',
    '├─╮',
    '▶ │ build          running    1 of 3 assignments succeeded; BOB (attempt 2); all 2 capable agents are busy; failed before: BOB: exit_code: exit code 65 [2Jdisk…',
    '· │ test-{1,2} ×2  waiting    waits for build',
    '│ ○ lint           queued     offered to agent AGENT_1_X until 2026-11-21T16:35:54.697Z',
    '├─╯',
    '·   report         waiting    waits for test-1, test-2, lint',
  ]);
});

test('in a list, each assignment of several has a line', () => {
  assert.deepEqual(listPhases(running, look), [
    '✔ plan    succeeded  ANN',
    '▶ build   running    after plan; 1 of 3 assignments succeeded; BOB (attempt 2); all 2 capable agents are busy; failed before: BOB: exit_code: exit code 65 [2Jd…',
    '    build/1 succeeded ANN',
    '    build/2 claimed BOB attempt 2 progress 0.5 BOB: exit_code: exit code 65 [2Jdisk full',
    '    build/3 queued',
    '○ lint    queued     after plan; offered to agent AGENT_1_X until 2026-11-21T16:35:54.697Z',
    '· test-1  waiting    waits for build',
    '· test-2  waiting    waits for build',
    '· report  waiting    waits for test-1, test-2, lint',
  ]);
});

test('with all, each phase has a line; without room for rails, it says what it comes after', () => {
  const lines = drawGraph(hundred, { ...look, all: true });
  assert.equal(lines.length, 100);
  assert.equal(lines[2], '✔ parse-1   succeeded  after fetch-1; BOB');
  assert.equal(lines[99], '⊘ publish   cancelled  after merge-{1,2}; depends on parse-7, which failed');
});

test('no line is wider than the terminal, and colours go round the words', () => {
  for (const line of drawGraph(hundred, { ...look, width: 60 })) assert.ok(line.length <= 60, line);
  assert.equal(
    drawGraph([done('a', 'ann')], { ...look, colours: true })[0],
    '\x1b[32m✔\x1b[0m \x1b[32ma  succeeded\x1b[0m  ANN',
  );
});
