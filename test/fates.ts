/** What became of a swarm's tasks, as its events tell: how each ended, and how long it waited for its first claim. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Priority } from '../src/core/state.ts';

export const priorities: readonly Priority[] = ['critical', 'high', 'normal', 'low'];

const ways = ['completed', 'failed', 'cancelled'] as const;

export interface Fate {
  readonly priority: Priority;
  readonly acceptedAt: number;
  /** Its first claim; null: it was never claimed. */
  claimedAt: number | null;
  /** The status in each of its task_ended events. */
  readonly ends: string[];
}

/** An event of the core, or one that a subscriber sees. */
interface Seen {
  readonly type: string;
  readonly at: number | string;
  readonly taskId?: unknown;
  readonly assignmentId?: unknown;
  readonly priority?: unknown;
  readonly status?: unknown;
}

export type Fates = Map<string, Fate>;

export function taskOf(assignmentId: string): string {
  return assignmentId.slice(0, assignmentId.indexOf('/'));
}

/** Brings the fates up to date with the next event. */
export function follow(fates: Fates, event: Seen): void {
  const at = new Date(event.at).getTime();
  switch (event.type) {
    case 'task_accepted':
      fates.set(event.taskId as string, {
        priority: event.priority as Priority,
        acceptedAt: at,
        claimedAt: null,
        ends: [],
      });
      break;
    case 'assignment_claimed':
      fates.get(taskOf(event.assignmentId as string))!.claimedAt ??= at;
      break;
    case 'task_ended':
      fates.get(event.taskId as string)!.ends.push(event.status as string);
  }
}

/** So many tasks there were; each has ended once; and every way to end has been seen. */
export function assertAllEndedOnce(fates: Fates, tasks: number): void {
  assert.equal(fates.size, tasks);
  for (const [taskId, { ends }] of fates) assert.equal(ends.length, 1, `${taskId} has ended: ${ends.join(', ')}`);
  const counts = countEnds(fates);
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    tasks,
    `ended as ${ways.join(', ')}: ${counts.join(', ')}`,
  );
  ways.forEach((way, index) => assert.ok(counts[index]! > 0, `no task was ${way}`));
}

function countEnds(fates: Fates): number[] {
  return ways.map((way) => [...fates.values()].filter(({ ends }) => ends[0] === way).length);
}

/** Waiting times in ms, by nearest rank. A task that was cancelled before anybody claimed it has none. */
export interface Waiting {
  readonly priority: Priority;
  readonly tasks: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export function waitingOf(fates: Fates, priority: Priority): Waiting {
  const waited = [...fates.values()]
    .flatMap((fate) => (fate.priority === priority && fate.claimedAt !== null ? fate.claimedAt - fate.acceptedAt : []))
    .sort((a, b) => a - b);
  assert.ok(waited.length > 0, `no task of priority ${priority} was claimed`);
  const percentile = (share: number): number => waited[Math.ceil(share * waited.length) - 1]!;
  return {
    priority,
    tasks: waited.length,
    p50: percentile(0.5),
    p90: percentile(0.9),
    p99: percentile(0.99),
    max: percentile(1),
  };
}

export function show(t: TestContext, title: string, fates: Fates): void {
  t.diagnostic(
    `${title}: ${countEnds(fates)
      .map((count, index) => `${count} ${ways[index]}`)
      .join(', ')}`,
  );
  const columns = ['tasks', 'p50', 'p90', 'p99', 'max'] as const;
  t.diagnostic(`waited, s  ${columns.map((column) => column.padStart(8)).join('')}`);
  for (const priority of priorities) {
    const { tasks, ...waited } = waitingOf(fates, priority);
    const seconds = columns.slice(1).map((column) => (waited[column as 'max'] / 1000).toFixed(2));
    t.diagnostic(`${priority.padEnd(11)}${[String(tasks), ...seconds].map((cell) => cell.padStart(8)).join('')}`);
  }
}
