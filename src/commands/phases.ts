/** What there is to say about phases: the state of each in a word, who works on it, and why it is as it is. */
import type { AttemptError, PhaseState } from '../spec.types.ts';
import type { Link } from './alike.ts';
import { shorten } from './names.ts';
import { printable } from './text.ts';

/** `queued`: it could run, and nobody works on it yet. */
export type State = PhaseState['status'] | 'queued';

export const states: readonly State[] = ['succeeded', 'running', 'queued', 'waiting', 'failed', 'cancelled'];

export function stateOf({ status, assignments }: PhaseState): State {
  const begun = assignments.some((of) => of.status === 'claimed' || of.status === 'succeeded');
  return status === 'running' && !begun ? 'queued' : status;
}

/** Phases of the same kind can be shown as one. What failed is always told by name. */
export function kindOf(phase: PhaseState): string {
  const state = stateOf(phase);
  const why = state === 'failed' ? phase.name : state === 'waiting' ? null : (phase.waitingFor ?? phase.reason);
  return JSON.stringify([state, phase.assignments.length, why]);
}

/** Of phases that are alike; `nameOf` knows the agents. */
export function describe(
  phases: readonly PhaseState[],
  links: readonly Link<PhaseState>[],
  nameOf: (agentId: string) => string,
): string {
  const [first] = phases as [PhaseState];
  const texts = [
    copies(phases),
    whoWorks(phases, nameOf),
    ...(first.reason === null ? [] : [first.reason]),
    ...(stateOf(first) === 'waiting'
      ? [waits(links)]
      : [withNames(first.waitingFor ?? '', nameOf), branching(phases.length, links)]),
    ...(first.status === 'succeeded' ? [] : errors(phases, nameOf)),
  ];
  return texts
    .filter((text) => text !== '')
    .map(printable)
    .join('; ');
}

/** Of several assignments, how far they are. */
function copies(phases: readonly PhaseState[]): string {
  const all = phases.flatMap(({ assignments }) => assignments);
  if (all.length === phases.length || all.length === 0) return '';
  const succeeded = all.filter(({ status }) => status === 'succeeded').length;
  return `${succeeded} of ${all.length} assignments succeeded`;
}

/** Who works on it, and, once it has succeeded, who has done it. */
function whoWorks(phases: readonly PhaseState[], nameOf: (agentId: string) => string): string {
  const counts = new Map<string, number>();
  let again = 0;
  for (const phase of phases) {
    const shown = phase.status === 'running' ? 'claimed' : 'succeeded';
    for (const { agentId, status, attempt } of phase.assignments) {
      if (agentId === null || status !== shown) continue;
      counts.set(agentId, (counts.get(agentId) ?? 0) + 1);
      again = Math.max(again, attempt);
    }
  }
  if (counts.size === 0) return '';
  const busiest = [...counts].sort(([, a], [, b]) => b - a);
  const named = busiest
    .slice(0, agentsShown)
    .map(([agentId, count]) => `${nameOf(agentId)}${count === 1 && phases.length === 1 ? '' : ` ${count}`}`);
  const more = busiest.length > agentsShown ? ` and ${busiest.length - agentsShown} more` : '';
  const tries = again > 1 ? ` (${phases.length === 1 ? 'attempt' : 'up to attempt'} ${again})` : '';
  return `${named.join(', ')}${more}${tries}`;
}

const agentsShown = 4;

function errors(phases: readonly PhaseState[], nameOf: (agentId: string) => string): string[] {
  const texts = new Set<string>();
  for (const { status, assignments } of phases) {
    for (const { lastError, failures } of assignments) {
      if (lastError === undefined) continue;
      const before = status === 'running' ? 'failed before: ' : '';
      texts.add(`${before}${describeError(lastError, nameOf)}${failures > 1 ? ` (${failures} failures)` : ''}`);
    }
  }
  return [...texts];
}

export function describeAssignment(
  { assignmentId, agentId, status, attempt, lastError, progress }: PhaseState['assignments'][number],
  nameOf: (agentId: string) => string,
): string {
  const parts = [
    assignmentId.slice(assignmentId.indexOf('/') + 1),
    status,
    ...(agentId === null ? [] : [nameOf(agentId)]),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(progress === undefined || progress === null ? [] : [`progress ${JSON.stringify(progress)}`]),
    ...(lastError === undefined ? [] : [describeError(lastError, nameOf)]),
  ];
  return printable(parts.join(' '));
}

function describeError({ agentId, reason, message }: AttemptError, nameOf: (agentId: string) => string): string {
  return `${nameOf(agentId)}: ${reason}${message === null ? '' : `: ${message}`}`;
}

/** The server speaks of agents by their ids; people know them by their names. */
export function withNames(text: string, nameOf: (agentId: string) => string): string {
  return text.replace(/\bagent_\d+_\w+/g, nameOf);
}

function waits(links: readonly Link<PhaseState>[]): string {
  const open = links.filter(({ on }) => on.members[0]!.status !== 'succeeded');
  const namesOf = ({ on }: Link<PhaseState>): string[] => on.members.map(({ name }) => name);
  if (open.every(({ on, each }) => each === on.members.length)) return `waits for ${shorten(open.flatMap(namesOf))}`;
  return `each waits for ${open.map((link) => `${link.each} of ${shorten(namesOf(link))}`).join(', ')}`;
}

/** Rails alone do not tell whether each depends on all or on one of its own. */
function branching(members: number, links: readonly Link<PhaseState>[]): string {
  if (members === 1) return '';
  const texts = links
    .filter(({ on }) => on.members.length > 1)
    .map(({ on, each }) => {
      if (each === on.members.length) return `each after all ${each}`;
      return each === 1 && members === on.members.length
        ? 'each after its own'
        : `each after ${each} of ${on.members.length}`;
    });
  return [...new Set(texts)].join(', ');
}
