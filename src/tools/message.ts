/** Tools of messages: agent_message, message_next, message_ack. */
import type { Json } from '../core/json.ts';
import { isRefusal } from '../core/refusal.ts';
import type { AgentMessageArguments, MessageAckArguments, MessageNextArguments } from '../spec.types.ts';
import { actingAs, submitActing, swarmOf, withRequestId } from './calling.ts';
import type { Handler } from './tool.ts';

const messagesByDefault = 50;
const waitSecondsByDefault = 30;

/** Anyone may send; a connection that acts as agents sends as one of them. */
export const agentMessage: Handler<AgentMessageArguments> = async (call) => {
  const { args, caller, services } = call;
  const swarmId = await swarmOf(call, 'agents');
  if (typeof swarmId !== 'string') return swarmId;
  const sender = args.from === undefined && caller.acting.size === 0 ? null : await actingAs(caller, args.from);
  if (sender !== null && isRefusal(sender)) return sender;
  const { agentId: to, message, replyTo = null } = args;
  return services.coordinator.submit(
    swarmId,
    withRequestId({ type: 'agent_message', from: sender?.actor ?? null, to, message: message as Json, replyTo }, args),
  );
};

export const messageNext: Handler<MessageNextArguments> = async (call) => {
  const { cursor = 0, limit = messagesByDefault, waitSeconds = waitSecondsByDefault } = call.args;
  return submitActing(call, (actor) => ({ type: 'message_next', actor, after: cursor, limit }), waitSeconds);
};

export const messageAck: Handler<MessageAckArguments> = async (call) =>
  submitActing(call, (actor) => ({ type: 'message_ack', actor, upTo: call.args.cursor }));
