/** What must hold of each event, against the state before it (design, section 3): one entry an event. */
import assert from 'node:assert/strict';
import type { Event, EventType } from '../../../src/core/event.ts';
import { findAssignment } from '../../../src/core/evolve.ts';
import type { Agent, Claim, Phase, State, Task } from '../../../src/core/state.ts';
import { haveFilesInCommon } from './files.ts';
import { reachable } from './places.ts';
import { assertJustified, assertMoreVotes, assertUndecided } from './recount.ts';
import type { Spending } from './spending.ts';

export interface Truth {
  state: State;
  readonly facts: Set<string>;
  /** Was true, and lost by a failover. */
  readonly lost: Set<string>;
  /** The task of each piece of work that a client wanted, by the client's own name for it. */
  readonly wanted: Map<string, string>;
  readonly spending: Spending;
  commits: number;
}

export const checks: { readonly [T in EventType]?: (truth: Truth, event: Extract<Event, { type: T }>) => void } = {
  swarm_paused({ state }) {
    assert.equal(state.swarm!.paused, null, 'a paused swarm is paused again');
  },

  swarm_resumed({ state }) {
    assert.notEqual(state.swarm!.paused, null, 'a swarm that is not paused is resumed');
  },

  agent_draining({ state }, { agentId }) {
    const { life, draining } = state.agents.get(agentId)!;
    assert.ok(life.status === 'joined' || life.status === 'offline', `${agentId} is ${life.status} and drained`);
    assert.equal(draining, null, `${agentId} is drained twice`);
  },

  task_accepted({ wanted }, { taskId, description }) {
    assert.equal(wanted.get(description), undefined, `${description} was asked for once and accepted twice`);
    wanted.set(description, taskId);
  },

  task_planned({ state }, { taskId, phases }) {
    const task = state.tasks.get(taskId)!;
    assertOpen(task);
    const names = [...task.phases, ...phases].map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, 'planned phases have names of their own');
    for (const { dependencies } of phases) assert.ok(dependencies.every((name) => names.includes(name)));
    assert.ok(phases.length > 0 && phases.every(({ dependencies }) => dependencies.length > 0));
  },

  planning_reopened({ state }, { taskId }) {
    const task = state.tasks.get(taskId)!;
    assertOpen(task);
    assert.equal(task.phases.filter(({ plans }) => plans).length, 1, `${taskId} is planned a third time`);
    assert.ok(
      task.phases.some(({ status }) => status === 'failed'),
      `${taskId} is planned again without a failure`,
    );
  },

  task_ended({ state, spending }, { taskId, status, reason }) {
    const task = state.tasks.get(taskId)!;
    assertOpen(task);
    if (reason?.startsWith('budget_exceeded')) {
      assert.ok(spending.exceeds(taskId, task.budget), `${taskId} is within its budget`);
      const works = task.phases.flatMap(({ assignments }) => assignments.map(({ work }) => work.status));
      assert.ok(!works.includes('claimed'), `${taskId} ends while somebody works on it`);
    }
    if (status !== 'completed') return;
    const failed = task.phases.findLastIndex((phase) => phase.status === 'failed');
    assert.ok(failed <= task.phases.findLastIndex(({ plans }) => plans), `${taskId} is completed after a failure`);
  },

  phase_settled({ state }, event) {
    const { taskId, phase: name, status, outcome } = event;
    const task = state.tasks.get(taskId)!;
    assertOpen(task);
    const phase = task.phases.find((of) => of.name === name)!;
    assert.ok(phase.status === 'waiting' || phase.status === 'running', `${taskId}/${name} is settled twice`);
    assertJustified(phase, event);
    if (status === 'cancelled') {
      const gone = task.phases.filter((of) => of.status === 'failed' || of.status === 'cancelled');
      assert.ok(
        gone.some((of) => phase.dependencies.includes(of.name)),
        `${name} depends on nothing that failed`,
      );
    }
    if (status !== 'succeeded') return;
    const winners = phase.assignments.filter(({ id }) => outcome?.winners.includes(id));
    assert.ok(winners.length > 0, `${taskId}/${name} succeeded without a winner`);
    assert.ok(winners.every(({ work }) => work.status === 'succeeded'));
  },

  assignments_added({ state }, { taskId, phase, count }) {
    assertMoreVotes(phaseOf(state, taskId, phase), count);
  },

  phase_rerun({ state }, { taskId, phase: name, count }) {
    const phase = phaseOf(state, taskId, name);
    assertUndecided(phase, 'a vote is taken anew');
    assert.equal(phase.round ?? 1, 1, `${taskId}/${name} is voted on a third time`);
    assert.equal(phase.rules.conflictResolution, 'rerun');
    assert.equal(count, phase.parallelism);
  },

  judging_opened({ state }, { taskId, phase: name, orders }) {
    const phase = phaseOf(state, taskId, name);
    assertUndecided(phase, 'a judge is asked');
    assert.ok(phase.rules.aggregation === 'best' || phase.rules.conflictResolution === 'judge');
    assert.equal(phase.judging, undefined, `${taskId}/${name} is judged twice`);
    assert.deepEqual([...orders[0]].reverse(), orders[1]);
    assert.ok(orders[0].length > 1, 'one candidate needs no judge');
  },

  decision_asked({ state }, { taskId, phase: name, candidates }) {
    const phase = phaseOf(state, taskId, name);
    assertUndecided(phase, 'a person is asked');
    assert.equal(phase.rules.conflictResolution, 'human');
    assert.equal(phase.asked, undefined, `a person is asked twice about ${taskId}/${name}`);
    assert.ok(candidates.length > 0);
  },

  assignment_offered({ state, spending }, { assignmentId, agentId }) {
    const { task } = findAssignment(state, assignmentId)!;
    assertMayHaveWork(state, spending, task, state.agents.get(agentId)!);
  },

  assignment_claimed({ state, spending }, { assignmentId, agentId, attempt, weight }) {
    const { task, phase, assignment } = findAssignment(state, assignmentId)!;
    assertOpen(task);
    assert.ok(
      assignment.work.status === 'queued' || assignment.work.status === 'offered',
      `${assignmentId} is claimed while it is ${assignment.work.status}`,
    );
    assert.equal(attempt, assignment.attempt + 1, 'attempts are numbered one after the other');
    const agent = state.agents.get(agentId)!;
    assertMayHaveWork(state, spending, task, agent);
    const others = [...state.indexes.agents.get(agentId)!.work.keys()].filter((id) => id !== assignmentId);
    assert.ok(others.length < agent.maxConcurrent, `${agentId} claims more than ${agent.maxConcurrent}`);
    assertDistinct(phase, assignmentId, agentId);
    if (assignment.judges === undefined) {
      for (const capability of phase.requiredCapabilities) assert.ok(agent.capabilities.includes(capability));
      assert.ok(phase.agentType === null || phase.agentType === agent.type);
      const weighs = phase.rules.aggregation === 'weighted_vote' ? (agent.config['weight'] ?? 1) : 1;
      assert.equal(weight ?? 1, weighs, `the ballot of ${agentId} weighs what it was configured with`);
    }
    assert.equal(phase.status, 'running');
  },

  assignment_ready({ state }, { assignmentId, at }) {
    const { work } = findAssignment(state, assignmentId)!.assignment;
    assert.ok(work.status === 'backoff' && work.until <= at, `${assignmentId} is ready before its backoff has passed`);
  },

  leases_renewed({ state }, { agentId, at }) {
    for (const { assignment } of state.indexes.agents.get(agentId)!.work.values()) {
      const { work } = assignment;
      assert.ok(
        work.status !== 'claimed' || work.leaseUntil > at,
        `${assignment.id} is brought back by a late renewal`,
      );
    }
  },

  progress_reported({ state, spending }, { assignmentId, usage }) {
    const { task, assignment } = findAssignment(state, assignmentId)!;
    assertClaimed(assignment.work, `${assignmentId} is reported on`);
    spending.report(task.id, `${assignmentId} ${assignment.attempt}`, usage);
  },

  attempt_succeeded({ state, spending }, { assignmentId, agentId, attempt, result, ballot, usage, at }) {
    const { task, phase, assignment } = findAssignment(state, assignmentId)!;
    assertOpen(task);
    const claim = assertClaimed(assignment.work, `${assignmentId} succeeds`);
    assert.equal(agentId, claim.agentId, 'only the holder succeeds');
    assert.equal(attempt, assignment.attempt, 'only the current attempt succeeds');
    // Workers put the lease token that they hold into their results.
    const said = ('json' in result ? result.json : {}) as { readonly [name: string]: string | undefined };
    assert.equal(said['token'], claim.leaseToken, 'a result is accepted only under the current lease');
    assert.ok(!said['faulty'], 'an answer that makes no sense is accepted');
    if (assignment.judges !== undefined) {
      const order = phase.judging!.orders[assignment.judges];
      assert.equal(ballot?.key, order[said['choice']!.charCodeAt(0) - 'A'.charCodeAt(0)], 'a letter is its candidate');
    } else if (ballot !== null) assert.equal(ballot.key, said['vote'], 'a ballot is what was voted');
    spending.report(task.id, `${assignmentId} ${attempt}`, usage);
    assert.ok(
      at < claim.leaseUntil && at < deadlineOf(claim),
      'a result is accepted only before the lease has run out',
    );
  },

  attempt_failed({ state, spending }, { assignmentId, error, usage, retryAt, at }) {
    const { task, assignment } = findAssignment(state, assignmentId)!;
    assertOpen(task);
    const claim = assertClaimed(assignment.work, `${assignmentId} fails`);
    assert.equal(error.agentId, claim.agentId);
    assert.equal(error.attempt, assignment.attempt);
    if (error.reason === 'lease_expired') assert.ok(claim.leaseUntil <= at, 'a lease runs out only at its time');
    if (error.reason === 'timeout') assert.ok(deadlineOf(claim) <= at, 'an attempt times out only at its time');
    if (retryAt !== null) assert.ok(assignment.failures + 1 < task.retry.maxAttempts, 'attempts are limited');
    spending.report(task.id, `${assignmentId} ${assignment.attempt}`, usage);
  },

  message_sent({ state }, { from, to }) {
    assert.ok(reachable(state, from, 'one').includes(to), `${from} may not message ${to}`);
  },

  message_broadcast({ state }, { from, receivers }) {
    const ids = receivers.map(({ agentId }) => agentId);
    assert.deepEqual(ids.sort(), [...reachable(state, from, 'all')].sort(), 'a broadcast reaches everyone once');
  },

  messages_expired({ state }, { agentId, messageIds, at }) {
    for (const { id, expiresAt } of state.agents.get(agentId)!.inbox)
      assert.ok(!messageIds.includes(id) || expiresAt! <= at, `${id} expires before its time`);
  },

  files_reserved({ state }, { agentId, assignmentId, globs, mode }) {
    for (const other of state.reservations.values()) {
      if (other.agentId === agentId || (mode === 'shared' && other.mode === 'shared')) continue;
      assert.ok(!haveFilesInCommon(globs, other.globs), `${agentId} reserves what ${other.agentId} has reserved`);
    }
    if (assignmentId === null) return;
    const { work } = findAssignment(state, assignmentId)!.assignment;
    assert.equal(assertClaimed(work, `files are reserved for ${assignmentId}`).agentId, agentId);
  },

  files_released({ state }, { reservationId, agentId, reason, at }) {
    const reservation = state.reservations.get(reservationId);
    assert.equal(reservation?.agentId, agentId, `${reservationId} is released by ${agentId}`);
    if (reason === 'expired') assert.ok(reservation!.until <= at, `${reservationId} expires before its time`);
  },

  approval_requested({ state }, { agentId, assignmentId, fingerprint, toolUseId, forgets }) {
    const own = [...state.approvals.values()].filter((of) => of.agentId === agentId);
    for (const { id, answer, ...of } of own) {
      if (forgets.includes(id)) assert.notEqual(answer, null, `${id} is forgotten while somebody waits for it`);
      const same = of.fingerprint === fingerprint && of.toolUseId === toolUseId && of.assignmentId === assignmentId;
      assert.ok(!same || (answer !== null && toolUseId === null), `${id} is asked twice`);
    }
    assert.equal(state.agents.get(agentId)!.life.status, 'joined');
    if (assignmentId === null) return;
    const { work } = findAssignment(state, assignmentId)!.assignment;
    assert.equal(assertClaimed(work, `a person is asked for ${assignmentId}`).agentId, agentId);
  },

  approval_decided({ state }, { approvalId, agentId, assignmentId }) {
    const approval = state.approvals.get(approvalId);
    assert.equal(approval?.agentId, agentId, `${approvalId} is decided, and nobody asks`);
    assert.equal(approval!.assignmentId, assignmentId);
    assert.equal(approval!.answer, null, `${approvalId} is decided twice`);
  },

  request_answered({ state }, { requestId, at }) {
    const earlier = state.requests.get(requestId);
    const kept = earlier !== undefined && earlier.at >= at - state.limits.requestIdMs;
    assert.ok(!kept, `requestId ${requestId} has two effects`);
  },
};

