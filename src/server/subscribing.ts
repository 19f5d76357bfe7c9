/** The methods `subscribe` and `unsubscribe`. Protocol: section "Events" of protocol/README.md. */
import type { TurnedDown } from '../dialects/dialect.ts';
import type { Log } from '../observe/log.ts';
import { newestSwarm, type Services } from '../tools/index.ts';
import type { Session } from './session.ts';
import { Subscription } from './subscription.ts';

let subscribed = 0;

export async function subscribe(
  params: unknown,
  session: Session,
  services: Services,
  log: Log,
  subscriptionsMax: number,
): Promise<string | TurnedDown> {
  const asked = params as { readonly swarmId?: string; readonly from?: number };
  const { coordinator } = services;
  const swarmId = asked.swarmId ?? newestSwarm(session.caller, services);
  if (typeof swarmId !== 'string') return swarmId;
  const summary = coordinator.summary(swarmId);
  if (summary === undefined) return coordinator.refuseUnknown(swarmId);
  const from = asked.from ?? summary.version;
  if (from > summary.version) {
    return {
      refused: 'invalid_arguments',
      message: `from is ${from}, but swarm ${swarmId} is at version ${summary.version}: pass the version of the last event seen`,
      data: { version: summary.version },
    };
  }
  const feed = coordinator.feed(swarmId, from);
  const oldest = await feed.trimmed();
  if (oldest !== null) {
    return {
      refused: 'history_trimmed',
      message: `events after version ${from} are no longer kept: subscribe from ${oldest}, after looking at swarm_status and task_list`,
      data: { oldest },
    };
  }
  // Nothing is awaited between this check and the new entry: many may be on their way at once.
  if (session.subscriptions.size >= subscriptionsMax) {
    return {
      refused: 'wait_limit',
      message: `this connection has ${subscriptionsMax} subscriptions, which is the most: end one with unsubscribe`,
    };
  }
  subscribed += 1;
  const subscription = new Subscription(`sub_${subscribed}`, swarmId, feed);
  if (session.signal.aborted) return { refused: 'internal_error', message: 'the connection is gone' };
  session.subscriptions.set(subscription.id, subscription);
  void subscription.run(session, log).finally(() => session.subscriptions.delete(subscription.id));
  return JSON.stringify({ swarmId, subscriptionId: subscription.id, from });
}

export function unsubscribe(params: unknown, session: Session): string | TurnedDown {
  const { subscriptionId, swarmId } = params as { readonly subscriptionId?: string; readonly swarmId?: string };
  if (subscriptionId === undefined && swarmId === undefined) {
    return { refused: 'invalid_arguments', message: 'unsubscribe: name a subscriptionId or a swarmId' };
  }
  let ended = 0;
  for (const subscription of [...session.subscriptions.values()]) {
    if (subscription.id !== subscriptionId && subscription.swarmId !== swarmId) continue;
    subscription.end();
    session.subscriptions.delete(subscription.id);
    ended += 1;
  }
  return JSON.stringify({ ended });
}
