/**
 * What must hold in every world, whatever goes wrong (design, section 3). The oracle sees what gets to the disk and
 * what is answered, and nothing else: it evolves a state of its own from the events, checks each event against the
 * state before it, and remembers what has become true.
 */
import assert from 'node:assert/strict';
import type { Command } from '../../../src/core/command.ts';
import type { Event, EventType } from '../../../src/core/event.ts';
import { createState, evolve, findAssignment } from '../../../src/core/evolve.ts';
import type { Limits } from '../../../src/core/limits.ts';
import { isRefusal, type Refusal } from '../../../src/core/refusal.ts';
import { restore, snapshot } from '../../../src/core/snapshot.ts';
import type { Claim, State, Task } from '../../../src/core/state.ts';
import type { Head, Journal } from '../../../src/journal/journal.ts';
import { assertInvariants, assertRestores } from '../invariants.ts';
import { factsClaimedBy, factsOf, identityOf } from './facts.ts';
import type { Witness, Written } from './shared-journal.ts';

interface Truth {
  state: State;
  readonly facts: Set<string>;
  /** Was true, and lost by a failover. */
  readonly lost: Set<string>;
  /** The task of each piece of work that a client wanted, by the client's own name for it. */
  readonly wanted: Map<string, string>;
  commits: number;
}

export class Oracle implements Witness {
  readonly #limits: Limits;
  readonly #commitsBetween: number;
  readonly #say: (line: string) => void;
  readonly #truths = new Map<string, Truth>();
  readonly #answers = new Map<string, string>();
  /** What happened, by kind: events, refusals. */
  readonly coverage = new Map<string, number>();

  /**
   * The invariants of the whole state are looked at after every so many commits, since that takes longer than all the
   * rest; what belongs to an event is checked at every one.
   */
  constructor(limits: Limits, commitsBetween: number, say: (line: string) => void) {
    this.#limits = limits;
    this.#commitsBetween = commitsBetween;
    this.#say = say;
  }

  // ---- what gets to the disk

