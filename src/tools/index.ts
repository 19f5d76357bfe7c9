/** The table of tools: each tool of `protocol/tools` and who handles it. */
import { agentList, agentSpawn, agentStatus, agentStop } from './agent.ts';
import { approvalDecide, approve } from './approval.ts';
import { fileRelease, fileReserve } from './file.ts';
import { memoryDelete, memoryList, memoryRetrieve, memoryStore } from './memory.ts';
import { agentMessage, messageAck, messageNext } from './message.ts';
import { serverInfo } from './server.ts';
import { swarmDestroy, swarmInit, swarmList, swarmPause, swarmResume, swarmStatus } from './swarm.ts';
import { taskCancel, taskDecide, taskList, taskOrchestrate, taskResults, taskStatus, taskWait } from './task.ts';
import type { Handler } from './tool.ts';
import { swarmJoin, swarmLeave, taskComplete, taskFail, taskNext, taskRelease, taskUpdate } from './work.ts';

export const handlers = {
  agent_list: agentList,
  agent_message: agentMessage,
  agent_spawn: agentSpawn,
  agent_status: agentStatus,
  agent_stop: agentStop,
  approval_decide: approvalDecide,
  approve,
  file_release: fileRelease,
  file_reserve: fileReserve,
  memory_delete: memoryDelete,
  memory_list: memoryList,
  memory_retrieve: memoryRetrieve,
  memory_store: memoryStore,
  message_ack: messageAck,
  message_next: messageNext,
  server_info: serverInfo,
  swarm_destroy: swarmDestroy,
  swarm_init: swarmInit,
  swarm_join: swarmJoin,
  swarm_leave: swarmLeave,
  swarm_list: swarmList,
  swarm_pause: swarmPause,
  swarm_resume: swarmResume,
  swarm_status: swarmStatus,
  task_cancel: taskCancel,
  task_complete: taskComplete,
  task_decide: taskDecide,
  task_fail: taskFail,
  task_list: taskList,
  task_next: taskNext,
  task_orchestrate: taskOrchestrate,
  task_release: taskRelease,
  task_results: taskResults,
  task_status: taskStatus,
  task_update: taskUpdate,
  task_wait: taskWait,
} as const;

/** Tools that change what a missing swarmId or agentId means: what their connection asks later waits for them. */
export const identifying: ReadonlySet<string> = new Set(['swarm_init', 'swarm_join']);

export const toolHandlers: ReadonlyMap<string, Handler<never>> = new Map(Object.entries(handlers));
export { newestSwarm } from './calling.ts';
export type { Acting, Answer, Call, Caller, Handler, LostWorker, Services } from './tool.ts';
