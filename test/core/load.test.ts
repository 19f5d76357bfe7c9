/**
 * A swarm that has more to do than it can for a long stretch: 10,000 tasks over 50 agents, in simulated time, with
 * failures, cancellations and workers that are lost. All of it comes from one seed; SKEIN_SEED gives another.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandBody } from '../../src/core/command.ts';
import { createHeap, type Slotted } from '../../src/core/heap.ts';
import { nextDue } from '../../src/core/index/timers.ts';
import type { Limits } from '../../src/core/limits.ts';
import { snapshot } from '../../src/core/snapshot.ts';
import type { Priority } from '../../src/core/state.ts';
import { assertAllEndedOnce, follow, priorities, show, waitingOf, type Fates } from '../fates.ts';
import { random } from '../random.ts';
import { epoch, SwarmUnderTest, type Worker } from './swarm-under-test.ts';

const tasks = 10_000;
const agents = 50;
const attemptMs = 10_000;
/** Between a worker's answer and its next question. */
const turnMs = 20;
/** A little less than the agents need for it, what they do in vain included. */
const arrivalMs = 200;
const lossMs = 5_000;
const awayMs = 10_000;

interface Job {
  readonly at: number;
  readonly priority: Priority;
  readonly cancelAfterMs: number | null;
  /** What becomes of each attempt, from the first. */
  readonly attempts: readonly { readonly ms: number; readonly outcome: 'success' | 'failure' | 'final failure' }[];
}

interface Loss {
  readonly at: number;
  readonly post: number;
  /** A new process comes back as the same agent within its grace; else another agent takes its place. */
  readonly comesBack: boolean;
}

/** All that befalls the swarm, drawn beforehand, so that it is the same whatever the swarm makes of it. */
function drawLoad(seed: number): { readonly jobs: readonly Job[]; readonly losses: readonly Loss[] } {
  const draw = random(seed);
  let at = epoch;
  const jobs = Array.from({ length: tasks }, () => ({
    at: (at += 2 * arrivalMs * draw()),
    priority: priorities[Math.floor(draw() * priorities.length)]!,
    cancelAfterMs: draw() < 0.05 ? draw() * 60_000 : null,
    attempts: Array.from({ length: 10 }, () => ({
      ms: 2 * attemptMs * draw(),
      outcome: draw() < 0.9 ? ('success' as const) : draw() < 0.9 ? ('failure' as const) : ('final failure' as const),
    })),
  }));
  const losses = Array.from({ length: Math.floor((at - epoch) / lossMs) }, (_, index) => ({
    at: epoch + index * lossMs,
    post: Math.floor(draw() * agents),
    comesBack: draw() < 0.5,
  }));
  return { jobs, losses };
}

interface Appointment extends Slotted {
  readonly at: number;
  readonly order: number;
  happen(): void;
}

/** Runs until every task has ended. */
function carry({ jobs, losses }: ReturnType<typeof drawLoad>, limits: Partial<Limits> = {}): SwarmUnderTest {
  const swarm = SwarmUnderTest.withSwarm({ maxAgents: 2 * agents, limits: { endedTasksMax: 1_000, ...limits } });
  swarm.draw = random(1);
  swarm.checkEvery = 200;
  const agenda = createHeap<Appointment>((a, b) => (a.at === b.at ? a.order < b.order : a.at < b.at));
  let appointments = 0;
  const plan = (at: number, happen: () => void): void => {
    agenda.push({ at, order: (appointments += 1), happen, slot: -1 });
  };

  const jobOf = new Map<string, Job>();
  /** Who works now, by post and by agent. */
  const posts: Worker[] = [];
  const present = new Map<string, Worker>();
  const held = new Map<Worker, any>();

  const arrive = (post: number, token?: string): Worker => {
    const worker = swarm.join(token === undefined ? {} : { token });
    posts[post] = worker;
    present.set(worker.agentId, worker);
    return worker;
  };
  const take = (worker: Worker): void => {
    const claim = worker.next();
    if (claim === null) return void swarm.waiting.add(worker.agentId);
    swarm.waiting.delete(worker.agentId);
    held.set(worker, claim);
    const { attempts } = jobOf.get(claim.taskId)!;
    const { ms, outcome } = attempts[(claim.attempt - 1) % attempts.length]!;
    plan(swarm.now + ms, () => {
      if (present.get(worker.agentId) !== worker) return;
      held.delete(worker);
      report(outcome === 'success' ? worker.completing(claim) : failing(worker, claim, outcome === 'failure'));
      plan(swarm.now + turnMs, () => {
        if (present.get(worker.agentId) === worker) take(worker);
      });
    });
  };
  /** A claim may be over by now, its task having been cancelled. */
  const report = (command: CommandBody): void => {
    const outcome = swarm.execute(command);
    if ('refused' in outcome) assert.equal(outcome.refused, 'lease_lost');
  };
  const lose = ({ post, comesBack }: Loss): void => {
    const worker = posts[post]!;
    present.delete(worker.agentId);
    swarm.waiting.delete(worker.agentId);
    worker.lost();
    if (!comesBack) return take(arrive(post));
    plan(swarm.now + awayMs, () => {
      if (posts[post] !== worker) return;
      const back = arrive(post, worker.resumeToken);
      const claim = held.get(worker);
      if (claim !== undefined) report(releasing(back, claim));
      take(back);
    });
  };

  for (const job of jobs) {
    plan(job.at, () => {
      const retry = { kind: 'exponential_backoff', maxAttempts: 3, initialMs: 100, maxMs: 30_000 } as const;
      const { taskId } = swarm.orchestrate({ priority: job.priority, retry, deadlineMs: null });
      jobOf.set(taskId, job);
      if (job.cancelAfterMs === null) return;
      plan(swarm.now + job.cancelAfterMs, () => {
        const outcome = swarm.execute({ type: 'task_cancel', taskId, reason: null });
        if ('refused' in outcome) assert.equal(outcome.refused, 'task_ended');
      });
    });
  }
  for (const loss of losses) plan(loss.at, () => lose(loss));

  for (let post = 0; post < agents; post += 1) take(arrive(post));
  while (jobOf.size < jobs.length || swarm.state.indexes.liveTasks > 0) {
    const next = agenda.peek();
    const due = Math.min(next?.at ?? Infinity, nextDue(swarm.state) ?? Infinity);
    assert.ok(
      due < Infinity,
      `nothing will happen any more, and ${swarm.state.indexes.liveTasks} tasks have not ended`,
    );
    swarm.pass(due - swarm.now);
    if (next !== undefined && next.at === due) {
      agenda.remove(next);
      next.happen();
    }
    while (swarm.effects.length > 0) {
      const effect = swarm.effects.shift()!;
      const worker = effect.kind === 'wake' ? present.get(effect.key.replace(/^work:/, '')) : undefined;
      if (worker !== undefined && swarm.waiting.has(worker.agentId)) take(worker);
    }
  }
  return swarm;
}

