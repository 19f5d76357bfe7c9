import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coalesce } from '../../src/worker/progress.ts';

test('the first is reported at once, then the newest at most once in a while, and nothing after the end', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const sent: string[] = [];
  const ended = new AbortController();
  const report = coalesce<string>((newest) => void sent.push(newest), 100, ended.signal);
  report('a');
  report('b');
  report('c');
  assert.deepEqual(sent, ['a']);
  t.mock.timers.tick(99);
  assert.deepEqual(sent, ['a']);
  t.mock.timers.tick(1);
  assert.deepEqual(sent, ['a', 'c']);
  t.mock.timers.tick(100);
  assert.deepEqual(sent, ['a', 'c'], 'nothing new, nothing reported');
  report('d');
  assert.deepEqual(sent, ['a', 'c', 'd'], 'after a pause it is the first again');
  report('e');
  ended.abort();
  t.mock.timers.tick(100);
  report('f');
  assert.deepEqual(sent, ['a', 'c', 'd']);
});
