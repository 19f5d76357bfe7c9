/** A swarm without a server: the core with a clock, ids and chance of the test's own. */
import assert from 'node:assert/strict';
import type { AgentRequest, Command, CommandBody, CommandOf, TaskRequest } from '../../src/core/command.ts';
import { execute, type Outcome } from '../../src/core/decide.ts';
import type { Event } from '../../src/core/event.ts';
import { createState, evolve } from '../../src/core/evolve.ts';
import { nextDue } from '../../src/core/index/timers.ts';
import type { Json } from '../../src/core/json.ts';
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import { isRefusal, type Refusal } from '../../src/core/refusal.ts';
import type { Effect, World } from '../../src/core/rule.ts';
import { snapshot } from '../../src/core/snapshot.ts';
import type { Payload, State, Topology } from '../../src/core/state.ts';
import { assertHandedOut, assertInvariants } from './invariants.ts';

export const epoch = Date.UTC(2026, 0, 1);

type Joining = Partial<{
  agentType: string;
  capabilities: string[];
  maxConcurrent: number;
  token: string;
  leaseMs: number;
  name: string;
  parent: string;
}>;

export class SwarmUnderTest {
  readonly limits: Limits;
  readonly events: Event[] = [];
  state: State;
  effects: Effect[] = [];
  now = epoch;
  /** Agents whose workers wait in task_next. */
  readonly waiting = new Set<string>();
  /** What chance brings next. */
  draw = (): number => 0.5;
  /** Where values of users go. */
  keep = (json: Json): Payload => ({ json });
  /** After how many commands the invariants are checked again: that looks at the whole state. */
  checkEvery = 1;
  #executed = 0;
  readonly #minted = new Map<string, number>();

  constructor(limits: Partial<Limits> = {}) {
    this.limits = { ...defaultLimits, ...limits };
    this.state = createState(this.limits);
  }

  static withSwarm(
    options: {
      readonly limits?: Partial<Limits>;
      readonly maxAgents?: number;
      readonly consensusThreshold?: number;
      readonly topology?: Topology;
    } = {},
  ): SwarmUnderTest {
    const swarm = new SwarmUnderTest(options.limits);
    swarm.ask({
      type: 'swarm_init',
      swarmId: 'swarm_1',
      name: null,
      topology: options.topology ?? 'mesh',
      maxAgents: options.maxAgents ?? 100,
      consensusThreshold: options.consensusThreshold ?? 0.7,
      strategy: 'adaptive',
      initialAgents: [],
    });
    return swarm;
  }

  get world(): World {
    return {
      now: this.now,
      id: (kind) => this.#mint(kind),
      secret: () => this.#mint('secret'),
      draw: () => this.draw(),
      isWaiting: (agentId) => this.waiting.has(agentId),
      keep: (json) => this.keep(json),
    };
  }

  /** Numbered by kind, so that the first task is task_1 whatever else there is. */
  #mint(kind: string): string {
    const count = (this.#minted.get(kind) ?? 0) + 1;
    this.#minted.set(kind, count);
    return `${kind}_${count}`;
  }

  /** The invariants are checked after it, or after every so many: `checkEvery`. */
  execute(command: Command): Outcome {
    const outcome = execute(this.state, command, this.world, (payload) => ('json' in payload ? payload.json : payload));
    if (!isRefusal(outcome)) {
      for (const event of outcome.events) this.events.push(event);
      for (const effect of outcome.effects) this.effects.push(effect);
      assertHandedOut(this.state, outcome.events);
    }
    if (++this.#executed % this.checkEvery === 0) assertInvariants(this.state);
    return outcome;
  }

  /** The reply, as it would be sent; throws when the command is refused. */
  ask(command: CommandBody & { readonly requestId?: string }): any {
    const outcome = this.execute(command);
    if (isRefusal(outcome)) throw new Error(`${command.type} was refused: ${outcome.refused}: ${outcome.message}`);
    return JSON.parse(JSON.stringify(outcome.reply));
  }

  refusal(command: CommandBody & { readonly requestId?: string }): Refusal {
    const before = snapshot(this.state);
    const outcome = this.execute(command);
    assert.ok(isRefusal(outcome), `${command.type} was not refused`);
    assert.equal(snapshot(this.state), before, 'a refusal changes nothing');
    return outcome;
  }

  /** Lets time pass, with every timer going off when it is due; `wentOff` looks on. */
  pass(ms: number, wentOff: () => void = () => {}): void {
    const until = this.now + ms;
    for (let due = nextDue(this.state); due !== null && due <= until; due = nextDue(this.state)) {
      this.now = Math.max(this.now, due);
      this.ask({ type: 'timers_due', most: this.limits.timersMax });
      wentOff();
      if (this.effects.some((effect) => effect.kind === 'forget_swarm')) break;
    }
    this.now = until;
  }

  /** The state that the events alone lead to. */
  replayed(): State {
    const state = createState(this.limits);
    for (const event of this.events) evolve(state, JSON.parse(JSON.stringify(event)) as Event);
    return state;
  }

  types(): string[] {
    return this.events.map((event) => event.type);
  }

  // ---- shorthands

  join(options: Joining = {}): Worker {
    const reply = this.ask(joining(options));
    return new Worker(this, reply.agentId, reply.joins, reply.resumeToken);
  }

  /** An agent that was spawned, and has joined. */
  spawn(agent: Partial<AgentRequest>): Worker {
    const { joinToken } = this.ask({ type: 'agent_spawn', agent: agentRequest(agent), limitsAsked: false });
    return this.join({ token: joinToken });
  }

  orchestrate(task: Partial<TaskRequest> = {}, requestId?: string): any {
    return this.ask({
      type: 'task_orchestrate',
      task: taskRequest(task),
      ...(requestId !== undefined && { requestId }),
    });
  }

  task(taskId: string): any {
    return this.ask({ type: 'task_status', taskId });
  }

  results(taskId: string): any {
    return this.ask({ type: 'task_results', taskId });
  }
}

/** An agent's worker: what it holds, it holds through here. */
export class Worker {
  readonly swarm: SwarmUnderTest;
  readonly agentId: string;
  readonly joins: number;
  readonly resumeToken: string;

