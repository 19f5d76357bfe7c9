/** Many names in few words: `shard-{1..6,8..24}` where they differ in a number, else the first of them. */

const namesShown = 3;
const rangesShown = 4;

export function shorten(names: readonly string[]): string {
  return names.length < 2 ? names.join() : (numbered(names) ?? listed(names));
}

function listed(names: readonly string[]): string {
  if (names.length <= namesShown) return names.join(', ');
  return `${names.slice(0, namesShown - 1).join(', ')} and ${names.length - namesShown + 1} more`;
}

/** null: they differ in something else. */
function numbered(names: readonly string[]): string | null {
  const parts = names.map((name) => name.split(/(\d+)/));
  const [first] = parts as [string[]];
  if (parts.some((of) => of.length !== first.length)) return null;
  const differing = first.flatMap((part, at) => (parts.some((of) => of[at] !== part) ? [at] : []));
  const [at] = differing;
  // Numbers stand at the odd places.
  if (differing.length !== 1 || at === undefined || at % 2 === 0) return null;
  const numbers = parts.map((of) => of[at]!).sort((a, b) => Number(a) - Number(b));
  return `${first.slice(0, at).join('')}{${ranges(numbers)}}${first.slice(at + 1).join('')}`;
}

function ranges(numbers: readonly string[]): string {
  const found: { readonly from: string; to: string; count: number }[] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last !== undefined && Number(number) === Number(last.to) + 1) {
      last.to = number;
      last.count += 1;
    } else found.push({ from: number, to: number, count: 1 });
  }
  const texts = found.map(({ from, to, count }) => (count === 1 ? from : `${from}${count === 2 ? ',' : '..'}${to}`));
  return texts.length <= rangesShown ? texts.join() : `${texts.slice(0, rangesShown - 1).join()},…`;
}
