/** Tools of approvals: approve, approval_decide. */
import type { JsonObject } from '../core/json.ts';
import { isRefusal, refuse, type RefusalReason } from '../core/refusal.ts';
import type { ApprovalDecideArguments, ApproveArguments } from '../spec.types.ts';
import { actingAs, deciderIn, newestSwarm, submitActing, whileWaiting, withRequestId } from './calling.ts';
import type { Answer, Call, Handler } from './tool.ts';

/** A program that asks for permission knows allow and deny, and nothing else. */
const waitSecondsByDefault = 86_400;

interface Approval {
  readonly approvalId: string;
  readonly behavior: 'allow' | 'deny' | 'waiting';
  readonly updatedInput?: object;
  readonly message?: string;
  readonly askAgainMs?: number;
  readonly pending?: object;
}

export const approve: Handler<ApproveArguments> = async (call) => {
  const { tool_name: tool, assignmentId = null, tool_use_id: toolUseId = null } = call.args;
  const input = call.args.input as JsonObject;
  const asked = await submitActing(call, (actor) => ({ type: 'approve', actor, assignmentId, tool, input, toolUseId }));
  const approval = isRefusal(asked) ? asked : await answerOf(call, asked as Approval);
  if (isRefusal(approval)) return approval;
  const { approvalId, behavior, updatedInput = input, message, pending } = approval as Approval;
  const rest = { approvalId, ...(pending !== undefined && { pending }) };
  switch (behavior) {
    case 'allow':
      return { behavior, updatedInput, ...rest };
    case 'deny':
      return { behavior, message, ...rest };
    case 'waiting':
      if (call.args.waitSeconds !== undefined) return { behavior, ...rest };
      return { behavior: 'deny', message: 'nobody has answered within a day', ...rest };
  }
};

/** Nobody acts as the agent any more: what it has asked for is over. */
const ending: ReadonlySet<string> = new Set<RefusalReason>([
  'lease_lost',
  'agent_closed',
  'agent_not_found',
  'swarm_destroyed',
]);

/** Asks again often enough for the agent's leases: whoever is there and waits is alive. */
async function answerOf(call: Call<ApproveArguments>, first: Approval): Promise<Answer> {
  const { args, caller, services, signal } = call;
  const waitSeconds =
    args.waitSeconds === undefined ? waitSecondsByDefault : Math.min(args.waitSeconds, call.waitSecondsMax);
  if (first.behavior !== 'waiting' || waitSeconds === 0) return first;
  return whileWaiting(call, waitSeconds, async (until) => {
    let approval = first;
    while (approval.behavior === 'waiting' && services.now() < until) {
      const acting = actingAs(caller, args.agentId, args.token);
      if (isRefusal(acting)) return acting;
      const answer = await services.coordinator.submit(
        acting.swarmId,
        { type: 'approval_wait', actor: acting.actor, approvalId: first.approvalId },
        { until: Math.min(until, services.now() + approval.askAgainMs!), signal },
      );
      if (!isRefusal(answer)) approval = answer as Approval;
      else if (!ending.has(answer.refused)) return answer;
      else return { approvalId: first.approvalId, behavior: 'deny', message: answer.message };
    }
    return approval;
  });
}

export const approvalDecide: Handler<ApprovalDecideArguments> = async ({ args, caller, services }) => {
  const { approvalId, behavior, message = null } = args;
  const updatedInput = (args.updatedInput as JsonObject | undefined) ?? null;
  const unheeded = behavior === 'allow' ? message !== null && 'message' : updatedInput !== null && 'updatedInput';
  if (unheeded !== false) {
    return refuse('invalid_arguments', `approval_decide: ${unheeded} has no effect on behavior ${behavior}`, {
      setting: unheeded,
    });
  }
  const swarmId =
    args.swarmId ?? services.coordinator.swarmOf('approvals', approvalId) ?? newestSwarm(caller, services);
  if (typeof swarmId !== 'string') return swarmId;
  const decider = deciderIn(swarmId, caller);
  const command = { type: 'approval_decide', approvalId, behavior, message, updatedInput, ...decider } as const;
  return services.coordinator.submit(swarmId, withRequestId(command, args));
};
