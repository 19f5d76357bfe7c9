/**
 * Rules of messages: at least once, in the order of their arrival per receiver, and so per sender and receiver, kept
 * until they are acknowledged or expire. A broadcast is one message in several inboxes: it is in all of them or, when
 * one is full, in none.
 */
import { actingAgent, refuseClosed, refuseUnknownAgent } from './acting.ts';
import type { CommandOf } from './command.ts';
import { blobsOnlyIn } from './index/inboxes.ts';
import { pendingFor } from './pending.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { happened, iso, type Decision, type Rule, type World } from './rule.ts';
import { agentClosedAt, isExpired, type Agent, type Message, type State } from './state.ts';
import { mayMessage, reachedBy } from './topology.ts';

export const agentMessage: Rule<'agent_message'> = (state, command, world) => {
  const sender = command.from === null ? null : actingAgent(state, command.from);
  if (sender !== null && isRefusal(sender)) return sender;
  return command.to === null
    ? broadcast(state, sender, command, world)
    : send(state, sender, command.to, command, world);
};

function send(
  state: State,
  sender: Agent | null,
  to: string,
  command: CommandOf<'agent_message'>,
  world: World,
): Refusal | Decision {
  const receiver = state.agents.get(to);
  if (receiver === undefined) return refuseUnknownAgent(state, to);
  if (agentClosedAt(receiver) !== null) return refuseClosed(receiver);
  const forbidden = mayMessage(state, sender, receiver);
  if (forbidden !== null) return forbidden;
  const full = refuseFullInbox(state, receiver);
  if (full !== null) return full;
  const message = written(sender, command, world);
  const seq = receiver.nextMessageSeq;
  return {
    events: [happened(world, { type: 'message_sent', ...message, to: receiver.id })],
    effects: [{ kind: 'wake', key: `messages:${receiver.id}` }],
    reply: (after) => Object.assign(describeSent(after, message, world.now), { agentId: receiver.id, seq }),
  };
}

function broadcast(
  state: State,
  sender: Agent | null,
  command: CommandOf<'agent_message'>,
  world: World,
): Refusal | Decision {
  const receivers = reachedBy(state, sender);
  if (receivers.length === 0) {
    return refuse('agent_not_found', `swarm ${state.swarm!.id} has no live agent that this broadcast could reach`);
  }
  for (const { agent } of receivers) {
    const full = refuseFullInbox(state, agent);
    if (full !== null) return full;
  }
  const message = written(sender, command, world);
  const stored = receivers.map(({ agent, hops }) => ({ agentId: agent.id, seq: agent.nextMessageSeq, hops }));
  return {
    events: [
      happened(world, {
        type: 'message_broadcast',
        ...message,
        receivers: receivers.map(({ agent, hops }) => ({ agentId: agent.id, hops })),
      }),
    ],
    effects: receivers.map(({ agent }) => ({ kind: 'wake', key: `messages:${agent.id}` })),
    reply: (after) => Object.assign(describeSent(after, message, world.now), { receivers: stored }),
  };
}

function refuseFullInbox(state: State, { id, inbox }: Agent): Refusal | null {
  const { inboxMessagesMax } = state.limits;
  if (inbox.length < inboxMessagesMax) return null;
  return refuse(
    'inbox_full',
    `agent ${id} has ${inbox.length} unacknowledged messages, which is the most: it has to acknowledge some with message_ack first`,
    { agentId: id, inboxMessagesMax },
  );
}

/** What is the same in every inbox. */
function written(sender: Agent | null, { message, replyTo, ttlMs }: CommandOf<'agent_message'>, world: World) {
  return {
    messageId: world.id('message'),
    from: sender?.id ?? null,
    replyTo,
    body: world.keep(message),
    ...(ttlMs !== null && { expiresAt: world.now + ttlMs }),
  };
}

function describeSent(state: State, { messageId, from, expiresAt }: ReturnType<typeof written>, now: number): object {
  const reply = { messageId, swarmId: state.swarm!.id, from, status: 'stored', sentAt: iso(now) };
  return Object.assign(
    reply,
    expiresAt === undefined ? null : { expiresAt: iso(expiresAt) },
    from === null ? null : { pending: pendingFor(state.agents.get(from)!, now) },
  );
}

export const messageNext: Rule<'message_next'> = (state, { actor, after, limit }, world) => {
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  const due = readable(agent, after, limit, world.now);
  return {
    ...(due.length === 0 && { idle: `messages:${agent.id}` as const }),
    reply: (state, show) => ({
      agentId: agent.id,
      messages: due.map((message) => Object.assign(describeMessage(message), { message: show(message.body) })),
      cursor: due.at(-1)?.seq ?? after,
      pending: pendingFor(state.agents.get(agent.id)!, world.now),
    }),
  };
};

/** As many as are asked for and fit into a reply, but at least one: the cursor tells where to go on. */
function readable({ inbox }: Agent, after: number, limit: number, now: number): Message[] {
  const found: Message[] = [];
  let left = readBytesMax;
  for (const message of inbox) {
    if (message.seq <= after || isExpired(message, now)) continue;
    left -= 'json' in message.body ? JSON.stringify(message.body.json).length : message.body.bytes;
    if (found.length > 0 && (found.length === limit || left < 0)) break;
    found.push(message);
  }
  return found;
}

/** Of the bodies of messages that are read at once. */
const readBytesMax = 4 * 1024 * 1024;

function describeMessage({ id, seq, from, sentAt, replyTo, expiresAt, hops }: Message): object {
  return Object.assign(
    { messageId: id, seq, from, sentAt: iso(sentAt), replyTo },
    expiresAt === undefined ? null : { expiresAt: iso(expiresAt) },
    hops === undefined ? null : { hops },
  );
}

export const messageAck: Rule<'message_ack'> = (state, { actor, upTo }, world) => {
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  const acknowledged = agent.inbox.filter((message) => message.seq <= upTo);
  return {
    events:
      acknowledged.length === 0
        ? []
        : [
            happened(world, {
              type: 'messages_acknowledged',
              agentId: agent.id,
              upTo,
              blobs: blobsOf(state, acknowledged),
            }),
          ],
    reply: (after) => ({
      agentId: agent.id,
      acknowledged: acknowledged.length,
      pending: pendingFor(after.agents.get(agent.id)!, world.now),
    }),
  };
};

/** The first of the agent's messages has come to its time, and maybe others with it. */
export function inboxDue(state: State, agent: Agent, world: World): Decision {
  const expired = agent.inbox.filter((message) => isExpired(message, world.now));
  const messageIds = expired.map(({ id }) => id);
  return {
    events: [
      happened(world, { type: 'messages_expired', agentId: agent.id, messageIds, blobs: blobsOf(state, expired) }),
    ],
  };
}

function blobsOf(state: State, messages: readonly Message[]): string[] {
  return blobsOnlyIn(
    state,
    messages.map(({ body }) => body),
  );
}
