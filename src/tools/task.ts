/** Tools of tasks, for those who submit: task_orchestrate, task_status, task_list, task_wait, task_results, task_cancel. */
import type { PhaseRequest as CorePhaseRequest, TaskRequest } from '../core/command.ts';
import type { Json } from '../core/json.ts';
import { isRefusal } from '../core/refusal.ts';
import type { Budget, Priority, RetryPolicy } from '../core/state.ts';
import type {
  PhaseRequest,
  TaskCancelArguments,
  TaskListArguments,
  TaskOrchestrateArguments,
  TaskResultsArguments,
  TaskStatusArguments,
  TaskWaitArguments,
} from '../spec.types.ts';
import { submitWaiting, swarmOf, withRequestId } from './calling.ts';
import { supported, translated } from './settings.ts';
import type { Handler, Services } from './tool.ts';

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
  const task = translated(() => taskRequest(args, services.defaults));
  if (isRefusal(task)) return task;
  const answer = await services.coordinator.submit(swarmId, withRequestId({ type: 'task_orchestrate', task }, args));
  if (isRefusal(answer)) return answer;
  const { active, most } = services.connections();
  return Object.assign({}, answer, { mcpConnections: { active, poolUtilization: active / most } });
};

function taskRequest(args: TaskOrchestrateArguments, defaults: Services['defaults']): TaskRequest {
  const task: Described = typeof args.task === 'string' ? { description: args.task } : args.task;
  const execution = args.execution ?? {};
  supported('votingMechanism', execution.votingMechanism);
  supported('conflictResolution', execution.conflictResolution);
  return {
    description: task.description,
    priority: priority(task.priority ?? args.priority),
    strategy: supported('strategy', task.strategy ?? args.strategy),
    input: task.input as Json | undefined,
    requiredCapabilities: task.requiredCapabilities ?? [],
    agentType: task.agentType ?? null,
    parallelism: task.parallelism ?? null,
    phases: task.phases?.map(phaseRequest) ?? null,
    aggregation: supported('resultAggregation', execution.resultAggregation),
    consensusRequired: task.consensusRequired ?? false,
    consensusThreshold: task.consensusThreshold ?? null,
    failureThreshold: execution.failureThreshold ?? null,
    voteKey: task.voteKey ?? null,
    retry: retryPolicy(execution),
    timeoutMs: task.timeout === undefined ? defaults.attemptTimeoutMs : task.timeout * 1000,
    deadlineMs: task.deadline === undefined ? defaults.taskDeadlineMs : task.deadline * 1000,
    budget: budget(execution),
  };
}

function phaseRequest(phase: PhaseRequest): CorePhaseRequest {
  return {
    name: phase.name,
    description: phase.description ?? null,
    dependencies: phase.dependencies ?? [],
    requiredCapabilities: phase.requiredCapabilities ?? null,
    agentType: phase.agentType ?? null,
    parallelism: phase.parallelism ?? null,
    aggregation: supported('resultAggregation', phase.resultAggregation),
    timeoutMs: phase.timeout === undefined ? null : phase.timeout * 1000,
    input: phase.input as Json | undefined,
  };
}

function budget({ maxCostUsd, maxTokens }: NonNullable<TaskOrchestrateArguments['execution']>): Budget | null {
  if (maxCostUsd === undefined && maxTokens === undefined) return null;
  return { maxCostUsd: maxCostUsd ?? null, maxTokens: maxTokens ?? null };
}

function priority(asked: string | undefined): Priority {
  return asked === undefined || asked === 'medium' ? 'normal' : (asked as Priority);
}

function retryPolicy(execution: NonNullable<TaskOrchestrateArguments['execution']>): RetryPolicy {
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
  return submitWaiting(call, swarmId, { type: 'task_wait', taskId }, waitSeconds);
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
