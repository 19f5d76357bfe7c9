/**
 * Nodes of a graph that are alike: of the same kind, in the same place. A graph of a hundred phases mostly repeats
 * itself, and what does not repeat is what people look for.
 *
 * Two nodes are alike when their kinds are the same and as many of their dependencies, and of their dependents, are of
 * each group (colour refinement). So each member of a group depends on the same number of members of another one, and
 * what is drawn of the groups is true of every node.
 */
export interface Node {
  readonly name: string;
  readonly dependencies: readonly string[];
}

export interface Group<N extends Node> {
  /** In the order in which they were given. */
  readonly members: readonly N[];
  readonly dependencies: readonly Link<N>[];
}

export interface Link<N extends Node> {
  readonly on: Group<N>;
  /** On how many of its members each member depends. */
  readonly each: number;
}

/** In an order in which dependencies come first, and what belongs together stays together. */
export function groupAlike<N extends Node>(nodes: readonly N[], kindOf: (node: N) => string): Group<N>[] {
  const colours = refine(nodes, kindOf);
  const groups = new Map<number, { members: N[]; dependencies: Link<N>[] }>();
  for (const node of nodes) {
    const colour = colours.get(node.name)!;
    const group = groups.get(colour);
    if (group === undefined) groups.set(colour, { members: [node], dependencies: [] });
    else group.members.push(node);
  }
  for (const { members, dependencies } of groups.values()) {
    const counts = new Map<number, number>();
    for (const name of members[0]!.dependencies) {
      const colour = colours.get(name)!;
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    for (const [colour, each] of counts) dependencies.push({ on: groups.get(colour)!, each });
  }
  return inOrder([...groups.values()]);
}

function refine<N extends Node>(nodes: readonly N[], kindOf: (node: N) => string): Map<string, number> {
  const dependents = new Map<string, string[]>(nodes.map(({ name }) => [name, []]));
  for (const { name, dependencies } of nodes) for (const of of dependencies) dependents.get(of)!.push(name);
  let colours = numbered(nodes.map((node) => [node.name, kindOf(node)]));
  for (let count = 0; ;) {
    const coloursOf = (names: readonly string[]): string =>
      names
        .map((name) => colours.get(name)!)
        .sort((a, b) => a - b)
        .join();
    const refined = numbered(
      nodes.map(({ name, dependencies }) => [
        name,
        `${colours.get(name)}<${coloursOf(dependencies)}>${coloursOf(dependents.get(name)!)}`,
      ]),
    );
    const found = new Set(refined.values()).size;
    if (found === count) return refined;
    count = found;
    colours = refined;
  }
}

function numbered(texts: readonly (readonly [string, string])[]): Map<string, number> {
  const numbers = new Map<string, number>();
  return new Map(
    texts.map(([name, text]) => {
      const number = numbers.get(text) ?? numbers.size;
      numbers.set(text, number);
      return [name, number];
    }),
  );
}

/** A branch is followed to its end before the next one begins. */
function inOrder<N extends Node>(groups: readonly Group<N>[]): Group<N>[] {
  const open = new Map(groups.map((group) => [group, group.dependencies.length]));
  const ready = groups.filter((group) => group.dependencies.length === 0).reverse();
  const ordered: Group<N>[] = [];
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    ordered.push(next);
    const opened: Group<N>[] = [];
    for (const group of groups) {
      if (!group.dependencies.some(({ on }) => on === next)) continue;
      const left = open.get(group)! - 1;
      open.set(group, left);
      if (left === 0) opened.push(group);
    }
    ready.push(...opened.reverse());
  }
  return ordered;
}
