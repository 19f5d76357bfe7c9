/**
 * Tools of those who work: swarm_join, swarm_leave, task_next, task_update, task_complete, task_fail, task_release.
 */
import type { CommandOf, Companion } from '../core/command.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import type { Usage } from '../core/state.ts';
import type {
  PhaseRequest,
  SwarmJoinArguments,
  SwarmLeaveArguments,
  TaskCompleteArguments,
  TaskFailArguments,
  TaskNextArguments,
  TaskReleaseArguments,
  TaskUpdateArguments,
} from '../spec.types.ts';
import { definition, validate } from '../spec.ts';
import { actingAs, newestSwarm, settle, submitActing, waited, withRequestId } from './calling.ts';
import { phaseRequest } from './task.ts';
import type { Answer, Call, Handler } from './tool.ts';

const waitSecondsByDefault = 30;

export const swarmJoin: Handler<SwarmJoinArguments> = async (call) => settle(call.caller, () => join(call));

async function join(call: Call<SwarmJoinArguments>): Promise<Answer> {
  const { args, caller, services } = call;
  const { assignmentId, leaseToken } = args;
  if (assignmentId !== undefined && leaseToken !== undefined) return accompany(call, { assignmentId, leaseToken });
  const named =
    args.swarmId ?? (args.token === undefined ? undefined : services.coordinator.swarmOf('tokens', args.token));
  const swarmId = named ?? newestSwarm(caller, services);
  if (typeof swarmId !== 'string') return swarmId;
  const answer = await services.coordinator.submit(
    swarmId,
    withRequestId(
      {
        type: 'swarm_join',
        token: args.token ?? null,
        name: args.name ?? null,
        agentType: args.agentType ?? args.type ?? null,
        capabilities: args.capabilities ?? null,
        maxConcurrent: args.maxConcurrent ?? null,
        leaseMs: args.leaseSeconds === undefined ? null : args.leaseSeconds * 1000,
        ...(args.parent !== undefined && { parent: args.parent }),
        ...(caller.resumes && { resumes: true }),
      },
      args,
    ),
  );
  if (isRefusal(answer)) return answer;
  const { agentId, joins, resumeToken } = answer as { agentId: string; joins: number; resumeToken: string };
  caller.newestSwarm = swarmId;
  caller.joined({ swarmId, actor: { agentId, joins }, token: resumeToken });
  return answer;
}

const accompanying = new Set(['swarmId', 'assignmentId', 'leaseToken', 'requestId']);

/** Beside the worker that holds the claim, and without taking its place. */
async function accompany({ args, caller, services }: Call<SwarmJoinArguments>, claim: Companion['claim']) {
  const { assignmentId } = claim;
  const ineffective = Object.keys(args).find((name) => !accompanying.has(name));
  if (ineffective !== undefined) {
    return refuse(
      'invalid_arguments',
      `swarm_join: ${ineffective} has no effect beside assignmentId: who accompanies a claim acts as the agent that holds it, as it is`,
      { path: ineffective },
    );
  }
  const taskId = assignmentId.slice(0, assignmentId.indexOf('/'));
  const swarmId = args.swarmId ?? services.coordinator.swarmOf('tasks', taskId) ?? newestSwarm(caller, services);
  if (typeof swarmId !== 'string') return swarmId;
  const answer = await services.coordinator.submit(swarmId, { type: 'swarm_accompany', ...claim });
  if (isRefusal(answer)) return answer;
  const { agentId } = answer as { agentId: string };
  const before = caller.acting.get(agentId)?.actor;
  if (before !== undefined && 'joins' in before) {
    return refuse('invalid_arguments', `swarm_join: this connection is that of agent ${agentId}'s worker already`, {
      path: 'assignmentId',
    });
  }
  caller.newestSwarm = swarmId;
  caller.joined({ swarmId, actor: { agentId, claim }, token: claim.leaseToken });
  return answer;
}

export const swarmLeave: Handler<SwarmLeaveArguments> = async (call) => {
  const { reason = null } = call.args;
  const answer = await submitActing(call, (actor) => ({ type: 'swarm_leave', actor, reason }));
  if (!isRefusal(answer)) call.caller.left((answer as { agentId: string }).agentId);
  return answer;
};

