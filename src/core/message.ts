/**
 * Rules of messages between agents: at least once, in order of arrival per receiver, kept until acknowledged.
 */
import { actingAgent, refuseClosed, refuseUnknownAgent } from './agent.ts';
import { agentClosedAt } from './index.ts';
import { pendingFor } from './pending.ts';
import { isRefusal, refuse } from './refusal.ts';
import { blobsOf } from './retention.ts';
import { happened, iso, type Rule } from './rule.ts';

export const agentMessage: Rule<'agent_message'> = (state, command, world) => {
  const sender = command.from === null ? null : actingAgent(state, command.from);
  if (sender !== null && isRefusal(sender)) return sender;
  const receiver = state.agents.get(command.to);
  if (receiver === undefined) return refuseUnknownAgent(state, command.to);
  if (agentClosedAt(receiver) !== null) return refuseClosed(receiver);
  if (receiver.inbox.length >= state.limits.inboxMessagesMax) {
    return refuse(
      'inbox_full',
      `agent ${receiver.id} has ${receiver.inbox.length} unacknowledged messages, which is the most: it has to acknowledge some with message_ack first`,
      { agentId: receiver.id, inboxMessagesMax: state.limits.inboxMessagesMax },
    );
  }
  const messageId = world.id('message');
  const seq = receiver.nextMessageSeq;
  return {
    events: [
      happened(world, {
        type: 'message_sent',
        messageId,
        from: sender?.id ?? null,
        to: receiver.id,
        replyTo: command.replyTo,
        body: world.keep(command.message),
      }),
    ],
    effects: [{ kind: 'wake', key: `messages:${receiver.id}` }],
    reply: () => ({
      messageId,
      swarmId: state.swarm!.id,
      agentId: receiver.id,
      from: sender?.id ?? null,
      seq,
      status: 'stored',
      sentAt: iso(world.now),
    }),
  };
};

export const messageNext: Rule<'message_next'> = (state, { actor, after, limit }, world) => {
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  const due = agent.inbox.filter((message) => message.seq > after).slice(0, limit);
  return {
    ...(due.length === 0 && { idle: `messages:${agent.id}` as const }),
    reply: (state, show) => ({
      agentId: agent.id,
      messages: due.map(({ id, seq, from, sentAt, replyTo, body }) => ({
        messageId: id,
        seq,
        from,
        sentAt: iso(sentAt),
        replyTo,
        message: show(body),
      })),
      cursor: due.at(-1)?.seq ?? after,
      pending: pendingFor(state.agents.get(agent.id)!, world.now),
    }),
  };
};

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
              blobs: acknowledged.flatMap(({ body }) => blobsOf(body)),
            }),
          ],
    reply: (after) => ({
      agentId: agent.id,
      acknowledged: acknowledged.length,
      pending: pendingFor(after.agents.get(agent.id)!, world.now),
    }),
  };
};
