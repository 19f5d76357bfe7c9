/** Tells that something of a swarm has changed: for those who look again, and not for those who want each event. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Feed } from '../coordinator/feed.ts';
import { refuse } from '../core/refusal.ts';
import type { TurnedDown } from '../dialects/dialect.ts';
import type { Log } from '../observe/log.ts';

/** However much happens, it is told this often at most. */
const quietMs = 1_000;

export interface Watcher {
  /** null: of anything in the swarm. */
  readonly taskId: string | null;
  readonly onChange: () => void;
  /** Resolves when the watcher has room for more. */
  readonly writable: () => Promise<void>;
}

/** The function that is returned ends it. */
export function watchSwarm(
  coordinator: Coordinator,
  swarmId: string,
  watcher: Watcher,
  log: Log,
): (() => void) | TurnedDown {
  const summary = coordinator.summary(swarmId);
  if (summary === undefined) return coordinator.refuseUnknown(swarmId);
  const { taskId } = watcher;
  if (taskId !== null && coordinator.swarmOf('tasks', taskId) !== swarmId) {
    return refuse('task_not_found', `swarm ${swarmId} has no task ${taskId}: task_list shows those that there are`, {
      taskId,
    });
  }
  const end = new AbortController();
  let feed = coordinator.feed(swarmId, summary.version);
  const run = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const events = await feed.next();
      if (events === null) return;
      const isTrimmed = 'oldest' in events;
      if (isTrimmed) {
        feed.close();
        feed = coordinator.feed(swarmId, events.oldest);
      }
      if (!isTrimmed && !events.some((event) => concerns(event, watcher.taskId))) continue;
      await watcher.writable();
      if (end.signal.aborted) return;
      watcher.onChange();
      await sleep(quietMs, undefined, { signal: end.signal }).catch(() => {});
    }
  };
  run()
    .catch((error: unknown) => log.error({ swarmId, err: error }, 'watching failed'))
    .finally(() => feed.close());
  return () => {
    end.abort();
    feed.close();
  };
}

type PublicEvent = Extract<Awaited<ReturnType<Feed['next']>>, readonly unknown[]>[number];

function concerns(event: PublicEvent, taskId: string | null): boolean {
  if (taskId === null) return true;
  if ('taskId' in event && event.taskId === taskId) return true;
  return 'assignmentId' in event && String(event.assignmentId).startsWith(`${taskId}/`);
}
