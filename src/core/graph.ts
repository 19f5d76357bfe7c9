/** Whether given phases are a graph that can be carried out. */
import type { PhaseRequest } from './command.ts';
import { refuse, type Refusal } from './refusal.ts';
import type { Phase, State } from './state.ts';

/**
 * A graph must be small enough, name each phase once, depend on phases that exist, and have no cycle. `earlier` are
 * phases that the task has already: their names are taken, and what has succeeded can be depended on.
 */
export function refuseGraph(
  state: State,
  phases: readonly PhaseRequest[],
  earlier: readonly Phase[] = [],
): Refusal | null {
  const { phasesMax } = state.limits;
  if (phases.length === 0)
    return refuse('invalid_graph', 'phases is empty: name at least one phase, or leave phases out');
  if (phases.length > phasesMax) {
    return refuse('invalid_graph', `phases has ${phases.length} entries; the most is ${phasesMax}`, { phasesMax });
  }
  const byName = new Map<string, PhaseRequest>();
  const succeeded = new Set(
    earlier.filter(({ status, plans }) => status === 'succeeded' && plans !== true).map(({ name }) => name),
  );
  for (const phase of phases) {
    if (byName.has(phase.name) || earlier.some(({ name }) => name === phase.name)) {
      return refuse('invalid_graph', `phase name ${phase.name} is used twice: names must differ`, {
        phase: phase.name,
      });
    }
    byName.set(phase.name, phase);
  }
  for (const phase of phases) {
    const missing = phase.dependencies.find((name) => !byName.has(name) && !succeeded.has(name));
    if (missing !== undefined) {
      return refuse(
        'invalid_graph',
        `phase ${phase.name} depends on ${missing}, which is not a phase of this task${succeeded.size === 0 ? '' : ' that has succeeded'}: it can depend on ${others(phase.name, [...byName.keys(), ...succeeded])}`,
        { phase: phase.name, dependency: missing },
      );
    }
  }
  for (const phase of phases) {
    const stray = Object.keys(phase.select ?? {}).find((name) => !phase.dependencies.includes(name));
    if (stray !== undefined) {
      return refuse(
        'invalid_graph',
        `phase ${phase.name} selects a part of ${stray}, on which it does not depend: add it to its dependencies`,
        { phase: phase.name, dependency: stray },
      );
    }
  }
  const cycle = findCycle(phases);
  return cycle === null
    ? null
    : refuse('invalid_graph', `the dependencies go in a circle: ${cycle.join(' -> ')}`, { cycle });
}

/** As many as people read. */
const namedMax = 10;

function others(own: string, names: readonly string[]): string {
  const found = names.filter((name) => name !== own);
  if (found.length === 0) return 'nothing';
  return `${found.slice(0, namedMax).join(', ')}${found.length > namedMax ? ` and ${found.length - namedMax} more` : ''}`;
}

/** Takes away, again and again, the phases whose dependencies are all gone; what cannot be taken away holds a circle. */
function findCycle(phases: readonly PhaseRequest[]): string[] | null {
  const own = new Set(phases.map(({ name }) => name));
  const left = new Map(
    phases.map((phase) => [phase.name, new Set(phase.dependencies.filter((name) => own.has(name)))]),
  );
  for (let progress = true; progress;) {
    progress = false;
    for (const [name, dependencies] of left) {
      if (dependencies.size > 0) continue;
      left.delete(name);
      for (const others of left.values()) others.delete(name);
      progress = true;
    }
  }
  const start = left.keys().next().value;
  if (start === undefined) return null;
  const path: string[] = [];
  let name: string = start;
  while (!path.includes(name)) {
    path.push(name);
    name = left.get(name)!.values().next().value!;
  }
  return [...path.slice(path.indexOf(name)), name];
}

/** Phases on the longest way through a graph without circles. */
export function depthOf(phases: readonly PhaseRequest[]): number {
  const byName = new Map(phases.map((phase) => [phase.name, phase]));
  const depths = new Map<string, number>();
  const depth = (phase: PhaseRequest): number => {
    const known = depths.get(phase.name);
    if (known !== undefined) return known;
    const before = phase.dependencies.flatMap((name) => byName.get(name) ?? []);
    const own = 1 + Math.max(0, ...before.map(depth));
    depths.set(phase.name, own);
    return own;
  };
  return Math.max(0, ...phases.map(depth));
}