/** While a person is asked there is none. */
function deadlineOf({ timeoutAt, waits }: Claim): number {
  return waits?.since == null ? timeoutAt + (waits?.ms ?? 0) : Infinity;
}

function assertOpen(task: Task): void {
  assert.equal(task.endedAt, null, `${task.id} has ended, and something follows`);
}

function assertClaimed(work: { readonly status: string }, what: string): Claim {
  assert.equal(work.status, 'claimed', `${what} without being claimed`);
  return work as Claim;
}

function assertMayHaveWork(state: State, spending: Spending, task: Task, { id, life, draining }: Agent): void {
  assert.equal(state.swarm!.paused, null, `${id} is handed work in a paused swarm`);
  assert.equal(life.status, 'joined');
  assert.equal(draining, null, `${id} is handed work while it drains`);
  assert.ok(!spending.exceeds(task.id, task.budget), `${task.id} has used up its budget, and is handed to ${id}`);
}

/** Copies are for distinct agents, and judges are no authors. */
function assertDistinct(phase: Phase, assignmentId: string, agentId: string): void {
  const { judges, round } = phase.assignments.find(({ id }) => id === assignmentId)!;
  for (const { id, work, ...other } of phase.assignments) {
    if (id === assignmentId || !('agentId' in work) || work.agentId !== agentId) continue;
    if (judges !== undefined) {
      assert.ok(other.judges !== undefined || work.status !== 'succeeded', `${agentId} judges its own ${id}`);
    } else {
      const isCopy = phase.items === undefined && other.judges === undefined && other.round === round;
      assert.ok(!isCopy, `${agentId} has ${id} already`);
    }
  }
}

function phaseOf(state: State, taskId: string, name: string): Phase {
  const task = state.tasks.get(taskId)!;
  assertOpen(task);
  return task.phases.find((phase) => phase.name === name)!;
}
