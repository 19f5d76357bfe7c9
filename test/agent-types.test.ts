import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadAgentTypes, parseAgentTypes, type AgentType, type CommandType } from '../src/agent-types.ts';
import { templates } from '../src/templates/index.ts';

function types(text: string): ReadonlyMap<string, AgentType> {
  const loaded = parseAgentTypes(text, '/etc/skein/skein.yaml');
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.agentTypes;
}

function problems(text: string): readonly string[] {
  const loaded = parseAgentTypes(text, 'skein.yaml');
  assert.ok(!loaded.ok, 'the file was accepted');
  return loaded.problems;
}

describe('what an agent type says', () => {
  test('the least: everything else has a default', () => {
    assert.deepEqual(types('agentTypes: {sum: {argv: [sha256sum]}}').get('sum'), {
      name: 'sum',
      runtime: 'command',
      argv: ['sha256sum'],
      stdin: 'prompt',
      parse: 'text',
      cwd: '/etc/skein',
      env: [],
      setEnv: {},
      maxOutputBytes: 1024 * 1024,
      capabilities: [],
      maxConcurrent: 1,
    });
  });

  test('every field', () => {
    const text = `
agentTypes:
  review:
    description: Reads a folder.
    runtime: command
    argv: [./bin/review, --deep, '']
    stdin: json
    parse: json
    cwd: ../work
    env: [ANTHROPIC_API_KEY]
    setEnv: { MODE: "1" }
    timeoutMs: 1500
    maxOutputBytes: 2000
    capabilities: [review, security]
    maxConcurrent: 4
    weight: 1.5
`;
    assert.deepEqual(types(text).get('review'), {
      name: 'review',
      description: 'Reads a folder.',
      runtime: 'command',
      argv: ['/etc/skein/bin/review', '--deep', ''],
      stdin: 'json',
      parse: 'json',
      cwd: '/etc/work',
      env: ['ANTHROPIC_API_KEY'],
      setEnv: { MODE: '1' },
      timeoutMs: 1500,
      maxOutputBytes: 2000,
      capabilities: ['review', 'security'],
      maxConcurrent: 4,
      weight: 1.5,
    });
  });

  test('an agent of the Agent Client Protocol has no standard input to choose, and says what it may', () => {
    assert.deepEqual(types('agentTypes: {coder: {runtime: acp, argv: [./agent, --acp]}}').get('coder'), {
      name: 'coder',
      runtime: 'acp',
      argv: ['/etc/skein/agent', '--acp'],
      cwd: '/etc/skein',
      env: [],
      setEnv: {},
      maxOutputBytes: 1024 * 1024,
      mcp: true,
      permissions: 'ask',
      capabilities: [],
      maxConcurrent: 1,
    });
    const every = '{runtime: acp, argv: [a], cwd: b, env: [C], setEnv: {D: e}, timeoutMs: 1, maxOutputBytes: 2,';
    const coder = types(`agentTypes: {coder: ${every} capabilities: [f], maxConcurrent: 3, permissions: allow}}`);
    assert.equal(coder.get('coder')?.maxConcurrent, 3);
  });

  test('a template fills in what is left out, and takes what is added', () => {
    const type = types('agentTypes: {writer: {template: claude, args: [--model, opus], env: [GITHUB_TOKEN]}}').get(
      'writer',
    );
    assert.deepEqual(type, {
      name: 'writer',
      runtime: 'command',
      template: 'claude',
      mcp: true,
      argv: [...templates.claude.argv, '--model', 'opus'],
      stdin: 'prompt',
      parse: 'claude',
      cwd: '/etc/skein',
      env: [...templates.claude.env, 'GITHUB_TOKEN'],
      setEnv: {},
      maxOutputBytes: 64 * 1024 * 1024,
      capabilities: [],
      maxConcurrent: 1,
    });
  });

  test('what a type says itself wins over its template', () => {
    const own = '{template: codex, argv: [./codex, exec], parse: text, mcp: false, maxOutputBytes: 9, args: [-m, x]}';
    const type = types(`agentTypes: {writer: ${own}}`).get('writer') as CommandType;
    const { argv, parse, mcp, maxOutputBytes } = type;
    const expected = { argv: ['/etc/skein/codex', 'exec', '-m', 'x'], parse: 'text', mcp: false, maxOutputBytes: 9 };
    assert.deepEqual({ argv, parse, mcp, maxOutputBytes }, expected);
  });

  test('an external type has no command', () => {
    assert.deepEqual(types('agentTypes: {guest: {runtime: external, capabilities: [review]}}').get('guest'), {
      name: 'guest',
      runtime: 'external',
      capabilities: ['review'],
      maxConcurrent: 1,
    });
  });

  test('anchors may share what types have in common', () => {
    const loaded = types(
      'agentTypes: {a: &a {argv: [cat]}, b: *a, c: {argv: [cat], env: &e [A]}, d: {argv: [x], env: *e}}',
    );
    assert.equal(loaded.get('b')?.name, 'b');
    assert.deepEqual([...loaded.keys()], ['a', 'b', 'c', 'd']);
  });

  test('an empty file, an empty list of types, a name that every object has', () => {
    for (const text of ['', '# nothing yet\n', 'agentTypes:\n', '{}']) assert.equal(types(text).size, 0, text);
    assert.equal(types('').get('constructor'), undefined);
  });
});

