/**
 * What a task has used, as far as its workers said, and what it may use.
 *
 * A budget is looked at before each claim: a task that has used it up gets no further ones, what it holds may go on, and
 * once nothing of it is claimed any more it fails. So the last attempts can exceed the budget, by what they use. What
 * nobody reported is unknown and counts neither way; `unknownAttempts` says of how many attempts something is missing.
 */
import type { Task, TaskUsage, Usage } from './state.ts';

const nothing: TaskUsage = { inputTokens: null, outputTokens: null, costUsd: null, unknownAttempts: 0 };

export function usageOf(task: Task): TaskUsage {
  return task.usage ?? nothing;
}

/** How the budget is used up, in words; null while it is not, or there is none. */
export function overBudget({ budget, usage }: Task): string | null {
  if (budget === null || usage === null) return null;
  const { maxTokens, maxCostUsd } = budget;
  const tokens = (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
  if (maxTokens !== null && tokens >= maxTokens) return `${tokens} tokens were used, and maxTokens is ${maxTokens}`;
  const cost = usage.costUsd ?? 0;
  // Sums of decimal fractions end in noise.
  if (maxCostUsd !== null && cost >= maxCostUsd) {
    return `${Number(cost.toPrecision(9))} USD were used, and maxCostUsd is ${maxCostUsd}`;
  }
  return null;
}

/** A later report of an attempt replaces what an earlier one said, and leaves standing what it does not speak of. */
export function newestUsage(before: Usage | null, reported: Usage | null): Usage | null {
  if (before === null || reported === null) return reported ?? before;
  return {
    inputTokens: reported.inputTokens ?? before.inputTokens,
    outputTokens: reported.outputTokens ?? before.outputTokens,
    costUsd: reported.costUsd ?? before.costUsd,
  };
}

/** The sums, after an attempt that has reported `before` reports `now`. */
export function addUsage(sums: TaskUsage, before: Usage | null, now: Usage): TaskUsage {
  return {
    inputTokens: add(sums.inputTokens, before?.inputTokens ?? null, now.inputTokens),
    outputTokens: add(sums.outputTokens, before?.outputTokens ?? null, now.outputTokens),
    costUsd: add(sums.costUsd, before?.costUsd ?? null, now.costUsd),
    unknownAttempts: sums.unknownAttempts,
  };
}

function add(sum: number | null, before: number | null, now: number | null): number | null {
  return now === null ? sum : (sum ?? 0) - (before ?? 0) + now;
}

/** Whether an attempt that has ended with this left something unsaid. */
export function isUnknown(usage: Usage | null): boolean {
  return usage === null || usage.inputTokens === null || usage.outputTokens === null || usage.costUsd === null;
}
