/** Turns under a rate limit, with a clock that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../src/client/pace.ts';

test('without refusals nobody waits', () => {
  const pace = new Pace();
  for (let at = 0; at < 100; at += 1) assert.equal(pace.turn(at), 0);
});

test('refused requests take turns, and new ones queue behind them', () => {
  const pace = new Pace();
  assert.equal(pace.turnAfterRefusal(10, 1000), 10);
  assert.equal(pace.turnAfterRefusal(10, 1000), 20);
  assert.equal(pace.turn(1000), 30);
  assert.equal(pace.turn(1005), 35);
});

test('when all turns have been taken, nobody waits any more', () => {
  const pace = new Pace();
  pace.turnAfterRefusal(10, 1000);
  pace.turn(1000);
  assert.equal(pace.turn(1020), 0);
  assert.equal(pace.turn(1020), 0);
});
