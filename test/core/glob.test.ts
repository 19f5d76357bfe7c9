import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { faultOf, overlap, parseGlob } from '../../src/core/glob.ts';

const overlaps = (a: string, b: string): boolean => overlap(parseGlob(a), parseGlob(b));

describe('two globs overlap when some path matches both', () => {
  for (const [a, b, expected] of [
    ['src/a.ts', 'src/a.ts', true],
    ['src/a.ts', 'src/b.ts', false],
    ['src/*.ts', 'src/a.*', true],
    ['src/*.ts', 'src/*.js', false],
    ['src/*', 'src/core/a.ts', false],
    ['src/**', 'src/core/a.ts', true],
    ['src/**', 'src', true],
    ['src', 'src/core', false],
    ['**', 'anything/at/all', true],
    ['**/a.ts', 'src/**', true],
    ['**/a.ts', 'src/*/b.ts', false],
    ['src/**/test/*', 'src/core/**', true],
    ['src/**/test/*', 'src/core/*', false],
    ['a/**/b/**/c', '**/x/**', true],
    ['?at', 'c?t', true],
    ['?at', 'c*', true],
    ['?', '??', false],
    ['*a*b*', '*b*a*', true],
    ['a*', '*b', true],
    ['Src/a', 'src/A', true],
    ['\u0130', '?', true],
    ['.env', '*', true],
    ['?', '😀', true],
    ['caf\u00e9', 'cafe\u0301', true],
  ] as const) {
    test(`${a} and ${b}: ${expected ? 'yes' : 'no'}`, () => {
      assert.equal(overlaps(a, b), expected);
      assert.equal(overlaps(b, a), expected);
    });
  }
});

/** As the definition says: with a regular expression, path by path. */
function matcher(glob: string): RegExp {
  const body = glob
    .split('/')
    .map((segment) =>
      segment === '**' ? '(?:[^/]+/)*' : `${segment.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}/`,
    )
    .join('');
  return new RegExp(`^${body}$`);
}

/** All sequences of up to `most` of the items, one at least. */
function sequences<T>(items: readonly T[], most: number): T[][] {
  let last: T[][] = [[]];
  const all: T[][] = [];
  for (let length = 1; length <= most; length += 1) {
    last = last.flatMap((sequence) => items.map((item) => [...sequence, item]));
    all.push(...last);
  }
  return all;
}

function assertAgree(globs: readonly string[], paths: readonly string[]): void {
  const matching = globs.map((glob) => {
    const expression = matcher(glob);
    return new Set(paths.flatMap((path, index) => (expression.test(`${path}/`) ? [index] : [])));
  });
  for (const [i, a] of globs.entries()) {
    for (const [j, b] of globs.entries()) {
      if (j < i) continue;
      const common = [...matching[i]!].some((index) => matching[j]!.has(index));
      assert.equal(overlaps(a, b), common, `${a} and ${b}`);
      assert.equal(overlaps(b, a), common, `${b} and ${a}`);
    }
  }
}

describe('overlap agrees with trying out all paths', () => {
  // Long enough that two globs of this size that have a path in common have a short one in common.
  test('within a segment', () => {
    const words = sequences(['a', 'b'], 6).map((characters) => characters.join(''));
    const globs = sequences(['a', 'b', '?', '*'], 3).map((characters) => characters.join(''));
    assertAgree(
      globs.filter((glob) => !glob.includes('**')),
      words,
    );
  });

  test('over segments', () => {
    const paths = sequences(['a', 'b', 'ab'], 6).map((segments) => segments.join('/'));
    const globs = sequences(['a', 'b', '*', 'a?', '**'], 3).map((segments) => segments.join('/'));
    assertAgree(globs, paths);
  });
});

describe('what is no glob is said to be none, with what would be right', () => {
  for (const [text, fault] of [
    ['', /empty/],
    ['/etc/passwd', /relative/],
    ['src//a', /empty segment/],
    ['src/', /src\/\*\*/],
    ['../a', /segment \.\./],
    ['a/./b', /segment \./],
    ['src/**.ts', /not a whole segment/],
    ['{a,b}', /not understood/],
    ['a[0-9]', /not understood/],
    ['a\\b', /not understood/],
    ['@(a|b)', /extended glob/],
    ['!a', /begins with !/],
    ['a\nb', /control/],
  ] as const) {
    test(JSON.stringify(text), () => assert.match(faultOf(text)!, fault));
  }
  for (const text of ['a', '**', 'src/**/*.ts', 'app/(group)/page.tsx', 'a b', 'ünï/€', '...', 'a!']) {
    test(`${text} is one`, () => assert.equal(faultOf(text), null));
  }
});
