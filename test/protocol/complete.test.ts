/**
 * A tool is a schema, a rule, a handler and a transcript. Each has a test by name for each tool, so that one that is
 * forgotten, or deleted, is told by its name. And what the protocol can say is shown in a transcript.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Command } from '../../src/core/command.ts';
import { decide } from '../../src/core/decide.ts';
import type { World } from '../../src/core/rule.ts';
import { errors, methods, tools } from '../../src/spec.ts';
import { toolHandlers } from '../../src/tools/index.ts';
import { exchangesOf, loadTranscripts } from './transcript.ts';
import { SwarmUnderTest } from '../core/swarm-under-test.ts';

/** Tools without a rule of the core, and who answers instead. */
const withoutRule: Readonly<Record<string, string>> = {
  memory_store: "the memory bank is no part of a swarm's state",
  memory_retrieve: "the memory bank is no part of a swarm's state",
  memory_list: "the memory bank is no part of a swarm's state",
  memory_delete: "the memory bank is no part of a swarm's state",
  server_info: 'it is about the server and no swarm',
  swarm_list: 'a rule sees one swarm; the coordinator knows which there are',
};

/** Reasons that no transcript shows, and why. */
const notShown: Readonly<Record<string, string>> = {
  line_timeout: 'takes a minute',
  internal_error: 'needs a bug',
  journal_failed: 'needs a full disk',
  shutting_down: 'needs a server that stops',
  swarm_quarantined: 'needs a journal of a later release',
  history_trimmed: 'needs more events than are kept',
  swarm_limit: 'needs 10,000 swarms',
  task_limit: 'needs 1,000,000 tasks',
};

const exchanges = loadTranscripts().flatMap(exchangesOf);
const succeeded = new Set(
  exchanges.filter(({ refused }) => refused === null).flatMap(({ method, tool }) => [method, tool]),
);
const refused = new Set(exchanges.map((exchange) => exchange.refused));

/** The table of rules is the core's own, so it is asked: it has one if it does not trip over there being none. */
function hasRule(name: string): boolean {
  try {
    decide(SwarmUnderTest.withSwarm().state, { type: name } as unknown as Command, {} as World);
    return true;
  } catch (error) {
    return !(error as Error).message.startsWith('rules[command.type] is not a function');
  }
}

const called = exchanges.flatMap(({ tool, refused }) => (tool === null || refused === 'unknown_tool' ? [] : [tool]));
const names = [...new Set([...tools.keys(), ...toolHandlers.keys(), ...called])].sort();

for (const name of names) {
  describe(name, () => {
    test(`${name} has a schema in protocol/tools`, () => assert.ok(tools.has(name)));
    test(`${name} has a handler in src/tools`, () => assert.ok(toolHandlers.has(name)));
    test(`${name} succeeds in a transcript`, () => assert.ok(succeeded.has(name)));
    if (name in withoutRule) {
      test(`${name} has no rule: ${withoutRule[name]}`, () => assert.ok(!hasRule(name)));
    } else test(`${name} has a rule in src/core`, () => assert.ok(hasRule(name)));
  });
}

describe('methods', () => {
  for (const name of methods.keys()) {
    test(`${name} succeeds in a transcript`, () => assert.ok(succeeded.has(name)));
  }
});

describe('reasons', () => {
  for (const reason of errors.keys()) {
    if (reason in notShown) test(`${reason} is not shown: ${notShown[reason]}`, () => assert.ok(!refused.has(reason)));
    else test(`${reason} appears in a transcript`, () => assert.ok(refused.has(reason)));
  }
});
