/**
 * Rules of approvals: an agent asks whether it may do something, and a person allows or denies it.
 *
 * What is asked waits for as long as it takes. It ends with the claim that it is asked for, or with the agent where it
 * is asked for none; the clock of the attempt stands still meanwhile, that of its lease does not. The answer is kept for
 * an agent that was away when it was given and asks again.
 */
import { createHash } from 'node:crypto';
import { actingAgent } from './acting.ts';
import type { CommandOf } from './command.ts';
import { findAssignment } from './evolve.ts';
import type { Json, JsonObject } from './json.ts';
import { holding, onlyClaim } from './lease.ts';
import { pendingFor } from './pending.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { happened, iso, type Reply, type Rule } from './rule.ts';
import type { Agent, Approval, Assignment, State } from './state.ts';

/** Of JSON: what is longer is shown to people by its beginning. */
const inputCharsMax = 16_384;

/** Asked again with the same `toolUseId`, or while it waits, it is the same approval. */
export const approve: Rule<'approve'> = (state, command, world) => {
  const { actor, tool, toolUseId, input } = command;
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  const assignmentId = claimOf(state, agent, command, world.now);
  if (assignmentId !== null && typeof assignmentId !== 'string') return assignmentId;
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([tool, input]))
    .digest('base64url');
  const own = approvalsOf(state, agent);
  const same = own.find(
    (of) =>
      of.fingerprint === fingerprint &&
      of.toolUseId === toolUseId &&
      of.assignmentId === assignmentId &&
      (of.answer === null || toolUseId !== null),
  );
  if (same !== undefined) return { reply: answerFor(agent.id, same.id, world.now) };

  const { approvalsMax, waitingApprovalsMax } = state.limits;
  const forgotten = own.length < approvalsMax ? null : own.find(({ answer }) => answer !== null);
  const waiting = state.indexes.waitingApprovals.size;
  if (forgotten === undefined || waiting >= waitingApprovalsMax) {
    const who =
      forgotten === undefined ? `agent ${agent.id} waits for ${own.length}` : `the swarm waits for ${waiting}`;
    return refuse('approval_limit', `${who} approvals, which is the most: a person has to answer some of them first`, {
      approvalsMax,
      waitingApprovalsMax,
    });
  }
  const approvalId = world.id('approval');
  return {
    events: [
      happened(world, {
        type: 'approval_requested',
        approvalId,
        agentId: agent.id,
        assignmentId,
        tool,
        input: { json: shownInput(input) },
        toolUseId,
        fingerprint,
        forgets: forgotten === null ? [] : [forgotten.id],
      }),
    ],
    reply: answerFor(agent.id, approvalId, world.now),
  };
};

/** Follows `approve`, as long as whoever asked is there: what is over was not allowed. */
export const approvalWait: Rule<'approval_wait'> = (state, { actor, approvalId }, world) => {
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  const waits = state.indexes.waitingApprovals.has(approvalId);
  return { ...(waits && { idle: 'approvals' }), reply: answerFor(agent.id, approvalId, world.now) };
};

export const approvalDecide: Rule<'approval_decide'> = (state, command, world) => {
  const { approvalId, behavior, message, updatedInput } = command;
  const approval = state.approvals.get(approvalId);
  if (command.from !== undefined) {
    return refuse(
      'decision_is_human',
      `a person says what an agent may do: this connection acts as agent ${command.from}. Decide on one that acts as none`,
      { approvalId },
    );
  }
  if (approval === undefined) {
    return refuse(
      'approval_not_found',
      `nothing waits for approval ${approvalId}: what asked for it may be over. swarm_status shows what waits`,
      { approvalId },
    );
  }
  const { answer, agentId, assignmentId } = approval;
  if (answer !== null) {
    const how = answer.behavior === 'allow' ? 'allowed' : 'denied';
    return refuse('approval_answered', `approval ${approvalId} was ${how} at ${iso(answer.at)}: that stands`, {
      approvalId,
      behavior: answer.behavior,
    });
  }
  if (updatedInput !== null && JSON.stringify(updatedInput).length > inputCharsMax) {
    return refuse('invalid_arguments', `updatedInput is longer than ${inputCharsMax} characters of JSON`);
  }
  const asked = describeApproval(approval);
  return {
    events: [
      happened(world, {
        type: 'approval_decided',
        approvalId,
        agentId,
        assignmentId,
        behavior,
        message: behavior === 'deny' ? (message ?? 'denied by a person') : null,
        updatedInput,
      }),
    ],
    reply: ({ swarm }) => Object.assign(asked, { swarmId: swarm!.id, behavior }),
  };
};

/** For which claim it asks: the one that it names, else the caller's own, else the only one that the agent holds, else none. */
function claimOf(
  state: State,
  agent: Agent,
  { actor, assignmentId }: CommandOf<'approve'>,
  now: number,
): string | null | Refusal {
  const own = 'claim' in actor ? actor.claim : null;
  const id = assignmentId ?? own?.assignmentId ?? onlyClaim(state, agent, 'assignmentId for which of them it asks');
  if (typeof id !== 'string') return id;
  const work = findAssignment(state, id)?.assignment.work;
  const leaseToken = own?.leaseToken ?? (work?.status === 'claimed' ? work.leaseToken : '');
  const held = holding(state, { actor, assignmentId: id, leaseToken }, now, actingAgent);
  return isRefusal(held) ? held : id;
}

function shownInput(input: JsonObject): Json {
  const text = JSON.stringify(input);
  if (text.length <= inputCharsMax) return input;
  return { tooLarge: true, characters: text.length, begins: text.slice(0, inputCharsMax) };
}

// ---- replies

/** `waiting` until a person has answered; what has ended meanwhile nobody will answer any more. */
function answerFor(agentId: string, approvalId: string, now: number): Reply {
  return ({ agents, approvals }) => {
    const approval = approvals.get(approvalId);
    const agent = agents.get(agentId)!;
    const pending = pendingFor(agent, now);
    if (approval === undefined) {
      return { approvalId, behavior: 'deny', message: 'the work for which this was asked is over', pending };
    }
    const { answer } = approval;
    if (answer === null) return { approvalId, behavior: 'waiting', askAgainMs: agent.leaseMs / 3, pending };
    const { behavior, message, updatedInput } = answer;
    return behavior === 'deny'
      ? { approvalId, behavior, message, pending }
      : { approvalId, behavior, ...(updatedInput !== null && { updatedInput }), pending };
  };
}

export function describeApproval({ id, agentId, assignmentId, tool, input, at }: Approval): object {
  const taskId = assignmentId === null ? null : assignmentId.slice(0, assignmentId.indexOf('/'));
  return { approvalId: id, agentId, assignmentId, taskId, tool, input, since: iso(at) };
}

/** Oldest first. */
export function waitingApprovals({ approvals, indexes }: State): Approval[] {
  return Array.from(indexes.waitingApprovals, (id) => approvals.get(id)!);
}

/** What the holder of an assignment asks for it, and nobody has answered. */
export function waitingFor(state: State, { id, work }: Assignment): Approval[] {
  if (work.status !== 'claimed' || work.waits === undefined || work.waits.since === null) return [];
  return approvalsOf(state, state.agents.get(work.agentId)!).filter(
    ({ assignmentId, answer }) => assignmentId === id && answer === null,
  );
}

function approvalsOf(state: State, agent: Agent): Approval[] {
  const ids = state.indexes.agents.get(agent.id)?.approvals ?? [];
  return Array.from(ids, (id) => state.approvals.get(id)!);
}
