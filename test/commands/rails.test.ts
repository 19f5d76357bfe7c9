/** The rails of a graph: whoever follows them with a finger finds exactly what depends on a node. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layRails } from '../../src/commands/rails.ts';
import { seeded } from '../wire/seeded.ts';

const mark = 'o';

function draw(dependencies: readonly (readonly number[])[]): string[] {
  return layRails(dependencies).flatMap(({ before, behind, below }) => [
    `${before}${mark} ${behind}`,
    ...(below === null ? [] : [below]),
  ]);
}

/** The columns in which the rails of a mark go down: those of the line below it that a corner leads to. */
function leaving(line: string, column: number): number[] {
  const found = '├┤┼╭╮┬'.includes(line[column]!) ? [column] : [];
  for (const step of [-1, 1]) {
    for (let at = column; line[at + step] === '─'; at += 2 * step) {
      const next = at + 2 * step;
      if ('├┤┼╭╮┬'.includes(line[next]!)) found.push(next);
    }
  }
  return found;
}

/** What depends on each mark, by their numbers from above. */
function follow(lines: readonly string[]): number[][] {
  const marked = lines.flatMap((line, row) => (line.includes(mark) ? [row] : []));
  return marked.map((row) => {
    const column = lines[row]!.indexOf(mark);
    const below = lines[row + 1];
    const parts = below !== undefined && !below.includes(mark);
    const columns = parts ? leaving(below, column) : [column];
    return columns
      .flatMap((at) => {
        for (let down = row + (parts ? 2 : 1); down < lines.length; down += 1) {
          const sign = lines[down]![at]!;
          if (sign === mark) return [marked.indexOf(down)];
          // It ends; or, below a mark without dependents, something else begins.
          if (sign === ' ' || sign === '─') return [];
        }
        return [];
      })
      .sort((a, b) => a - b);
  });
}

test('rails part, run together, and pass', () => {
  assert.deepEqual(
    draw([[], [0], [1], [0], [], [2, 3, 4]]),
    ['o     ', '├─╮   ', 'o │   ', 'o │   ', '│ o   ', '├─╯   ', '│ o   ', '├─╯   ', 'o     '].map((line) =>
      line.slice(0, 4),
    ),
  );
});

test('of random graphs, the rails are the dependencies', () => {
  const { seed, below } = seeded();
  for (let graph = 0; graph < 500; graph += 1) {
    const nodes = 1 + below(25);
    // Each but the last has a dependent, so that a column that is free is never right below one that has ended.
    const dependencies = Array.from({ length: nodes }, (_, i): number[] =>
      Array.from({ length: i }, (_, of) => of).filter(() => below(i + 1) < 2),
    );
    const used = new Set(dependencies.flat());
    for (let of = 0; of < nodes - 1; of += 1) if (!used.has(of)) dependencies[nodes - 1]!.push(of);
    const dependents = dependencies.map((_, node) => dependencies.flatMap((on, of) => (on.includes(node) ? [of] : [])));
    const lines = draw(dependencies);
    assert.deepEqual(follow(lines), dependents, `SKEIN_SEED=${seed}, graph ${graph}\n${lines.join('\n')}`);
  }
});
