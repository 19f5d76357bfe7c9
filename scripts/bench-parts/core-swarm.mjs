/**
 * A swarm without a server, and its workers, for `scripts/bench core`. It has a turn of work at a time, which leaves it as
 * large as it was.
 */
import { performance } from 'node:perf_hooks';
import { systemMint } from '../../dist/coordinator/mint.js';
import { execute } from '../../dist/core/decide.js';
import { createState } from '../../dist/core/evolve.js';
import { nextDue } from '../../dist/core/index/timers.js';
import { defaultLimits } from '../../dist/core/limits.js';
import { isRefusal } from '../../dist/core/refusal.js';

/** Commands of each kind in a turn. */
export const batch = 32;
export const limits = { ...defaultLimits, maxAgents: 10_000, endedTasksMax: 1_000 };
const capabilities = ['hash', 'review', 'rust'];
const priorities = ['low', 'normal', 'high', 'critical'];
const usage = { inputTokens: 10, outputTokens: 10, costUsd: null };
const success = { result: 'done', vote: undefined, usage };
const failure = { reason: 'exit_code', message: null, details: null, retryable: false, usage };
const message = { from: null, message: 'hello', replyTo: null, ttlMs: null };
const show = (payload) => payload.json;

export class Swarm {
  state = createState(limits);
  #now = Date.UTC(2026, 0, 1);
  #asked = 0;
  #workers = [];
  #byId;
  /** Claimed in the turn before. */
  #held = [];
  #world;

  constructor({ agents, queued }) {
    const world = {
      now: 0,
      id: (kind) => systemMint.id(kind, this.#now),
      secret: systemMint.secret,
      draw: systemMint.draw,
      // With a queue, they only ask; without one, they wait.
      isWaiting: () => queued === 0,
      keep: (json) => ({ json }),
    };
    this.#world = world;
    this.#ask({
      type: 'swarm_init',
      swarmId: 'swarm_1',
      name: null,
      topology: 'mesh',
      maxAgents: limits.maxAgents,
      consensusThreshold: 0.7,
      strategy: 'adaptive',
      initialAgents: [],
    });
    for (let count = 0; count < queued; count += 1) this.#orchestrate();
    for (let count = 0; count < agents; count += 1) this.#workers.push(this.#join(null));
    this.#byId = new Map(this.#workers.map((worker) => [worker.agentId, worker]));
  }

  /** Each command once for each of the batch, and how many microseconds one of them took. */
  turn() {
    const times = {};
    const time = (command, items, run) => {
      const began = performance.now();
      const replies = items.map(run);
      times[command] = ((performance.now() - began) * 1_000) / items.length;
      return replies;
    };
    const some = Array.from({ length: batch }, (_, index) => this.#workers[(index * 7_919) % this.#workers.length]);

    const tasks = time('task_orchestrate', some, () => this.#orchestrate());
    time('task_status', tasks, ({ taskId }) => this.#ask({ type: 'task_status', taskId }));
    const held = this.#held;
    const half = held.length / 2;
    time('task_update', held, (claim) => this.#report('task_update', claim, { progress: this.#asked, usage }));
    time('task_complete', held.slice(half), (claim) => this.#report('task_complete', claim, success));
    time('task_fail', held.slice(0, half), (claim) => this.#report('task_fail', claim, failure));
    // To whom it was offered, or else whoever is free now.
    const next = tasks.map(({ assignedAgents: [agent] }, index) => this.#byId.get(agent?.agentId) ?? some[index]);
    this.#held = time('task_next', next, (worker) => {
      const { assignmentId, leaseToken } = this.#ask({ type: 'task_next', actor: worker.actor }).assignment;
      return { worker, assignmentId, leaseToken };
    });
    const surplus = some.map(() => this.#orchestrate());
    time('task_cancel', surplus, ({ taskId }) => this.#ask({ type: 'task_cancel', taskId, reason: null }));
    time('agent_message', some, ({ agentId: to }) => this.#ask({ type: 'agent_message', to, ...message }));
    time('message_next', some, ({ actor }) => this.#ask({ type: 'message_next', actor, after: 0, limit: 100 }));
    time('message_ack', some, ({ actor }) => this.#ask({ type: 'message_ack', actor, upTo: Number.MAX_SAFE_INTEGER }));
    time('agent_status', some, ({ agentId }) => this.#ask({ type: 'agent_status', agentId }));
    time('swarm_join', some, (worker) => Object.assign(worker, this.#join(worker.resumeToken)));
    for (let due = nextDue(this.state); due !== null && due <= this.#now; due = nextDue(this.state)) {
      this.#ask({ type: 'timers_due', most: limits.timersMax });
    }
    return times;
  }

  #report(type, { worker: { actor }, assignmentId, leaseToken }, more) {
    this.#ask({ type, actor, assignmentId, leaseToken, ...more });
  }

  /** Read from text, as it comes over the wire: no two tasks share a string because this program does. */
  #orchestrate() {
    const count = this.#asked++;
    this.#now += 1;
    const task = {
      description: `Look for what is wrong with file ${count}`,
      priority: priorities[count % priorities.length],
      strategy: null,
      requiredCapabilities: [capabilities[count % capabilities.length]],
      agentType: null,
      parallelism: null,
      items: null,
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
    };
    return this.#ask({ type: 'task_orchestrate', task: JSON.parse(JSON.stringify(task)) });
  }

  #join(token) {
    const { agentId, joins, resumeToken } = this.#ask({
      type: 'swarm_join',
      token,
      name: null,
      agentType: null,
      capabilities,
      maxConcurrent: 1,
      leaseMs: null,
    });
    return { agentId, resumeToken, actor: { agentId, joins } };
  }

  #ask(command) {
    this.#world.now = this.#now;
    const outcome = execute(this.state, command, this.#world, show);
    if (isRefusal(outcome)) throw new Error(`${command.type}: ${outcome.refused}: ${outcome.message}`);
    return outcome.reply;
  }
}
