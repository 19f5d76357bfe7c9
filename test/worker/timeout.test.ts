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

test('what was waited for people is added when the time is over, and nothing else is', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let fired = 0;
  let waited = 0;
  let asked = 0;
  const askedAgain = async (): Promise<number> => {
    asked += 1;
    return waited;
  };
  startTimeout(5_000, () => (fired += 1), undefined, askedAgain);
  const pass = async (ms: number): Promise<readonly number[]> => {
    t.mock.timers.tick(ms);
    await new Promise(setImmediate);
    return [asked, fired];
  };
  waited = 4_000;
  assert.deepEqual(await pass(5_000), [1, 0]);
  waited = 4_100;
  assert.deepEqual(await pass(4_000), [2, 0]);
  assert.deepEqual(await pass(999), [2, 0], 'it does not ask again and again');
  assert.deepEqual(await pass(1), [3, 1]);
});
