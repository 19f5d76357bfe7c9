/**
 * Tools of tasks, for those who submit: task_orchestrate, task_status, task_list, task_wait, task_results, task_cancel,
 * task_decide.
 */
import type { PhaseRequest as CorePhaseRequest, TaskRequest } from '../core/command.ts';
import type { Json } from '../core/json.ts';
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import type { Budget, Priority, RetryPolicy } from '../core/state.ts';
import type {
  PhaseRequest,
  TaskCancelArguments,
  TaskDecideArguments,
  TaskListArguments,
  TaskOrchestrateArguments,
  TaskResultsArguments,
  TaskStatusArguments,
  TaskWaitArguments,
} from '../spec.types.ts';
import { deciderIn, submitWaiting, swarmOf, waited, withRequestId } from './calling.ts';
import type { Caller, Handler, Services } from './tool.ts';

type Execution = NonNullable<TaskOrchestrateArguments['execution']>;
type Described = Exclude<TaskOrchestrateArguments['task'], string>;

const listedByDefault = 50;
const waitSecondsByDefault = 30;
const maxAttemptsByDefault = 3;
const retryDelayMsByDefault = 100;
const retryDelayMsMax = 30_000;

export const taskOrchestrate: Handler<TaskOrchestrateArguments> = async (call) => {
  const { args, services } = call;
  const swarmId = swarmOf({ ...call, args: args.swarmId === undefined ? {} : { swarmId: args.swarmId } });
  if (typeof swarmId !== 'string') return swarmId;
  const unheeded = refuseRetries(args.execution ?? {});
  if (unheeded !== null) return unheeded;
  const task = taskRequest(args, services.defaults);
  const answer = await services.coordinator.submit(
    swarmId,
    withRequestId({ type: 'task_orchestrate', task, ...submitter(swarmId, call.caller) }, args),
  );
  if (isRefusal(answer)) return answer;
  const { active, most } = services.connections();
  return Object.assign({}, answer, { mcpConnections: { active, poolUtilization: active / most } });
};

/** The only agent as which the connection acts, if it is of the swarm; one that acts as several submits as none. */
function submitter(swarmId: string, { acting }: Caller): { readonly from?: string } {
  const [only, another] = acting;
  return only?.[1].swarmId === swarmId && another === undefined ? { from: only[0] } : {};
}

function taskRequest(args: TaskOrchestrateArguments, defaults: Services['defaults']): TaskRequest {
  const task: Described = typeof args.task === 'string' ? { description: args.task } : args.task;
  const execution = args.execution ?? {};
  return {
    description: task.description,
    priority: priority(task.priority ?? args.priority),
    strategy: task.strategy ?? args.strategy ?? null,
    input: task.input as Json | undefined,
    items: (task.items as Json[] | undefined) ?? null,
    requiredCapabilities: task.requiredCapabilities ?? [],
    agentType: task.agentType ?? null,
    parallelism: task.parallelism ?? null,
    phases: task.phases?.map(phaseRequest) ?? null,
    planned: task.plan === 'agent',
    aggregation: execution.resultAggregation ?? null,
    consensusRequired: task.consensusRequired ?? false,
    consensusThreshold: task.consensusThreshold ?? null,
    failureThreshold: execution.failureThreshold ?? null,
    voteKey: task.voteKey ?? null,
    votingMechanism: execution.votingMechanism ?? null,
    conflictResolution: execution.conflictResolution ?? null,
    lead: execution.aheadBy ?? null,
    maxVotes: execution.maxVotes ?? null,
    retry: retryPolicy(execution),
    timeoutMs: task.timeout === undefined ? defaults.attemptTimeoutMs : task.timeout * 1000,
    deadlineMs: task.deadline === undefined ? defaults.taskDeadlineMs : task.deadline * 1000,
    budget: budget(execution),
  };
}

export function phaseRequest(phase: PhaseRequest): CorePhaseRequest {
  return {
    name: phase.name,
    description: phase.description ?? null,
    dependencies: phase.dependencies ?? [],
    requiredCapabilities: phase.requiredCapabilities ?? null,
    agentType: phase.agentType ?? null,
    parallelism: phase.parallelism ?? null,
    aggregation: phase.resultAggregation ?? null,
    timeoutMs: phase.timeout === undefined ? null : phase.timeout * 1000,
    input: phase.input as Json | undefined,
    select: phase.select ?? null,
  };
}

