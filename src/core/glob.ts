/**
 * Globs of paths in a work tree, and whether two of them overlap: whether some path matches both.
 *
 * A path is relative to the work tree, its segments apart by `/`. In a glob `?` stands for one character of a segment,
 * `*` for any number of them, and a segment `**` for any number of whole segments, none included. Everything else
 * stands for itself, in NFC and whatever its case, as on file systems where `A` and `a` are one file. What other tools understand beyond that (braces, character
 * classes, extended globs, negation) is refused: overlap is decided exactly for all that is taken.
 */

/** Segments as code points. */
export type Glob = readonly Segment[];
type Segment = readonly number[];
type Pattern<T> = readonly T[];

const star = '*'.codePointAt(0)!;
const one = '?'.codePointAt(0)!;

/** Why a text is no glob, in words that say what would be right; null: it is one. */
export function faultOf(text: string): string | null {
  if (text === '') return 'it is empty: ** stands for the whole work tree';
  if (text.startsWith('/')) return 'it begins with /: name paths relative to the work tree, such as src/core/**';
  if (/[\u0000-\u001f\u007f]/.test(text)) return 'it has a control character';
  if (/[[\]{}\\]/.test(text)) return 'it has one of [ ] { } \\, which are not understood: write ? for such a character';
  if (/[?*+@!]\(/.test(text)) return 'it has an extended glob such as @(a|b), which is not understood: name two globs';
  if (text.startsWith('!')) return 'it begins with !: name what is reserved, not what is not';
  for (const segment of text.split('/')) {
    if (segment === '') return 'it has an empty segment: write src/** for all that is below src';
    if (segment === '.' || segment === '..')
      return `it has a segment ${segment}: name paths as seen from the work tree`;
    if (segment !== '**' && segment.includes('**')) return `** in ${segment} is not a whole segment: write **/ or *`;
  }
  return null;
}

/** Of a text without fault. */
export function parseGlob(text: string): Glob {
  return text
    .normalize('NFC')
    .split('/')
    .map((segment) => Array.from(segment, (character) => character.toLowerCase().codePointAt(0)!));
}

/** The same for globs that stand for the same paths but for their form and case. */
export function plainGlob(text: string): string {
  return parseGlob(text)
    .map((segment) => String.fromCodePoint(...segment))
    .join('/');
}

export function overlap(a: Glob, b: Glob): boolean {
  return meet(a, b, isTree, segmentsMeet);
}

function segmentsMeet(a: Segment, b: Segment): boolean {
  return meet(a, b, isStar, charactersMeet);
}

function isTree(segment: Segment): boolean {
  return segment.length === 2 && segment[0] === star && segment[1] === star;
}

function isStar(character: number): boolean {
  return character === star;
}

function charactersMeet(a: number, b: number): boolean {
  return a === b || a === one || b === one;
}

/**
 * Whether two patterns have a sequence in common, where some items stand for any number of items.
 *
 * With such items in both, what is before the first and after the last one decides: between them there is room for the
 * middle of one pattern followed by the middle of the other. Else one of them is a plain sequence that the other matches
 * or not.
 */
function meet<T>(a: Pattern<T>, b: Pattern<T>, isAny: (item: T) => boolean, meets: (x: T, y: T) => boolean): boolean {
  if (!hasAny(b, isAny)) return matches(a, b, isAny, meets);
  if (!hasAny(a, isAny)) return matches(b, a, isAny, meets);
  for (let i = 0; !isAny(a[i]!) && !isAny(b[i]!); i += 1) if (!meets(a[i]!, b[i]!)) return false;
  for (let i = a.length - 1, j = b.length - 1; !isAny(a[i]!) && !isAny(b[j]!); i -= 1, j -= 1) {
    if (!meets(a[i]!, b[j]!)) return false;
  }
  return true;
}

function hasAny<T>(pattern: Pattern<T>, isAny: (item: T) => boolean): boolean {
  for (let i = 0; i < pattern.length; i += 1) if (isAny(pattern[i]!)) return true;
  return false;
}

/** What does not fit after a wildcard is tried one further on; only the last wildcard can need that. */
function matches<T>(
  pattern: Pattern<T>,
  plain: Pattern<T>,
  isAny: (item: T) => boolean,
  meets: (x: T, y: T) => boolean,
): boolean {
  let at = 0;
  let any = -1;
  let anyEnds = 0;
  for (let next = 0; next < plain.length;) {
    if (at < pattern.length && isAny(pattern[at]!)) {
      any = at;
      anyEnds = next;
      at += 1;
    } else if (at < pattern.length && meets(pattern[at]!, plain[next]!)) {
      at += 1;
      next += 1;
    } else if (any !== -1) {
      at = any + 1;
      anyEnds += 1;
      next = anyEnds;
    } else return false;
  }
  while (at < pattern.length && isAny(pattern[at]!)) at += 1;
  return at === pattern.length;
}
