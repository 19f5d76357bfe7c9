/**
 * Choosing among candidates: who may judge, what a judge is shown, and what it may answer.
 *
 * A judge sees the candidates under letters, without their authors. It is asked twice, in a random order and in the
 * opposite one, and has to choose the same both times: one that prefers a place is found out.
 */
import type { Event } from './event.ts';
import { isObject, type Json } from './json.ts';
import { refuse, type Refusal } from './refusal.ts';
import { happened, type Show, type World } from './rule.ts';
import { roleOf, type Agent, type Assignment, type Phase, type State, type Task } from './state.ts';
import { isNamedToJudge, mayValidate } from './topology.ts';

/** Comes before the description of what the candidates were to do. */
export const judgesTask =
  'Judge what others have answered to the task below: the input holds their answers, by letter. Choose the best one and answer with {"choice": "<its letter>"}.';

export function askJudge(task: Task, phase: Phase, candidates: readonly string[], world: World): Event {
  const order = shuffled(candidates, world);
  return happened(world, {
    type: 'judging_opened',
    taskId: task.id,
    phase: phase.name,
    orders: [order, [...order].reverse()],
  });
}

/**
 * Nobody judges what they have had a part in; who else may is a matter of the topology. Both orders are for the same
 * agent: another one takes the second of them only when the first judge is gone, or does not take it.
 */
export function mayJudge(state: State, agent: Agent, phase: Phase, { id }: Assignment): boolean {
  for (const { id: other, judges, work } of phase.assignments) {
    if (judges === undefined || other === id || !('agentId' in work) || work.status === 'failed') continue;
    // Also when the topology names somebody else by now: it began, and nobody else may go on.
    if (work.agentId === agent.id) return true;
    if (work.agentId !== null && isToBeExpected(state, work.agentId)) return false;
  }
  return mayValidate(state, agent, authorsOf(phase));
}

/** Of all that may be chosen, and of what says the same. */
export function authorsOf({ assignments }: Phase): ReadonlySet<string> {
  const authors = new Set<string>();
  for (const { judges, work } of assignments) {
    if (judges === undefined && work.status === 'succeeded') authors.add(work.agentId);
  }
  return authors;
}

function isToBeExpected({ indexes }: State, agentId: string): boolean {
  const entry = indexes.agents.get(agentId);
  return entry?.live === true && entry.agent.attentive && entry.agent.draining === null;
}

/** Who will have to judge leaves the work itself to others, as long as there are any. */
export function isJudgeToBe(state: State, agent: Agent): boolean {
  return roleOf(agent) === 'validator' || isNamedToJudge(state, agent);
}

export function mayNeedJudge({ rules }: Phase): boolean {
  return rules.aggregation === 'best' || rules.conflictResolution === 'judge';
}

function shuffled(ids: readonly string[], world: World): string[] {
  const order = [...ids];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(world.draw() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

/** What a judge is given as its input. */
export function judgesInput(task: Task, phase: Phase, { judges }: Assignment, show: Show): object {
  const input = phase.input ?? task.input;
  const candidates = phase.judging!.orders[judges!].map((id, index) => {
    const work = phase.assignments.find((of) => of.id === id)?.work;
    return [letter(index), work?.status === 'succeeded' ? show(work.result) : null];
  });
  return { ...(input !== null && { input: show(input) }), candidates: Object.fromEntries(candidates) };
}

/** The candidate that a judge's answer names: `{"choice": "B"}`, the letter alone, or the letter as its vote. */
export function choiceOf(phase: Phase, { judges }: Assignment, result: Json, vote: Json | undefined): string | Refusal {
  const order = phase.judging!.orders[judges!];
  const said = vote ?? (isObject(result) ? result['choice'] : result);
  const index = typeof said === 'string' ? order.findIndex((_, at) => letter(at) === said.trim().toUpperCase()) : -1;
  return (
    order[index] ??
    refuse(
      'answer_invalid',
      `a judge chooses one of ${order.map((_, at) => letter(at)).join(', ')}: answer with {"choice": "A"}. Nothing was recorded, and the assignment is still yours`,
      { phase: phase.name },
    )
  );
}

/** A to Z, then A1 to Z1, and so on. */
function letter(index: number): string {
  const round = Math.floor(index / 26);
  return `${String.fromCharCode(65 + (index % 26))}${round === 0 ? '' : round}`;
}