function failing(worker: Worker, claim: any, retryable: boolean): CommandBody {
  const said = { reason: 'exit_code', message: null, details: null, retryable, usage: null };
  return { ...worker.claimed('task_fail', claim), ...said } as CommandBody;
}

function releasing(worker: Worker, claim: any): CommandBody {
  return { ...worker.claimed('task_release', claim), reason: null } as CommandBody;
}

function fatesIn({ events }: SwarmUnderTest): Fates {
  const fates: Fates = new Map();
  for (const event of events) follow(fates, event);
  return fates;
}

/** For how long a task waited at most while a later one of the same priority had been claimed already, in ms. */
function longestOvertaken(fates: Fates): number {
  let longest = 0;
  const firstLater = new Map<Priority, number>();
  for (const { priority, claimedAt } of [...fates.values()].reverse()) {
    if (claimedAt === null) continue;
    const first = firstLater.get(priority) ?? Infinity;
    longest = Math.max(longest, claimedAt - first);
    firstLater.set(priority, Math.min(first, claimedAt));
  }
  return longest;
}

test('10,000 tasks over 50 agents all end once; what is urgent goes first, and what is not does not starve', (t) => {
  const seed = Number(process.env['SKEIN_SEED'] ?? 1);
  t.diagnostic(`seed ${seed}`);
  const load = drawLoad(seed);

  const swarm = carry(load);
  const fates = fatesIn(swarm);
  show(t, 'with aging', fates);
  assertAllEndedOnce(fates, tasks);
  assert.equal(snapshot(swarm.replayed()), snapshot(swarm.state), 'replay is the live state');
  for (const reason of ['exit_code', 'agent_lost'])
    assert.ok(
      swarm.events.some((event) => event.type === 'attempt_failed' && event.error.reason === reason),
      `no attempt failed with ${reason}`,
    );
  const medians = priorities.map((priority) => waitingOf(fates, priority).p50);
  assert.deepEqual(
    medians,
    medians.toSorted((a, b) => a - b),
    'who is more urgent waits less',
  );
  assert.ok(medians[0]! < medians[3]! / 2, 'critical tasks are much faster than low ones');
  const overtaken = longestOvertaken(fates);
  t.diagnostic(`overtaken by a later task of the same priority: for ${overtaken} ms at most`);
  // An offer to a worker that is lost before it asks is for the next one that is free.
  assert.ok(overtaken < attemptMs, `a later task of the same priority was claimed ${overtaken} ms earlier`);

  const ageless = fatesIn(carry(load, { priorityAgingMs: 1e9 }));
  show(t, 'the same without aging', ageless);
  assertAllEndedOnce(ageless, tasks);
  const [longest, starved] = [waitingOf(fates, 'low').max, waitingOf(ageless, 'low').max];
  assert.ok(longest < starved / 1.5, `the longest wait of low is ${longest} ms, and ${starved} ms without aging`);
});
