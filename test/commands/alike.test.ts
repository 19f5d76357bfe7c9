/** Nodes of a graph that are alike, and many names in few words. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { groupAlike, type Node } from '../../src/commands/alike.ts';
import { shorten } from '../../src/commands/names.ts';
import { seeded } from '../wire/seeded.ts';

const node = (name: string, ...dependencies: string[]): Node => ({ name, dependencies });
const names = (groups: ReturnType<typeof groupAlike>): string[] =>
  groups.map(({ members }) => members.map(({ name }) => name).join('+'));

const branches = [
  node('start'),
  ...[1, 2, 3].flatMap((n) => [node(`a${n}`, 'start'), node(`b${n}`, `a${n}`)]),
  node('end', 'b1', 'b2', 'b3'),
];

test('branches of the same form are one', () => {
  const groups = groupAlike(branches, () => '');
  assert.deepEqual(names(groups), ['start', 'a1+a2+a3', 'b1+b2+b3', 'end']);
  assert.deepEqual(
    groups.map(({ dependencies }) => dependencies.map(({ each }) => each)),
    [[], [1], [1], [3]],
  );
});

test('one that is of another kind keeps its whole branch apart, and branches stay together', () => {
  assert.deepEqual(names(groupAlike(branches, ({ name }) => (name === 'b2' ? 'failed' : ''))), [
    'start',
    'a1+a3',
    'b1+b3',
    'a2',
    'b2',
    'end',
  ]);
});

test('what each member depends on is the same number of members of every other group', () => {
  const { seed, below } = seeded();
  for (let graph = 0; graph < 200; graph += 1) {
    const nodes = Array.from({ length: 30 }, (_, i) =>
      node(`n${i}`, ...Array.from({ length: i }, (_, of) => `n${of}`).filter(() => below(i + 1) < 2)),
    );
    const groups = groupAlike(nodes, ({ name }) => (name === 'n7' ? 'failed' : ''));
    assert.equal(groups.flatMap(({ members }) => members).length, nodes.length, `seed ${seed}`);
    const done = new Set<string>();
    for (const { members, dependencies } of groups) {
      for (const { name, dependencies: on } of members) {
        for (const of of on) assert.ok(done.has(of), `seed ${seed}: ${name} comes before ${of}`);
        let linked = 0;
        for (const link of dependencies) {
          const count = on.filter((of) => link.on.members.some((member) => member.name === of)).length;
          assert.equal(count, link.each, `seed ${seed}: ${name}`);
          linked += count;
        }
        assert.equal(linked, on.length, `seed ${seed}: ${name}`);
      }
      for (const { name } of members) done.add(name);
    }
  }
});

describe('many names are few words', () => {
  for (const [given, expected] of [
    [['a'], 'a'],
    [['a', 'b', 'c'], 'a, b, c'],
    [['a', 'b', 'c', 'd', 'e'], 'a, b and 3 more'],
    [['s-1', 's-2', 's-3', 's-5'], 's-{1..3,5}'],
    [['s-10', 's-9', 's-8'], 's-{8..10}'],
    [['s-1', 's-2'], 's-{1,2}'],
    [['w01/parse', 'w02/parse', 'w04/parse'], 'w{01,02,04}/parse'],
    [['1', '3', '5', '7', '9'], '{1,3,5,…}'],
    [['a1b1', 'a2b2'], 'a1b1, a2b2'],
    [['a1', 'b1'], 'a1, b1'],
  ] as const) {
    test(expected, () => assert.equal(shorten(given), expected));
  }
});
