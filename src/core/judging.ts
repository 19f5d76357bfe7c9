/**
 * Choosing among candidates: who may judge, what a judge is shown, and what it may answer.
 *
 * A judge sees the candidates under letters, without their authors. It is asked twice, in a random order and in the
 * opposite one, and has to choose the same both times: one that prefers a place is found out.
 */
import type { Event } from './event.ts';
import type { Json } from './json.ts';
import { refuse, type Refusal } from './refusal.ts';
import { happened, type Show, type World } from './rule.ts';
import type { Agent, Assignment, Phase, State, Task } from './state.ts';
import { mayValidate } from './topology.ts';

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

/** Nobody judges what is their own; who else may is a matter of the topology. */
export function mayJudge(state: State, agent: Agent, { assignments, judging }: Phase): boolean {
  const [candidates] = judging!.orders;
  const authors = new Set<string>();
  for (const { id, work } of assignments) {
    if (candidates.includes(id) && 'agentId' in work && work.agentId !== null) authors.add(work.agentId);
  }
  return mayValidate(state, agent, authors);
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

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
