/**
 * The picture of a task's graph: a line for each phase, or for phases that are alike, with rails from each to what
 * depends on it.
 */
import type { PhaseState } from '../spec.types.ts';
import { groupAlike, type Group } from './alike.ts';
import { shorten } from './names.ts';
import { describe, describeAssignment, kindOf, stateOf, states, type State } from './phases.ts';
import { layRails } from './rails.ts';
import { cut, printable } from './text.ts';

export interface Look {
  /** Of a line, in characters; longer ones are cut. */
  readonly width: number;
  readonly colours: boolean;
  /** Every phase has a line of its own. */
  readonly all: boolean;
  readonly nameOf: (agentId: string) => string;
}

const marks: Readonly<Record<State, string>> = {
  succeeded: '✔',
  running: '▶',
  queued: '○',
  waiting: '·',
  failed: '✘',
  cancelled: '⊘',
};

/** SGR parameters. */
const colours: Readonly<Record<State, string>> = {
  succeeded: '32',
  running: '36',
  queued: '33',
  waiting: '2',
  failed: '1;31',
  cancelled: '35',
};

/** Wider rails leave too little room for words; then each line says what it comes after. */
const railsShare = 1 / 3;
const railsMax = 40;
const nameMax = 40;

export function drawGraph(phases: readonly PhaseState[], look: Look): string[] {
  const groups = groupAlike(phases, look.all ? ({ name }) => name : kindOf);
  const places = new Map(groups.map((group, index) => [group, index]));
  const rails = layRails(groups.map(({ dependencies }) => dependencies.map(({ on }) => places.get(on)!)));
  if (rails.some(({ before, behind }) => before.length + behind.length > Math.min(railsMax, look.width * railsShare))) {
    return drawRows(groups, look).flat();
  }
  const rows = groups.map((group) => rowOf(group, look));
  const nameWidth = widestName(rows);
  return rows.flatMap((row, index) => {
    const { before, behind, below } = rails[index]!;
    const line = drawRow(row, nameWidth, look, before, behind);
    return below === null ? [line] : [line, below.trimEnd()];
  });
}

/** Without rails: each says what it comes after, and of several assignments what has become of each. */
export function listPhases(phases: readonly PhaseState[], look: Look): string[] {
  const groups = new Map(groupAlike(phases, ({ name }) => name).map((group) => [group.members[0], group]));
  const rows = drawRows(
    phases.map((phase) => groups.get(phase)!),
    look,
  );
  return phases.flatMap(({ assignments }, index) => [
    rows[index]!,
    ...(assignments.length > 1
      ? assignments.map((of) => cut(`    ${describeAssignment(of, look.nameOf)}`, look.width))
      : []),
  ]);
}

function drawRows(groups: readonly Group<PhaseState>[], look: Look): string[] {
  const rows = groups.map((group) => {
    const row = rowOf(group, look);
    if (row.state === 'waiting' || group.dependencies.length === 0) return row;
    const after = `after ${shorten(group.dependencies.flatMap(({ on }) => on.members.map(({ name }) => name)))}`;
    return { ...row, text: row.text === '' ? after : `${after}; ${row.text}` };
  });
  const nameWidth = widestName(rows);
  return rows.map((row) => drawRow(row, nameWidth, look));
}

interface Row {
  readonly state: State;
  readonly name: string;
  readonly text: string;
}

function rowOf({ members, dependencies }: Group<PhaseState>, { nameOf }: Look): Row {
  const name = shorten(members.map((of) => of.name));
  return {
    state: stateOf(members[0]!),
    name: printable(members.length === 1 ? name : `${name} ×${members.length}`),
    text: describe(members, dependencies, nameOf),
  };
}

function widestName(rows: readonly Row[]): number {
  return Math.min(nameMax, Math.max(0, ...rows.map(({ name }) => name.length)));
}

function drawRow({ state, name, text }: Row, nameWidth: number, look: Look, before = '', behind = ''): string {
  const painted = (part: string): string => paint(part, colours[state], look.colours);
  const known = `${cut(name, nameWidth).padEnd(nameWidth)}  ${state.padEnd(9)}`;
  const left = look.width - before.length - 2 - behind.length - known.length - 2;
  return `${before}${painted(marks[state])} ${behind}${painted(known)}  ${cut(text, left)}`.trimEnd();
}

/** How many phases are in which state; also what the marks mean. */
export function countStates(phases: readonly PhaseState[], look: Look): string {
  const counts = states.map((state) => [state, phases.filter((phase) => stateOf(phase) === state).length] as const);
  return counts
    .filter(([, count]) => count > 0)
    .map(([state, count]) => paint(`${marks[state]} ${count} ${state}`, colours[state], look.colours))
    .join('   ');
}

function paint(text: string, sgr: string, colours: boolean): string {
  return colours ? `\x1b[${sgr}m${text}\x1b[0m` : text;
}
