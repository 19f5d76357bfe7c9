/**
 * The rules of a swarm as stories that need no TypeScript to be read: `scenarios/*.txt`, each performed on the core and
 * compared, word for word, with what is written. SKEIN_REWRITE=1 writes down what happens instead; the difference is
 * reviewed like any other change.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { differences, perform } from './scenario.ts';

const folder = new URL('scenarios/', import.meta.url);
const rewrite = process.env['SKEIN_REWRITE'] === '1';

for (const name of readdirSync(folder).sort()) {
  test(name, () => {
    const url = new URL(name, folder);
    const written = readFileSync(url, 'utf8');
    const performed = perform(written);
    if (rewrite) writeFileSync(url, performed);
    else if (performed !== written)
      assert.fail(`something else happens than ${name} says\n${differences(written, performed)}`);
  });
}

test('a difference is shown with the command that leads to it', () => {
  const story = 'swarm\n----\nswarm_created\n\njoin alice\n----\nagent_spawned alice\nagent_left alice\n';
  assert.equal(
    differences(story, perform(story)),
    [
      'at line 5:',
      '  join alice',
      '  ----',
      '  agent_spawned alice',
      '- agent_left alice',
      '+ agent_joined alice',
    ].join('\n'),
  );
});
