import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTimeout } from '../../src/worker/timeout.ts';

test('time stands still while anybody has paused it, and goes on where it was', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let at = 0;
  let fired = 0;
  const pass = (ms: number): void => {
    at += ms;
    t.mock.timers.tick(ms);
  };
  const timeout = startTimeout(
    100,
    () => (fired += 1),
    () => at,
  );
  pass(60);
  const resume = timeout.pause();
  pass(1000);
  const resumeOther = timeout.pause();
  resume();
  pass(1000);
  resumeOther();
  pass(39);
  assert.equal(fired, 0);
  pass(1);
  assert.equal(fired, 1);
});

test('one that is cleared never goes off, not even one that was paused', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const timeout = startTimeout(100, () => assert.fail('it went off'));
  const resume = timeout.pause();
  timeout.clear();
  resume();
  t.mock.timers.tick(1000);
});
