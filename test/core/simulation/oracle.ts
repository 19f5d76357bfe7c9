/**
 * What must hold in every world, whatever goes wrong (design, section 3). The oracle sees what gets to the disk and
 * what is answered, and nothing else: it evolves a state of its own from the events, checks each event against the
 * state before it, and remembers what has become true.
 */
import assert from 'node:assert/strict';
import type { Command, CommandOf } from '../../../src/core/command.ts';
import type { Event } from '../../../src/core/event.ts';
import { createState, evolve } from '../../../src/core/evolve.ts';
import type { Limits } from '../../../src/core/limits.ts';
import { isRefusal, type Refusal } from '../../../src/core/refusal.ts';
import { restore, snapshot } from '../../../src/core/snapshot.ts';
import type { State } from '../../../src/core/state.ts';
import type { Head, Journal } from '../../../src/journal/journal.ts';
import { assertInvariants, assertRestores } from '../invariants.ts';
import { checks, type Truth } from './checks.ts';
import { factsClaimedBy, factsOf, identityOf } from './facts.ts';
import { assertLed } from './places.ts';
import type { Witness, Written } from './shared-journal.ts';
import { Spending } from './spending.ts';

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
    assertLed(truth.state);
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
    truth.spending.clear();
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
    if (command.type === 'message_next' && truth.lost.size === 0) assertNothingSkipped(truth.state, command, answer);
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
      truth = {
        state: createState(this.#limits),
        facts: new Set(),
        lost: new Set(),
        wanted: new Map(),
        spending: new Spending(),
        commits: 0,
      };
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

/** What is in the inbox, does not expire and comes before the cursor has been handed out, in its order. */
function assertNothingSkipped({ agents }: State, { actor, after }: CommandOf<'message_next'>, reply: any): void {
  const told: number[] = reply.messages.map(({ seq }: any) => seq);
  assert.deepEqual(
    told,
    [...new Set(told)].sort((a, b) => a - b),
    'messages come in their order, each once',
  );
  for (const { seq, expiresAt } of agents.get(actor.agentId)?.inbox ?? []) {
    const due = seq > after && seq <= reply.cursor && expiresAt === undefined;
    assert.ok(!due || told.includes(seq), `message ${seq} of ${actor.agentId} is skipped`);
  }
}
