/** examples/hash-vote: three agents, one of them wrong on purpose; the right digest wins, and the votes are shown. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { example, runTask, startExample } from './run-cli.ts';

test('the majority has the true digest, and the vote says who voted what', async (t) => {
  const server = await startExample(t, 'hash-vote/skein.yaml');
  // It begins as no JSON does that ends so: it stays the text that it is.
  const input = `"${randomBytes(30).toString('base64')}`;
  const task = await runTask(t, server, example('hash-vote/task.yaml'), '--input', input);

  const right = `${createHash('sha256').update(input).digest('hex')}  -`;
  const nothing = `${createHash('sha256').digest('hex')}  -`;
  assert.equal(task.result, right);

  const { consensus, results } = task;
  assert.ok(consensus && results);
  assert.equal(consensus.reached, true);
  assert.equal(consensus.required, 2);
  assert.equal(consensus.planned, 3);
  assert.equal(new Set(consensus.ballots.map(({ agentId }) => agentId)).size, 3, 'three distinct agents');
  // The third vote is shown when it came before the other two had decided; else it was called off.
  const votes = consensus.ballots.map(({ ballot }) => ballot).filter((ballot) => ballot !== null);
  assert.equal(votes.filter((ballot) => ballot === right.replace('  ', ' ')).length, 2);
  for (const { status, result } of results)
    assert.ok(status === 'cancelled' || [right, nothing].includes(String(result)));
});
