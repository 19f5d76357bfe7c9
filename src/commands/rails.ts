/**
 * The lines at the left of a graph that is listed from top to bottom, dependencies first: each node in a column, and
 * below it the rails that lead to its dependents. Rails to the same node run together.
 */
export interface Railed {
  /** Of the node's own line: before and behind the mark of the node. */
  readonly before: string;
  readonly behind: string;
  /** The line below, where rails part or meet; null: they only go on. */
  readonly below: string | null;
}

/** The nodes are numbered by their order, and `dependencies` has those of each. All lines have the same width. */
export function layRails(dependencies: readonly (readonly number[])[]): Railed[] {
  const dependents: number[][] = dependencies.map(() => []);
  for (const [node, on] of dependencies.entries()) for (const of of on) dependents[of]!.push(node);
  /** Where each rail leads; null: the column is free. */
  const rails: (number | null)[] = [];
  const free = (): number => {
    const column = rails.indexOf(null);
    return column === -1 ? rails.length : column;
  };
  const laid = dependencies.map((_, node) => {
    const arriving = rails.indexOf(node);
    const column = arriving === -1 ? free() : arriving;
    rails[column] = null;
    const passing = rails.map((rail) => rail !== null);
    const joined: number[] = [];
    const begun: number[] = [];
    for (const dependent of dependents[node]!) {
      const there = rails.indexOf(dependent);
      if (there !== -1) joined.push(there);
      else {
        const own = rails[column] === null ? column : free();
        rails[own] = dependent;
        if (own !== column) begun.push(own);
      }
    }
    const below = joined.length + begun.length === 0 ? null : crossing(rails, passing, column, joined, begun);
    return { column, passing, below };
  });
  const width = rails.length * 2;
  return laid.map(({ column, passing, below }) => {
    const line = rails.map((_, at) => (passing[at] === true ? '│ ' : '  '));
    return {
      before: line.slice(0, column).join(''),
      behind: line.slice(column + 1).join(''),
      below: below === null ? null : below.padEnd(width),
    };
  });
}

/** From the node's column a line goes to every rail that begins there or is joined. */
function crossing(
  rails: readonly (number | null)[],
  passing: readonly boolean[],
  column: number,
  joined: readonly number[],
  begun: readonly number[],
): string {
  const ends = [column, ...joined, ...begun];
  const [first, last] = [Math.min(...ends), Math.max(...ends)];
  return rails
    .map((_, at) => {
      if (at < first || at > last) return passing[at] === true ? '│ ' : '  ';
      const up = at === column || passing[at] === true;
      const meets = ends.includes(at);
      // A rail that only passes stays whole: nothing joins it.
      const sign = meets ? corner(up, rails[at] !== null, at > first, at < last) : up ? '│' : '─';
      return `${sign}${at < last ? '─' : ' '}`;
    })
    .join('');
}

const corners: Readonly<Record<string, string>> = {
  'up down right': '├',
  'up down left': '┤',
  'up down left right': '┼',
  'up right': '╰',
  'up left': '╯',
  'up left right': '┴',
  'down right': '╭',
  'down left': '╮',
  'down left right': '┬',
};

function corner(up: boolean, down: boolean, left: boolean, right: boolean): string {
  const arms = [up && 'up', down && 'down', left && 'left', right && 'right'].filter((arm) => arm !== false);
  return corners[arms.join(' ')]!;
}
