/**
 * state + command + world -> refusal, or events + effects + reply. Only reads.
 *
 * `execute` is the one way to carry a command out: it decides, evolves, and does the same with what follows, until
 * nothing does. All the events of one command belong into one commit.
 */
import { createHash } from 'node:crypto';
import {
  agentList,
  agentSpawn,
  agentStatusRule,
  agentStop,
  swarmAccompany,
  swarmJoin,
  swarmLeave,
  workerFailed,
  workerLost,
} from './agent.ts';
import { approvalDecide, approvalWait, approve } from './approval.ts';
import { taskComplete, taskFail } from './attempt.ts';
import type { Actor, Command, CommandType } from './command.ts';
import type { Event } from './event.ts';
import { evolve, findAssignment } from './evolve.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { claimReply, taskNext } from './claim.ts';
import { claimUndelivered, renewLeases, taskRelease, taskUpdate } from './lease.ts';
import { place } from './offer.ts';
import { agentMessage, messageAck, messageNext } from './message.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { fileRelease, fileReserve } from './reservation.ts';
import { forgetExcess } from './retention.ts';
import { happened, iso, type Decision, type Effect, type Rule, type Show, type WakeKey, type World } from './rule.ts';
import type { AnsweredRequest, State } from './state.ts';
import { adoptChildren, electHub } from './succession.ts';
import { recover, swarmDestroy, swarmInit, swarmPause, swarmResume, swarmStatus } from './swarm.ts';
import { settlePhase, taskDecide } from './settle.ts';
import { taskCancel, taskList, taskOrchestrate, taskResults, taskStatus, taskWait } from './task.ts';
import { timersDue } from './timers.ts';

const rules: { readonly [T in CommandType]: Rule<T> } = {
  swarm_init: swarmInit,
  swarm_status: swarmStatus,
  swarm_destroy: swarmDestroy,
  swarm_pause: swarmPause,
  swarm_resume: swarmResume,
  agent_spawn: agentSpawn,
  agent_list: agentList,
  agent_status: agentStatusRule,
  agent_stop: agentStop,
  agent_message: agentMessage,
  swarm_join: swarmJoin,
  swarm_accompany: swarmAccompany,
  swarm_leave: swarmLeave,
  task_orchestrate: taskOrchestrate,
  task_status: taskStatus,
  task_list: taskList,
  task_wait: taskWait,
  task_results: taskResults,
  task_cancel: taskCancel,
  task_decide: taskDecide,
  task_next: taskNext,
  task_update: taskUpdate,
  task_complete: taskComplete,
  task_fail: taskFail,
  task_release: taskRelease,
  message_next: messageNext,
  message_ack: messageAck,
  file_reserve: fileReserve,
  file_release: fileRelease,
  approve,
  approval_wait: approvalWait,
  approval_decide: approvalDecide,
  recover,
  timers_due: timersDue,
  claim_undelivered: claimUndelivered,
  worker_lost: workerLost,
  worker_failed: workerFailed,
  place,
  settle_phase: settlePhase,
  elect_hub: electHub,
  adopt_children: adoptChildren,
  forget_excess: forgetExcess,
};

/** What may still be asked of a swarm that has been destroyed. */
const reading: ReadonlySet<CommandType> = new Set<CommandType>([
  'swarm_status',
  'agent_list',
  'agent_status',
  'task_status',
  'task_list',
  'task_wait',
  'task_results',
  'recover',
  'timers_due',
]);

/** Calls of a holder, each of which is a sign of life. */
const renewing: ReadonlySet<CommandType> = new Set<CommandType>([
  'task_next',
  'task_update',
  'task_complete',
  'task_fail',
  'task_release',
  'message_next',
  'message_ack',
  'file_reserve',
  'file_release',
  'approve',
  'approval_wait',
]);

export function decide(state: State, command: Command, world: World): Refusal | Decision {
  const { swarm } = state;
  if (swarm === null && command.type !== 'swarm_init') {
    return refuse('swarm_not_found', 'the swarm has been forgotten: swarm_list shows those that there are');
  }
  if (swarm !== null && swarm.destroyedAt !== null && !reading.has(command.type)) {
    return refuse(
      'swarm_destroyed',
      `swarm ${swarm.id} was destroyed at ${iso(swarm.destroyedAt)}: create another with swarm_init`,
      {
        swarmId: swarm.id,
      },
    );
  }
  const decision = (rules[command.type] as Rule<CommandType>)(state, command, world);
  if (isRefusal(decision)) return decision;
  const alive = signOfLife(command);
  if (alive === null) return decision;
  const renewed = renewLeases(state, state.agents.get(alive.agentId)!, world);
  return renewed.length === 0 ? decision : { ...decision, events: [...renewed, ...(decision.events ?? [])] };
}

/** A companion's calls say nothing of the worker, which is who has to deliver. */
function signOfLife(command: Command): Actor | null {
  const actor = command.type === 'agent_message' ? command.from : actorOf(command);
  return actor !== null && 'claim' in actor ? null : actor;
}

function actorOf(command: Command): Actor | null {
  return renewing.has(command.type) ? (command as { actor: Actor }).actor : null;
}