export const taskNext: Handler<TaskNextArguments> = async (call) => {
  const { waitSeconds: asked = waitSecondsByDefault, idleExitAfter = Infinity } = call.args;
  const waitSeconds = Math.min(asked, idleExitAfter);
  const exit = idleExitAfter === Infinity ? {} : { idleExitMs: Math.ceil(idleExitAfter * 1000) };
  const answer = await submitActing(call, (actor) => ({ type: 'task_next', actor, ...exit }), waitSeconds);
  if (isRefusal(answer)) return answer;
  const { assignment, pending } = answer as {
    readonly assignment: { readonly assignmentId: string; readonly taskId: string; readonly leaseToken: string } | null;
    readonly pending: { readonly drain?: true };
  };
  if (assignment === null) {
    const again = `no work ${waited(call, waitSeconds)}: call task_next again`;
    const next = pending.drain === true ? 'there will be no more work: finish what you hold, then stop' : again;
    return Object.assign({}, answer, { next });
  }
  const { coordinator } = call.services;
  const { assignmentId, taskId, leaseToken } = assignment;
  call.undelivered = () => {
    const swarmId = coordinator.swarmOf('tasks', taskId);
    if (swarmId !== undefined) coordinator.report(swarmId, { type: 'claim_undelivered', assignmentId, leaseToken });
  };
  return answer;
};

/** Of JSON: what is shown with the task, again and again. */
const shownCharsMax = 4_096;

function refuseLong(tool: string, name: string, value: unknown): Refusal | null {
  if (value === undefined || JSON.stringify(value).length <= shownCharsMax) return null;
  return refuse(
    'invalid_arguments',
    `${tool}: ${name} is longer than ${shownCharsMax} characters of JSON: it is for people, and not for results`,
    { path: name },
  );
}

export const taskUpdate: Handler<TaskUpdateArguments> = async (call) => {
  const { progress, waitSeconds = 0 } = call.args;
  const usage = usageOf(call.args.usage);
  const claim = claimOf(call);
  if (isRefusal(claim)) return claim;
  const { assignmentId, leaseToken } = claim;
  const tooLong = refuseLong('task_update', 'progress', progress);
  if (tooLong !== null) return tooLong;
  return submitActing(
    call,
    (actor) => ({
      type: 'task_update',
      actor,
      assignmentId,
      leaseToken,
      progress: progress as Json | undefined,
      usage,
    }),
    waitSeconds,
  );
};

/** The claim that is named, else the one that the connection accompanies. */
function claimOf({ args, caller }: Call<TaskUpdateArguments>): Companion['claim'] | Refusal {
  const { assignmentId, leaseToken } = args;
  if (assignmentId !== undefined && leaseToken !== undefined) return { assignmentId, leaseToken };
  const acting = actingAs(caller, args.agentId, args.token);
  if (isRefusal(acting)) return acting;
  if ('claim' in acting.actor) return acting.actor.claim;
  return refuse(
    'invalid_arguments',
    'task_update: assignmentId and leaseToken are missing: give both as task_next returned them; only who accompanies a claim may leave them out',
    { path: 'assignmentId' },
  );
}

export const taskComplete: Handler<TaskCompleteArguments> = async (call) => {
  const { assignmentId, leaseToken, result, vote, details } = call.args;
  const usage = usageOf(call.args.usage);
  const plan = planIn(result);
  const tooLong = refuseLong('task_complete', 'details', details);
  if (tooLong !== null) return tooLong;
  return submitActing(call, (actor) => ({
    type: 'task_complete',
    actor,
    assignmentId,
    leaseToken,
    result: result as Json,
    vote: vote as Json | undefined,
    ...(plan !== null && { plan }),
    ...(details !== undefined && { details: details as JsonObject }),
    usage,
  }));
};

/** The phases in a result that has some: whether a plan was asked for is known to the core. */
function planIn(result: unknown): NonNullable<CommandOf<'task_complete'>['plan']> | null {
  if (typeof result !== 'object' || result === null || !('phases' in result)) return null;
  const problem = validate(planSchema, result);
  return problem === null ? (result.phases as PhaseRequest[]).map(phaseRequest) : { faulty: problem.message };
}

const planSchema = { type: 'object', properties: { phases: { type: 'array', items: definition('phaseRequest') } } };

export const taskFail: Handler<TaskFailArguments> = async (call) => {
  const { assignmentId, leaseToken, reason, message = null, retryable = true } = call.args;
  const details = (call.args.details ?? null) as JsonObject | null;
  const usage = usageOf(call.args.usage);
  return submitActing(call, (actor) => ({
    type: 'task_fail',
    actor,
    assignmentId,
    leaseToken,
    reason,
    message,
    details,
    retryable,
    usage,
  }));
};

export const taskRelease: Handler<TaskReleaseArguments> = async (call) => {
  const { assignmentId, leaseToken, reason = null } = call.args;
  return submitActing(call, (actor) => ({ type: 'task_release', actor, assignmentId, leaseToken, reason }));
};

/** What was not measured is null, never 0. */
function usageOf(usage: TaskCompleteArguments['usage']): Usage | null {
  if (usage === undefined) return null;
  const { inputTokens = null, outputTokens = null, costUsd = null } = usage;
  return { inputTokens, outputTokens, costUsd };
}
