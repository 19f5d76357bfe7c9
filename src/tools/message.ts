/** Tools of messages: agent_message, message_next, message_ack. */
import type { Json } from '../core/json.ts';
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import type { AgentMessageArguments, MessageAckArguments, MessageNextArguments } from '../spec.types.ts';
import { actingAs, submitActing, swarmOf, waited, withRequestId } from './calling.ts';
import type { Call, Caller, Handler } from './tool.ts';

const messagesByDefault = 50;
const waitSecondsByDefault = 30;

/** Anyone may send; a connection that acts as agents sends as one of them. */
export const agentMessage: Handler<AgentMessageArguments> = async (call) => {
  const { args, caller, services } = call;
  const swarmId = swarmToSendIn(call);
  if (typeof swarmId !== 'string') return swarmId;
  const sender = senderIn(swarmId, caller, args);
  if (sender !== null && isRefusal(sender)) return sender;
  const { agentId: to = null, broadcast = false, message, replyTo = null, ttl } = args;
  if ((to === null) !== broadcast) {
    return refuse('invalid_arguments', 'name the receiver with agentId, or set broadcast to true: one of the two');
  }
  const from = sender?.actor ?? null;
  const ttlMs = ttl === undefined ? null : Math.ceil(ttl * 1000);
  return services.coordinator.submit(
    swarmId,
    withRequestId({ type: 'agent_message', from, to, message: message as Json, replyTo, ttlMs }, args),
  );
};

/** A broadcast is for the swarm of its sender. */
function swarmToSendIn(call: Call<AgentMessageArguments>): string | Refusal {
  const { args, caller } = call;
  if (args.agentId === undefined && args.swarmId === undefined) {
    const [only, another] = caller.acting.values();
    const named = args.from !== undefined || args.token !== undefined;
    const sender = named ? actingAs(caller, args.from, args.token, 'from') : another === undefined ? only : undefined;
    if (sender !== undefined && !isRefusal(sender)) return sender.swarmId;
  }
  return swarmOf(call, 'agents');
}

/** A connection that acts as no agent of the receiver's swarm sends as nobody, unless it says as whom. */
function senderIn(
  swarmId: string,
  caller: Caller,
  { from, token }: AgentMessageArguments,
): ReturnType<typeof actingAs> | null {
  if (from !== undefined || token !== undefined) {
    const acting = actingAs(caller, from, token, 'from');
    if (isRefusal(acting) || acting.swarmId === swarmId) return acting;
    const { agentId } = acting.actor;
    return refuse(
      'not_joined',
      `agent ${agentId} is of swarm ${acting.swarmId}: it cannot send to an agent of ${swarmId}`,
      { agentId },
    );
  }
  const here = [...caller.acting.values()].filter((acting) => acting.swarmId === swarmId);
  return here.length <= 1 ? (here[0] ?? null) : actingAs(caller, undefined, undefined, 'from');
}

export const messageNext: Handler<MessageNextArguments> = async (call) => {
  const { cursor = 0, limit = messagesByDefault, waitSeconds = waitSecondsByDefault } = call.args;
  const answer = await submitActing(
    call,
    (actor) => ({ type: 'message_next', actor, after: cursor, limit }),
    waitSeconds,
  );
  if (isRefusal(answer) || (answer as { messages: readonly unknown[] }).messages.length > 0) return answer;
  const next = `no message ${waited(call, waitSeconds)}: call message_next again if you wait for one`;
  return Object.assign({}, answer, { next });
};

export const messageAck: Handler<MessageAckArguments> = async (call) =>
  submitActing(call, (actor) => ({ type: 'message_ack', actor, upTo: call.args.cursor }));