export type Outcome =
  | Refusal
  | {
      readonly reply: object;
      readonly events: readonly Event[];
      readonly effects: readonly Effect[];
      readonly idle: WakeKey | null;
    };

/** Events of one command: only a rule that follows itself for ever comes here. */
const followUpsMax = 1_000_000;

/**
 * Decides a command and evolves the state by its events. A throw leaves the state half changed: the caller drops it.
 */
export function execute(state: State, command: Command, world: World, show: Show): Outcome {
  const { requestId } = command;
  const fingerprint = requestId === undefined ? '' : fingerprintOf(command);
  if (requestId !== undefined) {
    const answered = state.requests.get(requestId);
    if (answered !== undefined && answered.at >= world.now - state.limits.requestIdMs) {
      return answerAgain(state, command, fingerprint, answered, world, show);
    }
  }

  const first = decide(state, command, world);
  if (isRefusal(first)) return first;
  const { filesFreed, approvalsSettled } = state.indexes;
  const events: Event[] = [];
  const effects: Effect[] = [];
  const followUps: Command[] = [];
  let next: Decision = first;
  for (let followed = 0; ; followed += 1) {
    if (followed > followUpsMax) throw new Error(`what follows ${command.type} does not end`);
    for (const event of next.events ?? []) {
      evolve(state, event);
      events.push(event);
    }
    // Not spread: there may be more of them than arguments are possible.
    for (const effect of next.effects ?? []) effects.push(effect);
    // Depth first: what follows a follow-up comes before its siblings.
    if (next.then !== undefined) for (let i = next.then.length - 1; i >= 0; i -= 1) followUps.push(next.then[i]!);
    const followUp = followUps.pop();
    if (followUp === undefined) break;
    const decision = decide(state, followUp, world);
    if (isRefusal(decision)) throw new Error(`${followUp.type} after ${command.type} was refused: ${decision.message}`);
    next = decision;
  }

  // Whatever it was that ended a reservation, or an approval.
  if (state.indexes.filesFreed !== filesFreed) effects.push({ kind: 'wake', key: 'files' });
  if (state.indexes.approvalsSettled !== approvalsSettled) effects.push({ kind: 'wake', key: 'approvals' });

  const reply = first.reply?.(state, show) ?? {};
  // An empty-handed answer is not kept: asked again, or woken, the command may find something.
  if (requestId !== undefined && events.length > 0 && first.idle === undefined) {
    const answer = answerOf(events, reply);
    const forgetBefore = world.now - state.limits.requestIdMs;
    const event = happened(world, {
      type: 'request_answered',
      requestId,
      command: command.type,
      fingerprint,
      answer,
      forgetBefore,
    });
    evolve(state, event);
    events.push(event);
  }
  return { reply, events, effects, idle: first.idle ?? null };
}

/** Whether two requests ask the same, apart from their ids. */
function fingerprintOf({ requestId: _, ...asked }: Command): string {
  // A minted id differs from try to try, and so does the number of the join; another agent asks for something else.
  const { swarmId: _minted, actor, from, ...compared } = asked as JsonObject;
  return createHash('sha256')
    .update(JSON.stringify([agentIn(actor), agentIn(from), compared]))
    .digest('base64url');
}

function agentIn(acting: Json | undefined): Json {
  if (acting === undefined) return null;
  return isObject(acting) ? acting['agentId']! : acting;
}

function answerOf(events: readonly Event[], reply: object): AnsweredRequest['answer'] {
  for (const event of events) {
    if (event.type === 'assignment_claimed') return { claim: event.assignmentId, attempt: event.attempt };
  }
  return { reply: reply as JsonObject };
}

function answerAgain(
  state: State,
  command: Command,
  fingerprint: string,
  answered: AnsweredRequest,
  world: World,
  show: Show,
): Outcome {
  if (answered.command !== command.type || answered.fingerprint !== fingerprint) {
    return refuse(
      'request_id_reused',
      `requestId ${command.requestId} was used at ${iso(answered.at)} for another ${answered.command === command.type ? answered.command : `request (${answered.command})`}: every new request needs an id of its own`,
      { requestId: command.requestId },
    );
  }
  const { answer } = answered;
  if (command.type === 'swarm_join' && 'reply' in answer) {
    // The connection that was to hear the answer is gone: this one takes its place.
    const { requestId: _, parent: _parent, ...join } = command;
    return execute(state, { ...join, token: answer.reply['resumeToken'] as string }, world, show);
  }
  if ('reply' in answer) return { reply: answer.reply, events: [], effects: [], idle: null };
  const claimed = findAssignment(state, answer.claim)?.assignment;
  if (claimed?.work.status !== 'claimed' || claimed.attempt !== answer.attempt) {
    return refuse(
      'lease_lost',
      `the claim that answered requestId ${command.requestId} is over: call task_next with a new requestId`,
      {
        assignmentId: answer.claim,
        attempt: answer.attempt,
      },
    );
  }
  const reply = claimReply(claimed.work.agentId, claimed.id, world.now)(state, show);
  return { reply, events: [], effects: [], idle: null };
}