describe('what is wrong, where, and what would be right', () => {
  const cases: readonly [text: string, message: RegExp][] = [
    ['agentType: {}', /^skein\.yaml:1:1: agentType: unknown field; the nearest known one is agentTypes/],
    [
      'agentTypes:\n  sum:\n    argv: [cat]\n    stdn: input',
      /^skein\.yaml:4:5: agentTypes\.sum\.stdn: .*nearest .* stdin \(/,
    ],
    ['agentTypes: {sum: {}}', /^skein\.yaml:1:19: agentTypes\.sum: argv is missing: .*runtime: external/],
    ['agentTypes: {sum: }', /^skein\.yaml:1:\d+: agentTypes\.sum: must be the fields .*it is null/],
    ['agentTypes: {sum: {argv: []}}', /:1:26: agentTypes\.sum\.argv: must be a list: .*it is \[\]/],
    ['agentTypes: {sum: {argv: cat -}}', /:1:26: agentTypes\.sum\.argv: must be a list: .*it is "cat -"/],
    ['agentTypes: {sum: {argv: [""]}}', /:1:27: agentTypes\.sum\.argv\.0: must be the program/],
    [
      'agentTypes: {sum: {argv: [sleep, 10]}}',
      /:1:34: agentTypes\.sum\.argv\.1: must be text: put it into quotes; it is 10/,
    ],
    ['agentTypes: {sum: {argv: [a], stdin: file}}', /:1:38: .*stdin: must be prompt .* it is "file"/],
    ['agentTypes: {sum: {argv: [a], parse: yaml}}', /:1:38: .*parse: must be text, json, claude.* it is "yaml"/],
    [
      'agentTypes: {sum: {argv: [a], runtime: docker}}',
      /:1:40: .*runtime: must be command, acp or external; it is "docker"/,
    ],
    ['agentTypes: {sum: {argv: [a], timeoutMs: 0}}', /:1:42: .*timeoutMs: must be a whole number of milliseconds/],
    ['agentTypes: {sum: {argv: [a], maxOutputBytes: 70000000}}', /:1:47: .*maxOutputBytes: must be .* 67108864/],
    ['agentTypes: {sum: {template: claud}}', /:1:30: .*template: must be one of claude, codex, .* it is "claud"/],
    ['agentTypes: {sum: {argv: [a], args: [b]}}', /:1:31: .*args: it is for a type with a template/],
    ['agentTypes: {sum: {template: codex, args: [1]}}', /:1:44: .*args\.0: must be text/],
    ['agentTypes: {sum: {template: codex, env: KEY}}', /:1:42: .*env: must be a list of names/],
    [
      'agentTypes: {sum: {argv: [a], maxConcurrent: 1.5}}',
      /:1:46: .*maxConcurrent: must be a whole number from 1 to 64/,
    ],
    ['agentTypes: {sum: {argv: [a], weight: 0}}', /:1:39: .*weight: must be a number above 0/],
    ['agentTypes: {sum: {argv: [a], env: [SKEIN_TASK_ID]}}', /:1:37: .*env\.0: must be the name .*SKEIN_/],
    ['agentTypes: {sum: {argv: [a], setEnv: {PORT: 80}}}', /:1:46: .*setEnv\.PORT: must be text: put it into quotes/],
    ['agentTypes: {sum: {argv: [a], setEnv: {"A B": x}}}', /:1:40: .*setEnv\.A B: the key must be the name of an env/],
    ['agentTypes: {"a b": {argv: [a]}}', /:1:14: agentTypes\.a b: the key must be 1 to 64 letters/],
    ['agentTypes: {x: {runtime: external, argv: [a]}}', /:1:37: .*argv: only a type with runtime: command or acp has/],
    [
      'agentTypes: {x: {runtime: acp, argv: [a], stdin: json}}',
      /:1:43: .*stdin: only a type with runtime: command has/,
    ],
    ['agentTypes: {x: {argv: [a], permissions: deny}}', /:1:29: .*permissions: only a type with runtime: acp has/],
    [
      'agentTypes: {x: {runtime: acp, argv: [a], permissions: yes}}',
      /:1:56: .*must be allow, deny or ask .* it is "yes"/,
    ],
    ['agentTypes: {x: {runtime: acp}}', /:1:17: agentTypes\.x: argv is missing/],
    ['agentTypes: {a: {argv: [x]}, a: {argv: [y]}}', /:1:30: Map keys must be unique/],
    ['agentTypes: {a: {argv: [x]}', /:1:\d+: Flow map .*/],
    ['agentTypes: {a: {argv: [!secret x]}}', /:1:25: Unresolved tag: !secret/],
    ['agentTypes: {a: {argv: *nobody}}', /^skein\.yaml: Unresolved alias .*nobody/],
    ['- 1', /^skein\.yaml:1:1: must be a map with the key agentTypes; it is \[1\]/],
  ];
  for (const [text, message] of cases) {
    test(JSON.stringify(text), () => {
      const found = problems(text);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0]!, message);
    });
  }

  test('several problems are all told, in the order of the file', () => {
    const found = problems('agentTypes:\n  a: {argv: [1], wieght: 3}\n  b: {argv: [cat], stdin: x}\n');
    assert.deepEqual(
      found.map((problem) => problem.split(': ')[1]),
      ['agentTypes.a.argv.0', 'agentTypes.a.wieght', 'agentTypes.b.stdin'],
    );
  });
});

describe('the file', () => {
  test('is read', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'skein-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'skein.yaml');
    writeFileSync(path, 'agentTypes:\n  here: {argv: [./run]}\n');
    const loaded = loadAgentTypes(path, { required: true });
    assert.ok(loaded.ok);
    const here = loaded.agentTypes.get('here');
    assert.ok(here?.runtime === 'command');
    assert.equal(here.argv[0], join(folder, 'run'));
    assert.equal(here.cwd, folder);
  });

  test('may be missing when nobody named it', () => {
    assert.deepEqual(loadAgentTypes('/nowhere/skein.yaml', { required: false }), { ok: true, agentTypes: new Map() });
    assert.deepEqual(loadAgentTypes('/nowhere/skein.yaml', { required: true }), {
      ok: false,
      problems: ['/nowhere/skein.yaml: there is no such file'],
    });
  });

  test('that cannot be read is a problem in both cases', () => {
    for (const required of [true, false]) {
      const loaded = loadAgentTypes(tmpdir(), { required });
      assert.ok(!loaded.ok);
      assert.match(loaded.problems[0]!, /EISDIR/);
    }
  });
});
