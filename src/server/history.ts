/** A page of a swarm's events, for those who look at them and do not follow them. */
import type { Coordinator } from '../coordinator/coordinator.ts';
import { refuse } from '../core/refusal.ts';
import type { TurnedDown } from '../dialects/dialect.ts';

/** As many as a feed reads at once. */
const newestEvents = 64;

/** The events after version `from`, the oldest of them first; null: the newest. */
export async function readEvents(
  coordinator: Coordinator,
  swarmId: string,
  from: number | null,
): Promise<object | TurnedDown> {
  const summary = coordinator.summary(swarmId);
  if (summary === undefined) return coordinator.refuseUnknown(swarmId);
  const { version } = summary;
  const after = from ?? Math.max(0, version - newestEvents);
  if (after >= version) return { swarmId, version, events: [] };
  const page = await pageAfter(coordinator, swarmId, after);
  if (page === null) return coordinator.refuseUnknown(swarmId);
  if (!('oldest' in page)) return { swarmId, version, events: page };
  const { oldest } = page;
  if (from === null) return readEvents(coordinator, swarmId, oldest);
  const message = `events after version ${from} are no longer kept: the oldest that are come after ${oldest}`;
  return refuse('history_trimmed', message, { oldest });
}

async function pageAfter(coordinator: Coordinator, swarmId: string, from: number) {
  const feed = coordinator.feed(swarmId, from);
  try {
    return await feed.next();
  } finally {
    feed.close();
  }
}