  committed(swarmId: string, { head, events }: Written, by: string): void {
    const truth = this.#truthOf(swarmId);
    this.#say(`${by} commits ${head.version} ${events}`);
    this.#follow(truth, events, true);
    assert.equal(truth.state.version, head.version);
    truth.commits += 1;
    if (truth.commits % this.#commitsBetween === 0) assertInvariants(truth.state);
  }

  snapshotTaken(swarmId: string, { version }: Head, text: string): void {
    this.#count('snapshot');
    const truth = this.#truthOf(swarmId);
    if (truth.state.version === version)
      assert.equal(text, snapshot(truth.state), 'a snapshot is what replay leads to');
  }

  failedOver(swarmId: string, kept: readonly Written[], lost: readonly Written[]): void {
    const truth = this.#truthOf(swarmId);
    this.#say(`failover: ${swarmId} loses ${lost.length} commits`);
    for (const fact of truth.facts) truth.lost.add(fact);
    truth.facts.clear();
    truth.wanted.clear();
    truth.state = createState(this.#limits);
    for (const { events } of kept) this.#follow(truth, events, false);
    for (const fact of truth.facts) truth.lost.delete(fact);
    assertInvariants(truth.state);
  }

  forgotten(swarmId: string): void {
    const { state, lost } = this.#truthOf(swarmId);
    // Who has not heard of the failover forgets what was destroyed before it.
    assert.ok(state.swarm?.destroyedAt != null || lost.has('destroyed'), `${swarmId} is forgotten but not destroyed`);
    this.#count('swarm_forgotten');
    this.#truths.delete(swarmId);
  }

  // ---- what is answered

  answered(swarmId: string, command: Command, answer: object | Refusal): void {
    this.#say(`${command.type} ${command.requestId ?? ''} is ${isRefusal(answer) ? answer.refused : 'answered'}`);
    if (isRefusal(answer)) {
      this.#count(`refused ${answer.refused}`);
      return;
    }
    this.#count(`answered ${command.type}`);
    const truth = this.#truths.get(swarmId);
    if (truth === undefined) return;
    for (const fact of factsClaimedBy(command, answer)) {
      assert.ok(
        truth.facts.has(fact) || truth.lost.has(fact),
        `${command.type} was answered as if "${fact}" were so, which is not in the journal`,
      );
    }
    const { requestId } = command;
    // What a failover has lost may be answered once more, by a coordinator that has not heard of it.
    if (requestId === undefined || truth.lost.size > 0) return;
    const identity = identityOf(command, answer);
    if (identity === null) return;
    const earlier = this.#answers.get(requestId);
    // Nothing to hand out is no answer that is kept, and one that has not heard of the claim yet has nothing, either.
    if (identity === '') return;
    if (earlier !== undefined) assert.equal(identity, earlier, `requestId ${requestId} has two answers`);
    this.#answers.set(requestId, identity);
  }

  // ---- what is asked at the end

  state(swarmId: string): State | undefined {
    return this.#truths.get(swarmId)?.state;
  }

  isTrue(swarmId: string, fact: string): boolean {
    return this.#truths.get(swarmId)?.facts.has(fact) ?? false;
  }

  wasLost(swarmId: string, fact: string): boolean {
    return this.#truths.get(swarmId)?.lost.has(fact) ?? false;
  }

  /** Replay is the live state, from the first event and from the newest snapshot; the indexes too. */
  async checkReplay(swarmId: string, history: readonly Written[], disk: Journal<Event>): Promise<void> {
    const { state } = this.#truthOf(swarmId);
    assertInvariants(state);
    assertRestores(state);
    const text = snapshot(state);
    const full = createState(this.#limits);
    for (const { events } of history) for (const event of JSON.parse(events) as Event[]) evolve(full, event);
    assert.equal(snapshot(full), text, 'replay is the live state');
    const latest = await disk.latestSnapshot(swarmId);
    if (latest === undefined) return;
    const tail = restore(latest.state, this.#limits);
    for (const { head, events } of history) {
      if (head.version <= latest.head.version) continue;
      for (const event of JSON.parse(events) as Event[]) evolve(tail, event);
    }
    assert.equal(snapshot(tail), text, 'snapshot plus tail is the full replay');
  }

  // ----

  #truthOf(swarmId: string): Truth {
    let truth = this.#truths.get(swarmId);
    if (truth === undefined) {
      truth = { state: createState(this.#limits), facts: new Set(), lost: new Set(), wanted: new Map(), commits: 0 };
      this.#truths.set(swarmId, truth);
    }
    return truth;
  }

  #follow(truth: Truth, events: string, isNew: boolean): void {
    for (const event of JSON.parse(events) as Event[]) {
      (checks[event.type] as ((truth: Truth, event: Event) => void) | undefined)?.(truth, event);
      for (const fact of factsOf(event, truth.state)) truth.facts.add(fact);
      evolve(truth.state, event);
      if (event.type === 'request_answered') this.#answers.delete(event.requestId);
      if (isNew) this.#count(`event ${event.type}`);
    }
  }

  #count(kind: string): void {
    this.coverage.set(kind, (this.coverage.get(kind) ?? 0) + 1);
  }
}

// ---- each event against the state before it

const checks: { readonly [T in EventType]?: (truth: Truth, event: Extract<Event, { type: T }>) => void } = {
  task_accepted({ wanted }, { taskId, description }) {
    assert.equal(wanted.get(description), undefined, `${description} was asked for once and accepted twice`);
    wanted.set(description, taskId);
  },

  task_ended({ state }, { taskId }) {
    assertOpen(state.tasks.get(taskId)!);
  },

  phase_settled({ state }, { taskId, phase: name, status, outcome }) {
    const task = state.tasks.get(taskId)!;
    assertOpen(task);
    const phase = task.phases.find((of) => of.name === name)!;
    assert.ok(phase.status === 'waiting' || phase.status === 'running', `${taskId}/${name} is settled twice`);
    if (status !== 'succeeded') return;
    const winners = phase.assignments.filter(({ id }) => outcome?.winners.includes(id));
    assert.ok(winners.length > 0, `${taskId}/${name} succeeded without a winner`);
    assert.ok(winners.every(({ work }) => work.status === 'succeeded'));
    if (phase.rules.aggregation !== 'majority_vote') return;
    const keys = new Set(winners.map(({ work }) => work.status === 'succeeded' && work.ballot?.key));
    assert.equal(keys.size, 1, 'the winners of a vote agree');
    const share = winners.length / phase.parallelism;
    assert.ok(share > 0.5, 'a vote is won by more than one half');
    if (phase.rules.consensusRequired) assert.ok(share >= phase.rules.consensusThreshold, 'consensus was reached');
  },

  assignment_claimed({ state }, { assignmentId, agentId, attempt }) {
    const { task, phase, assignment } = findAssignment(state, assignmentId)!;
    assertOpen(task);
    assert.ok(
      assignment.work.status === 'queued' || assignment.work.status === 'offered',
      `${assignmentId} is claimed while it is ${assignment.work.status}`,
    );
    assert.equal(attempt, assignment.attempt + 1, 'attempts are numbered one after the other');
    const agent = state.agents.get(agentId)!;
    assert.equal(agent.life.status, 'joined');
    for (const capability of phase.requiredCapabilities) assert.ok(agent.capabilities.includes(capability));
    const others = [...state.indexes.agents.get(agentId)!.work.keys()].filter((id) => id !== assignmentId);
    assert.ok(others.length < agent.maxConcurrent, `${agentId} claims more than ${agent.maxConcurrent}`);
    for (const { id, work } of phase.assignments)
      assert.ok(
        id === assignmentId || !('agentId' in work) || work.agentId !== agentId,
        `${agentId} has ${id} already`,
      );
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

  attempt_succeeded({ state }, { assignmentId, agentId, attempt, result, at }) {
    const { task, assignment } = findAssignment(state, assignmentId)!;
    assertOpen(task);
    const claim = assertClaimed(assignment.work, `${assignmentId} succeeds`);
    assert.equal(agentId, claim.agentId, 'only the holder succeeds');
    assert.equal(attempt, assignment.attempt, 'only the current attempt succeeds');
    // Workers put the lease token that they hold into their results.
    const { token } = ('json' in result ? result.json : {}) as { readonly token?: string };
    assert.equal(token, claim.leaseToken, 'a result is accepted only under the current lease');
    assert.ok(at < claim.leaseUntil && at < claim.timeoutAt, 'a result is accepted only before the lease has run out');
  },

  attempt_failed({ state }, { assignmentId, error, retryAt, at }) {
    const { task, assignment } = findAssignment(state, assignmentId)!;
    assertOpen(task);
    const claim = assertClaimed(assignment.work, `${assignmentId} fails`);
    assert.equal(error.agentId, claim.agentId);
    assert.equal(error.attempt, assignment.attempt);
    if (error.reason === 'lease_expired') assert.ok(claim.leaseUntil <= at, 'a lease runs out only at its time');
    if (error.reason === 'timeout') assert.ok(claim.timeoutAt <= at, 'an attempt times out only at its time');
    if (retryAt !== null) assert.ok(assignment.failures + 1 < task.retry.maxAttempts, 'attempts are limited');
  },

  request_answered({ state }, { requestId, at }) {
    const earlier = state.requests.get(requestId);
    const kept = earlier !== undefined && earlier.at >= at - state.limits.requestIdMs;
    assert.ok(!kept, `requestId ${requestId} has two effects`);
  },
};

function assertOpen(task: Task): void {
  assert.equal(task.endedAt, null, `${task.id} has ended, and something follows`);
}

function assertClaimed(work: { readonly status: string }, what: string): Claim {
  assert.equal(work.status, 'claimed', `${what} without being claimed`);
  return work as Claim;
}
