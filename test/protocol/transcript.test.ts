/** The language of the transcripts: a replay that takes any answer for the one shown would prove nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { difference, exchangesOf, parsePattern, parseTranscript, substitute, type Bindings } from './transcript.ts';

function differs(shown: string, value: unknown, bindings: Bindings = new Map()): string | null {
  return difference(parsePattern(shown), value, bindings);
}

describe('what is shown', () => {
  test('is compared member by member', () => {
    assert.equal(differs('{"a":1,"b":[true,null]}', { b: [true, null], a: 1 }), null);
    assert.equal(differs('{"a":1}', { a: 2 }), '$.a is 2, not 1');
    assert.equal(differs('{"a":1}', { a: '1' }), '$.a is "1", not 1');
    assert.equal(differs('{"a":{"b":1}}', { a: {} }), '$.a.b is missing');
    assert.equal(differs('{"a":1}', { a: 1, b: 2 }), '$ has further members: b');
    assert.equal(differs('{}', []), '$ is [], not {}');
    assert.equal(differs('{"a":null}', {}), '$.a is missing');
    assert.equal(differs('{"toString":"*"}', {}), '$.toString is missing');
  });

  test('may leave members out', () => {
    assert.equal(differs('{"a":1, ...}', { a: 1, b: 2 }), null);
    assert.equal(differs('{...}', { b: 2 }), null);
    assert.equal(differs('{"a":1, ...}', { b: 2 }), '$.a is missing');
    assert.equal(differs('[1, ...]', [1, 2, 3]), null);
    assert.equal(differs('[1, ..., 3]', [1, 2, 3]), null);
    assert.equal(differs('[ ... ]', []), null);
    assert.equal(differs('[1, ..., 3]', [1]), '$ has 1 entries: [1]');
    assert.equal(differs('[..., 3]', [3, 2]), '$[1] is 2, not 3');
    assert.equal(differs('[1]', [1, 2]), '$ has 2 entries: [1,2]');
  });

  test('may leave values open', () => {
    assert.equal(differs('{"a":"*"}', { a: { b: 1 } }), null);
    assert.equal(differs('{"a":"*"}', { a: null }), null);
    assert.equal(differs('{"a":"*"}', {}), '$.a is missing');
    assert.equal(differs('"no agent *: try (*)"', 'no agent x: try (y)\n(z)'), null);
    assert.equal(differs('"a.c*"', 'abc'), '$ is "abc", not "a.c*"');
    assert.equal(differs('"1*"', 12), '$ is 12, not "1*"');
  });

  test('binds a name at first sight and holds it to that', () => {
    const bindings: Bindings = new Map();
    assert.equal(differs('{"a":"$x","b":"$x"}', { a: [1], b: [1] }, bindings), null);
    assert.equal(differs('"$x"', [2], bindings), '$ is [2], not [1]');
    assert.equal(differs('{"a":"$y"}', {}, bindings), '$.a is missing');
  });
});

test('bound values are put into what is sent, and unbound ones are an error', () => {
  const bindings: Bindings = new Map<string, unknown>([
    ['n', 7],
    ['task', 'task_1'],
  ]);
  assert.equal(
    substitute('{"v":"$n","id":"$task/work/1","u":"$other"}', bindings),
    '{"v":7,"id":"task_1/work/1","u":"$other"}',
  );
  assert.throws(() => substitute('"$other/work"', bindings), /\$other is not bound/);
});

test('a transcript is read line by line, and what is no step is an error', () => {
  const text = [
    '# comment',
    '-- server with A=1 B=2',
    'C: {"a":1,',
    '   "b":2}',
    '-- 3 times',
    'C ann: x',
    'S ann: 1',
    'S: 2',
    '-- ann sends "a" + 2 * "\\u00ff"',
    '-- ann half-closes',
    '-- server closes ann',
  ].join('\n');
  const { settings, steps } = parseTranscript('t', text);
  assert.deepEqual(settings, { A: '1', B: '2' });
  assert.deepEqual(steps, [
    { line: 3, kind: 'send', by: 'client', text: '{"a":1, "b":2}', times: 1 },
    { line: 6, kind: 'send', by: 'ann', text: 'x', times: 3 },
    { line: 7, kind: 'expect', by: 'ann', text: '1', times: 3 },
    { line: 8, kind: 'expect', by: 'client', text: '2', times: 1 },
    { line: 9, kind: 'bytes', by: 'ann', bytes: Buffer.from([0x61, 0xff, 0xff]) },
    { line: 10, kind: 'half_close', by: 'ann' },
    { line: 11, kind: 'closed', by: 'ann' },
  ]);
  assert.throws(() => parseTranscript('t', 'X: 1'), /transcripts\/t:1: neither C:, S:, -- nor #/);
  assert.throws(() => parseTranscript('t', '-- server explodes'), /transcripts\/t:1: unknown: -- server explodes/);
});

test('what a transcript shows is known without replaying it', () => {
  const text = [
    'C: {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"agent_list"}}',
    'S: {"jsonrpc":"2.0","id":1,"result":{...}}',
    'C: {"jsonrpc":"2.0","id":2,"method":"batch","params":[{"method":"ping"},{"method":"ping"},{"method":"pong"}]}',
    'S: {"jsonrpc":"2.0","id":2,"result":[..., {"error":{"data":{"reason":"method_not_found"}}}]}',
    'C: hello',
    'S: {"jsonrpc":"2.0","id":null,"error":{"data":{"reason":"parse_error"}}}',
  ].join('\n');
  assert.deepEqual(exchangesOf(parseTranscript('t', text)), [
    { method: 'tools/call', tool: 'agent_list', refused: null },
    { method: 'pong', tool: null, refused: 'method_not_found' },
    { method: 'batch', tool: null, refused: null },
    { method: '', tool: null, refused: 'parse_error' },
  ]);
});
