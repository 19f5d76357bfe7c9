/** What the attempts of each task have used, added up from what they reported and nothing else. */
import type { Budget, Usage } from '../../../src/core/state.ts';

export class Spending {
  /** The newest report of each attempt, by task. */
  readonly #reports = new Map<string, Map<string, Usage>>();

  /** What it does not speak of stays as it was. */
  report(taskId: string, attempt: string, usage: Usage | null): void {
    if (usage === null) return;
    let ofTask = this.#reports.get(taskId);
    if (ofTask === undefined) this.#reports.set(taskId, (ofTask = new Map()));
    const before = ofTask.get(attempt);
    ofTask.set(attempt, {
      inputTokens: usage.inputTokens ?? before?.inputTokens ?? null,
      outputTokens: usage.outputTokens ?? before?.outputTokens ?? null,
      costUsd: usage.costUsd ?? before?.costUsd ?? null,
    });
  }

  exceeds(taskId: string, budget: Budget | null): boolean {
    if (budget === null) return false;
    let tokens = 0;
    let costUsd = 0;
    for (const usage of this.#reports.get(taskId)?.values() ?? []) {
      tokens += (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
      costUsd += usage.costUsd ?? 0;
    }
    return tokens >= (budget.maxTokens ?? Infinity) || costUsd >= (budget.maxCostUsd ?? Infinity);
  }

  clear(): void {
    this.#reports.clear();
  }
}