  constructor(swarm: SwarmUnderTest, agentId: string, joins: number, resumeToken: string) {
    this.swarm = swarm;
    this.agentId = agentId;
    this.joins = joins;
    this.resumeToken = resumeToken;
  }

  get actor(): { agentId: string; joins: number } {
    return { agentId: this.agentId, joins: this.joins };
  }

  next(): any {
    return this.swarm.ask({ type: 'task_next', actor: this.actor }).assignment;
  }

  update(claim: any, progress?: any): any {
    return this.swarm.ask({ ...this.claimed('task_update', claim), progress, usage: null } as CommandBody);
  }

  completing(claim: any, result: any = null, vote?: any): CommandBody {
    return { ...this.claimed('task_complete', claim), result, vote, usage: null } as CommandBody;
  }

  complete(claim: any, result: any = null, vote?: any): any {
    return this.swarm.ask(this.completing(claim, result, vote));
  }

  fail(claim: any, reason = 'exit_code', retryable = true): any {
    return this.swarm.ask({
      ...this.claimed('task_fail', claim),
      reason,
      message: null,
      details: null,
      retryable,
      usage: null,
    } as CommandBody);
  }

  send(to: string | null, message: any, ttlMs: number | null = null): any {
    return this.swarm.ask(this.sending(to, message, ttlMs));
  }

  sending(to: string | null, message: any, ttlMs: number | null = null): CommandBody {
    return { type: 'agent_message', from: this.actor, to, message, replyTo: null, ttlMs };
  }

  read(after = 0): any[] {
    return this.swarm.ask({ type: 'message_next', actor: this.actor, after, limit: 1000 }).messages;
  }

  release(claim: any): any {
    return this.swarm.ask({ ...this.claimed('task_release', claim), reason: null } as CommandBody);
  }

  lost(): void {
    this.swarm.ask({ type: 'worker_lost', actor: this.actor, reason: 'connection closed' });
  }

  claimed(type: string, claim: any): object {
    return { type, actor: this.actor, assignmentId: claim.assignmentId, leaseToken: claim.leaseToken };
  }
}

export function taskRequest(task: Partial<TaskRequest>): TaskRequest {
  return {
    description: 'a task',
    priority: 'normal',
    strategy: null,
    input: undefined,
    items: null,
    requiredCapabilities: [],
    agentType: null,
    parallelism: null,
    phases: null,
    planned: false,
    aggregation: null,
    consensusRequired: false,
    consensusThreshold: null,
    failureThreshold: null,
    voteKey: null,
    votingMechanism: null,
    conflictResolution: null,
    lead: null,
    maxVotes: null,
    retry: { kind: 'exponential_backoff', maxAttempts: 3, initialMs: 100, maxMs: 30_000 },
    timeoutMs: 300_000,
    deadlineMs: 86_400_000,
    budget: null,
    ...task,
  };
}

export function phase(
  name: string,
  more: Partial<NonNullable<TaskRequest['phases']>[number]> = {},
): NonNullable<TaskRequest['phases']>[number] {
  return {
    name,
    description: null,
    dependencies: [],
    requiredCapabilities: null,
    agentType: null,
    parallelism: null,
    aggregation: null,
    timeoutMs: null,
    input: undefined,
    select: null,
    ...more,
  };
}

export function agentRequest(more: Partial<AgentRequest> = {}): AgentRequest {
  return {
    agentType: 'worker',
    name: null,
    capabilities: [],
    config: {},
    runtime: 'external',
    maxConcurrent: 1,
    ...more,
  };
}

export function joining(options: Joining = {}): CommandOf<'swarm_join'> {
  const nobody = { token: null, name: null, agentType: null, capabilities: null, maxConcurrent: null, leaseMs: null };
  return { type: 'swarm_join', ...nobody, ...options };
}
