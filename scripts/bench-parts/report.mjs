/** The results as a table for people and as JSON for programs. */

export function reportTable(results, { disk, seconds, rounds }) {
  const rows = results.flatMap(({ title, sides }) => [[title], ...sides.map((side) => row(side, sides[0]))]);
  return [
    `Load from a second process, 8 connections, 32 in flight on each; medians of ${rounds} turns of ${seconds} s each.`,
    `Data on ${disk.type} (${disk.device}); Node ${process.version}.`,
    'ratio: the rate of skein over that of this side, turn by turn, with the least and the most.',
    'us/op: cpu time for one operation, of all processes but the load.',
    'cpu: share of one core, by process. Where it is the load that comes near 100 %, the server could do more.',
    '',
    ...align([['', 'rate/s', 'ratio', 'goal', 'p50 ms', 'p99 ms', 'us/op', 'cpu %'], ...rows]),
  ].join('\n');
}

function row(side, skein) {
  const { name, turns, missing, goal } = side;
  if (missing !== undefined) return [`  ${name}`, missing];
  const ratio = ratios(side, skein);
  return [
    `  ${name}`,
    Math.round(median(turns.map(({ rate }) => rate))).toLocaleString('en'),
    side === skein || ratio === null ? '' : `${two(ratio.median)} (${two(ratio.least)} - ${two(ratio.most)})`,
    goal === undefined ? '' : `>= ${goal}`,
    two(median(turns.map(({ p50 }) => p50))),
    two(median(turns.map(({ p99 }) => p99))),
    two(microseconds(side)),
    Object.keys(turns[0].cpu)
      .map((process) => `${process} ${Math.round(100 * median(turns.map(({ cpu }) => cpu[process])))}`)
      .join(', '),
  ];
}

export function reportJson(results, disk) {
  const measurements = results.map(({ name, title, sides }) => ({
    name,
    title,
    sides: sides.map((side) => ({
      name: side.name,
      ...(side.missing === undefined
        ? { microsecondsPerOperation: microseconds(side), turns: side.turns }
        : { missing: side.missing }),
      ...(side !== sides[0] && { goal: side.goal, ratio: ratios(side, sides[0]) }),
    })),
  }));
  return JSON.stringify({ node: process.version, disk, measurements }, null, 2);
}

export function reportCore({ comparisons, queuedTasks, bytes, goals }) {
  const rows = comparisons.flatMap(({ title, commands }) => [
    [title],
    ...commands.map(({ name, small, large, ratio }) => [
      `  ${name}`,
      two(small),
      two(large),
      two(ratio),
      `<= ${goals.ratio}`,
    ]),
  ]);
  return [
    `The pure core alone, in one process; medians. Node ${process.version}.`,
    'us: time of one command in the small swarm, and in the one 100 times as large; ratio: the second over the first.',
    '',
    ...align([['', 'us small', 'us large', 'ratio', 'goal'], ...rows]),
    '',
    `memory of each of ${queuedTasks.toLocaleString('en')} queued tasks, goal <= ${goals.bytes.toLocaleString('en')} B:`,
    `  as accepted ${Math.round(bytes.accepted).toLocaleString('en')} B, read back from a snapshot ${Math.round(bytes.readBack).toLocaleString('en')} B`,
  ].join('\n');
}

/** null: one of the two is missing. */
function ratios(side, skein) {
  if (side.turns.length === 0 || skein.turns.length === 0) return null;
  const all = skein.turns.map(({ rate }, turn) => rate / side.turns[turn].rate);
  return { median: median(all), least: Math.min(...all), most: Math.max(...all) };
}

function microseconds({ turns }) {
  return median(
    turns.map(({ rate, cpu: { load: _, ...measured } }) => {
      const cores = Object.values(measured).reduce((sum, share) => sum + share, 0);
      return (1e6 * cores) / rate;
    }),
  );
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function two(value) {
  return value.toFixed(2);
}

/** A row of one cell is a heading, and one of two a remark: neither makes the columns wider. */
function align(rows) {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.filter((row) => row.length === rows[0].length).map((row) => row[column].length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === rows[0].length - 1
          ? cell.padEnd(widths[column])
          : cell.padStart(row.length === rows[0].length ? widths[column] : 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