function budget({ maxCostUsd, maxTokens }: NonNullable<TaskOrchestrateArguments['execution']>): Budget | null {
  if (maxCostUsd === undefined && maxTokens === undefined) return null;
  return { maxCostUsd: maxCostUsd ?? null, maxTokens: maxTokens ?? null };
}

function priority(asked: string | undefined): Priority {
  return asked === undefined || asked === 'medium' ? 'normal' : (asked as Priority);
}

function refuseRetries({ retryPolicy: kind, maxAttempts, retryDelay }: Execution): Refusal | null {
  const given =
    retryDelay !== undefined ? 'retryDelay' : maxAttempts !== undefined && maxAttempts > 1 ? 'maxAttempts' : null;
  if (kind !== 'none' || given === null) return null;
  return refuse('invalid_arguments', `${given} has no effect on this task: it needs a retryPolicy other than none`, {
    setting: given,
  });
}

function retryPolicy(execution: Execution): RetryPolicy {
  const kind = execution.retryPolicy ?? 'exponential_backoff';
  return {
    kind,
    maxAttempts: kind === 'none' ? 1 : (execution.maxAttempts ?? maxAttemptsByDefault),
    initialMs: execution.retryDelay ?? retryDelayMsByDefault,
    maxMs: Math.max(retryDelayMsMax, execution.retryDelay ?? 0),
  };
}

export const taskStatus: Handler<TaskStatusArguments> = async (call) => {
  const { taskId } = call.args;
  if (taskId === undefined) return taskList(call);
  const swarmId = swarmOf(call, 'tasks');
  if (typeof swarmId !== 'string') return swarmId;
  return call.services.coordinator.submit(swarmId, { type: 'task_status', taskId });
};

export const taskList: Handler<TaskListArguments> = async (call) => {
  const swarmId = swarmOf(call);
  if (typeof swarmId !== 'string') return swarmId;
  const { filter = 'all', limit = listedByDefault, cursor = null } = call.args;
  return call.services.coordinator.submit(swarmId, { type: 'task_list', filter, limit, cursor });
};

export const taskWait: Handler<TaskWaitArguments> = async (call) => {
  const swarmId = swarmOf(call, 'tasks');
  if (typeof swarmId !== 'string') return swarmId;
  const { taskId, waitSeconds = waitSecondsByDefault } = call.args;
  const answer = await submitWaiting(call, swarmId, { type: 'task_wait', taskId }, waitSeconds);
  if (isRefusal(answer) || (answer as { ended: boolean }).ended) return answer;
  return Object.assign({}, answer, { next: `not ended ${waited(call, waitSeconds)}: call task_wait again` });
};

export const taskResults: Handler<TaskResultsArguments> = async (call) => {
  const swarmId = swarmOf(call, 'tasks');
  if (typeof swarmId !== 'string') return swarmId;
  return call.services.coordinator.submit(swarmId, { type: 'task_results', taskId: call.args.taskId });
};

export const taskCancel: Handler<TaskCancelArguments> = async (call) => {
  const swarmId = swarmOf(call, 'tasks');
  if (typeof swarmId !== 'string') return swarmId;
  const { taskId, reason = null } = call.args;
  return call.services.coordinator.submit(swarmId, withRequestId({ type: 'task_cancel', taskId, reason }, call.args));
};

export const taskDecide: Handler<TaskDecideArguments> = async (call) => {
  const swarmId = swarmOf(call, 'tasks');
  if (typeof swarmId !== 'string') return swarmId;
  const { taskId, phase = null, choice = null, reject = false, reason = null } = call.args;
  if ((choice !== null) === reject) {
    return refuse(
      'invalid_arguments',
      'task_decide: say either choice, the assignment whose result counts, or reject: true',
    );
  }
  if (choice !== null && reason !== null) {
    return refuse('invalid_arguments', 'task_decide: reason has no effect on a choice: it says why all are rejected');
  }
  const decider = deciderIn(swarmId, call.caller);
  const command = { type: 'task_decide', taskId, phase, choice, reason, ...decider } as const;
  return call.services.coordinator.submit(swarmId, withRequestId(command, call.args));
};
