import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Coordinator, type StartOrder } from '../../src/coordinator/coordinator.ts';
import { replay } from '../../src/coordinator/replay.ts';
import { Abandoned } from '../../src/coordinator/swarm-queue.ts';
import { systemMint } from '../../src/coordinator/mint.ts';
import type { Command, CommandBody } from '../../src/core/command.ts';
import type { Event } from '../../src/core/event.ts';
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import { isRefusal } from '../../src/core/refusal.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { ramJournal } from '../../src/journal/ram.ts';
import { silentLog } from '../../src/observe/log.ts';
import { taskRequest } from '../core/swarm-under-test.ts';
import { FakeClock, settle } from './fake-clock.ts';

interface Bench {
  readonly coordinator: Coordinator;
  readonly clock: FakeClock;
  readonly journal: Journal<Event>;
  readonly started: StartOrder[];
  readonly forgotten: string[];
  readonly failures: unknown[];
  swarmId: string;
  ask(command: CommandBody & { requestId?: string }, waitMs?: number, signal?: AbortSignal): Promise<any>;
  join(): Promise<any>;
}

async function coordinatorOn(
  journal: Journal<Event>,
  clock = new FakeClock(),
  more: { limits?: Partial<Limits>; snapshotEvents?: number; swarmConcurrency?: number; historyEvents?: number } = {},
): Promise<Bench> {
  const started: StartOrder[] = [];
  const forgotten: string[] = [];
  const failures: unknown[] = [];
  const coordinator = new Coordinator({
    journal,
    clock,
    mint: systemMint,
    log: silentLog(),
    limits: { ...defaultLimits, ...more.limits },
    queueLimits: {
      swarmConcurrency: more.swarmConcurrency ?? 0,
      batchMax: 1000,
      snapshotEvents: more.snapshotEvents ?? 1_000_000,
      snapshotEventsPerRecord: 0,
      historyEvents: more.historyEvents ?? 10,
      swarmsMax: 3,
    },
    starter: { start: (order) => void started.push(order), stop: () => {} },
    onForget: async (swarmId) => {
      forgotten.push(swarmId);
      return forgotten.length > 1;
    },
    onFatal: (error) => void failures.push(error),
  });
  await coordinator.open();
  await settle();
  const bench: Bench = {
    coordinator,
    clock,
    journal,
    started,
    forgotten,
    failures,
    swarmId: coordinator.newestLive() ?? '',
    ask: async (command, waitMs = 0, signal = new AbortController().signal) => {
      const patience = waitMs === 0 ? null : { until: clock.now() + waitMs, signal };
      const answer = await coordinator.submit(bench.swarmId, command as Command, patience);
      if (isRefusal(answer)) throw Object.assign(new Error(answer.message), answer);
      return JSON.parse(JSON.stringify(answer));
    },
    join: () =>
      bench.ask({
        type: 'swarm_join',
        token: null,
        name: null,
        agentType: null,
        capabilities: null,
        maxConcurrent: null,
        leaseMs: null,
      }),
  };
  return bench;
}

async function withSwarm(...args: Parameters<typeof coordinatorOn>): Promise<Bench> {
  const bench = await coordinatorOn(...args);
  bench.swarmId = (await create(bench)).swarmId;
  return bench;
}

async function create({ coordinator }: Bench, requestId?: string): Promise<any> {
  return coordinator.createSwarm({
    type: 'swarm_init',
    name: null,
    topology: 'mesh',
    maxAgents: 50,
    consensusThreshold: 0.7,
    strategy: 'adaptive',
    initialAgents: [],
    ...(requestId !== undefined && { requestId }),
  });
}

const orchestrate = (input?: any): CommandBody => ({ type: 'task_orchestrate', task: taskRequest({ input }) });

/** A journal whose appends wait until they are let through. */
function held(journal: Journal<Event>): {
  journal: Journal<Event>;
  appends: { events: number; go: () => void }[];
  hold: boolean;
} {
  const gate = {
    appends: [] as { events: number; go: () => void }[],
    hold: true,
    journal: {
      ...bound(journal),
      append: async (...args: Parameters<Journal<Event>['append']>) => {
        if (gate.hold) await new Promise<void>((go) => gate.appends.push({ events: args[2].events.length, go }));
        return journal.append(...args);
      },
    },
  };
  return gate;
}

/** A journal whose pages are on their way until they are let through: what was committed since is not in them. */
function remote(journal: Journal<Event>): { journal: Journal<Event>; hold: boolean; arrive(): Promise<void> } {
  const pages: (() => void)[] = [];
  const gate = {
    hold: false,
    journal: {
      ...bound(journal),
      read: async (...args: Parameters<Journal<Event>['read']>) => {
        const page = await journal.read(...args);
        if (gate.hold) await new Promise<void>((go) => pages.push(go));
        return page;
      },
    },
    arrive: async () => {
      for (const go of pages.splice(0)) go();
      await settle();
    },
  };
  return gate;
}

/** A journal's methods, to be replaced one by one. */
function bound(journal: Journal<Event>): Journal<Event> {
  return {
    durability: journal.durability,
    append: journal.append.bind(journal),
    read: journal.read.bind(journal),
    latestSnapshot: journal.latestSnapshot.bind(journal),
    blob: journal.blob.bind(journal),
    snapshot: journal.snapshot.bind(journal),
    subscribe: journal.subscribe.bind(journal),
    swarms: journal.swarms.bind(journal),
    forget: journal.forget.bind(journal),
    close: journal.close.bind(journal),
  };
}

describe('commands', () => {
  test('that arrive while a commit is in flight go together into the next one, and are answered after it', async () => {
    const gate = held(ramJournal<Event>());
    gate.hold = false;
    const bench = await withSwarm(gate.journal);
    gate.hold = true;
    const answered: number[] = [];
    const asked = [1, 2, 3, 4, 5].map(async (n) => {
      if (n > 1) await settle();
      await bench.ask(orchestrate());
      answered.push(n);
    });
    await settle();
    await settle();
    assert.deepEqual([gate.appends.length, gate.appends[0]!.events, answered], [1, 1, []]);
    gate.appends[0]!.go();
    await settle();
    assert.deepEqual([gate.appends.length, gate.appends[1]!.events, answered], [2, 4, [1]]);
    gate.appends[1]!.go();
    await Promise.all(asked);
    assert.deepEqual(answered, [1, 2, 3, 4, 5]);
  });

  test('that only read are not told what is not durable yet', async () => {
    const gate = held(ramJournal<Event>());
    gate.hold = false;
    const bench = await withSwarm(gate.journal);
    gate.hold = true;
    const task = bench.ask(orchestrate());
    await settle();
    let told = false;
    const status = bench.ask({ type: 'swarm_status', topology: false, performance: false }).then(() => (told = true));
    await settle();
    assert.equal(told, false);
    gate.appends[0]!.go();
    await Promise.all([task, status]);
  });

  test('are decided again when somebody else was first', async () => {
    const journal = ramJournal<Event>();
    const one = await withSwarm(journal);
    const two = await coordinatorOn(journal, one.clock);
    await Promise.all([one.ask(orchestrate()), two.ask(orchestrate()), one.ask(orchestrate())]);
    for (const { ask } of [one, two]) {
      const list = await ask({ type: 'task_list', filter: 'all', limit: 10, cursor: null });
      assert.equal(list.tasks.length, 3);
    }
  });

  test('that were decided on a state that did not come to be are decided again, in order', async () => {
    const journal = ramJournal<Event>();
    const other = await withSwarm(journal);
    const gate = held(journal);
    const bench = await coordinatorOn(gate.journal, other.clock);
    const describe = async (description: string): Promise<void> =>
      bench.ask({ type: 'task_orchestrate', task: { ...taskRequest({}), description } });
    const first = describe('first');
    await settle();
    const second = describe('second');
    await settle();
    await other.ask(orchestrate());
    gate.hold = false;
    gate.appends[0]!.go();
    await Promise.all([first, second]);
    const { tasks } = await bench.ask({ type: 'task_list', filter: 'all', limit: 10, cursor: null });
    assert.deepEqual(
      tasks.map((task: any) => task.description),
      ['second', 'first', taskRequest({}).description],
    );
  });

  test('decided while a commit is in flight lose nothing when one of them has a bug', async () => {
    const gate = held(ramJournal<Event>());
    gate.hold = false;
    const bench = await withSwarm(gate.journal);
    gate.hold = true;
    const first = bench.ask(orchestrate());
    await settle();
    const others = Promise.allSettled([
      bench.ask(orchestrate()),
      bench.ask({ type: 'settle_phase', taskId: 'nothing', phase: 'x' }),
      bench.ask(orchestrate()),
    ]);
    await settle();
    gate.hold = false;
    gate.appends[0]!.go();
    await first;
    assert.deepEqual(
      (await others).map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal((await bench.ask({ type: 'task_list', filter: 'all', limit: 10, cursor: null })).tasks.length, 3);
  });

  test('decided while a commit is in flight are not in the snapshot of that commit', async () => {
    const journal = ramJournal<Event>();
    const gate = held(journal);
    gate.hold = false;
    const bench = await withSwarm(gate.journal, undefined, { snapshotEvents: 2 });
    gate.hold = true;
    const first = bench.ask(orchestrate());
    await settle();
    const second = bench.ask(orchestrate());
    await settle();
    gate.appends[0]!.go();
    await first;
    const { head, state } = (await journal.latestSnapshot(bench.swarmId))!;
    assert.deepEqual([head.version, JSON.parse(state).version, JSON.parse(state).tasks.length], [2, 2, 1]);
    gate.hold = false;
    gate.appends[1]!.go();
    await second;
  });

  test('with a bug fail alone', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const [good, bad, after] = await Promise.allSettled([
      bench.ask(orchestrate()),
      bench.ask({ type: 'place', assignmentId: 1 as any }),
      bench.ask({ type: 'settle_phase', taskId: 'nothing', phase: 'x' }),
    ]);
    assert.equal(good.status, 'fulfilled');
    assert.equal(bad.status, 'fulfilled');
    assert.equal(after.status, 'rejected');
    assert.equal((await bench.ask({ type: 'task_list', filter: 'all', limit: 10, cursor: null })).tasks.length, 1);
  });

  test('over the limit of a swarm are refused, waiting ones do not count', async () => {
    const bench = await withSwarm(ramJournal<Event>(), undefined, { swarmConcurrency: 3 });
    const { agentId, joins } = await bench.join();
    const waiting: Promise<any>[] = [];
    for (let i = 0; i < 4; i += 1) {
      waiting.push(bench.ask({ type: 'task_next', actor: { agentId, joins } }, 10_000));
      await settle();
    }
    const asked = await Promise.allSettled([1, 2, 3, 4, 5].map(() => bench.ask(orchestrate())));
    assert.deepEqual(
      asked.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
    );
    assert.equal((asked[3] as any).reason.refused, 'swarm_busy');
    await bench.clock.pass(10_000);
    await Promise.all(waiting);
  });
});

describe('a waiting request', () => {
  test('is answered when there is work, and at the latest when its time is up', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const actor = await bench.join();
    const first = bench.ask({ type: 'task_next', actor }, 30_000);
    await bench.clock.pass(29_000);
    const { taskId } = await bench.ask(orchestrate());
    assert.equal((await first).assignment.taskId, taskId);
    const second = bench.ask({ type: 'task_next', actor }, 30_000);
    await bench.clock.pass(30_000);
    assert.equal((await second).assignment, null);
  });

  test('whose caller has gone claims nothing', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const actor = await bench.join();
    const caller = new AbortController();
    const gone = bench.ask({ type: 'task_next', actor }, 30_000, caller.signal);
    const there = bench.ask({ type: 'task_next', actor }, 30_000);
    await settle();
    caller.abort();
    await assert.rejects(gone, Abandoned);
    const { taskId } = await bench.ask(orchestrate());
    assert.equal((await there).assignment.taskId, taskId);
  });

  test('whose caller goes just as it is woken leaves the work to the next', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const actor = await bench.join();
    const caller = new AbortController();
    const gone = bench.ask({ type: 'task_next', actor }, 30_000, caller.signal).catch((error: unknown) => error);
    await settle();
    const there = bench.ask({ type: 'task_next', actor }, 30_000);
    await settle();
    const accepted = bench.ask(orchestrate());
    await accepted;
    caller.abort();
    const [first, second] = [
      await gone,
      await Promise.race([
        there,
        settle()
          .then(() => settle())
          .then(() => null),
      ]),
    ];
    assert.ok(first instanceof Abandoned ? second !== null : (first as any).assignment !== null);
  });

  test('of a connection that has been replaced leaves the work to the one that has', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const { agentId, joins, resumeToken } = await bench.join();
    const stale = bench.ask({ type: 'task_next', actor: { agentId, joins } }, 60_000).catch((error: unknown) => error);
    await settle();
    const again = await bench.ask({
      type: 'swarm_join',
      token: resumeToken,
      name: null,
      agentType: null,
      capabilities: null,
      maxConcurrent: null,
      leaseMs: null,
    });
    const fresh = bench.ask({ type: 'task_next', actor: { agentId, joins: again.joins } }, 60_000);
    await settle();
    const { taskId } = await bench.ask(orchestrate());
    assert.equal((await fresh).assignment.taskId, taskId);
    assert.equal(((await stale) as any).refused, 'not_joined');
  });

  test('of an agent that waits for several is answered with the others, when its swarm is resumed, and when it ends', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const [one, two] = [await bench.join(), await bench.join()];
    const next = ({ agentId, joins }: any) => bench.ask({ type: 'task_next', actor: { agentId, joins } }, 30_000);
    await bench.ask({ type: 'swarm_pause', reason: null });
    const tasks = [await bench.ask(orchestrate()), await bench.ask(orchestrate())];
    const waiting = [next(one), next(two)];
    await settle();
    await bench.ask({ type: 'swarm_resume' });
    const claims = await Promise.all(waiting);
    assert.deepEqual(
      claims.map(({ assignment }) => assignment.taskId).sort(),
      tasks.map(({ taskId }) => taskId).sort(),
    );
    // Both of its requests are told, not only the first.
    const stopped = [next(one), next(one)].map((answer) => answer.catch((error: any) => error.refused));
    await settle();
    await bench.ask({ type: 'agent_stop', agentId: one.agentId, reason: null, drain: true });
    const drained = await Promise.all(stopped);
    assert.deepEqual(
      drained.map(({ assignment, pending }) => [assignment, pending.drain]),
      [
        [null, true],
        [null, true],
      ],
    );
    const { assignmentId, leaseToken } = claims[0].assignment;
    const actor = { agentId: one.agentId, joins: one.joins };
    await bench.ask({
      type: 'task_complete',
      actor,
      assignmentId,
      leaseToken,
      result: 1,
      vote: undefined,
      usage: null,
    });
    await bench.clock.pass(0);
    assert.equal((await bench.ask({ type: 'agent_status', agentId: one.agentId })).status, 'stopped');
    const ended = [next(two), next(two)].map((answer) => answer.catch((error: any) => error.refused));
    await settle();
    await bench.ask({ type: 'agent_stop', agentId: two.agentId, reason: null });
    assert.deepEqual(await Promise.all(ended), ['agent_closed', 'agent_closed']);
  });

  test('for a task is answered when the task ends; for a claim when the claim ends', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const actor = await bench.join();
    const { taskId } = await bench.ask(orchestrate());
    const { assignment } = await bench.ask({ type: 'task_next', actor });
    const ended = bench.ask({ type: 'task_wait', taskId }, 60_000);
    const { assignmentId, leaseToken } = assignment;
    const heartbeat = bench.ask(
      { type: 'task_update', actor, assignmentId, leaseToken, progress: undefined, usage: null },
      20_000,
    );
    await settle();
    await bench.ask({ type: 'task_cancel', taskId, reason: null });
    assert.equal((await ended).status, 'cancelled');
    await assert.rejects(heartbeat, { refused: 'lease_lost' });
  });
});

describe('timers', () => {
  test('go off by themselves', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const actor = await bench.join();
    await bench.ask(orchestrate());
    const { assignment } = await bench.ask({ type: 'task_next', actor });
    await bench.clock.pass(defaultLimits.leaseMs);
    const status = await bench.ask({ type: 'task_status', taskId: assignment.taskId });
    assert.equal(status.phases[0].assignments[0].lastError.reason, 'lease_expired');
  });

  test('a destroyed swarm is forgotten after its retention, with what others keep of it', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    await bench.ask({ type: 'swarm_destroy' });
    await bench.clock.pass(defaultLimits.swarmRetentionMs);
    assert.deepEqual(bench.forgotten, [bench.swarmId]);
    await bench.ask({ type: 'swarm_status', topology: false, performance: false });
    await bench.clock.pass(60_000);
    assert.deepEqual(bench.forgotten, [bench.swarmId, bench.swarmId], 'what could not be removed is tried again');
    await assert.rejects(bench.ask({ type: 'swarm_status', topology: false, performance: false }), {
      refused: 'swarm_not_found',
    });
    assert.equal((await bench.journal.read(bench.swarmId, 0)).head.version, 0);
  });
});

describe('a restart', () => {
  test('finds everything that was acknowledged, with and without a snapshot', async () => {
    for (const snapshotEvents of [1_000_000, 5]) {
      const journal = ramJournal<Event>();
      const before = await withSwarm(journal, undefined, { snapshotEvents });
      const { agentId, joins, resumeToken } = await before.join();
      const actor = { agentId, joins };
      for (let i = 0; i < 20; i += 1) await before.ask(orchestrate({ i }));
      const { assignment } = await before.ask({ type: 'task_next', actor });
      await before.ask({ type: 'agent_message', from: null, to: agentId, message: 'kept', replyTo: null, ttlMs: null });
      const status = await before.ask({ type: 'swarm_status', topology: false, performance: false });
      before.coordinator.close();
      const snapshot = await journal.latestSnapshot(before.swarmId);
      assert.equal(snapshot !== undefined, snapshotEvents === 5);

      const after = await coordinatorOn(journal, before.clock, { snapshotEvents });
      const found = await after.ask({ type: 'swarm_status', topology: false, performance: false });
      assert.deepEqual(found.tasks, status.tasks);
      assert.equal(found.agents[0].status, 'offline');
      const back = await after.ask({
        type: 'swarm_join',
        token: resumeToken,
        name: null,
        agentType: null,
        capabilities: null,
        maxConcurrent: null,
        leaseMs: null,
      });
      assert.equal(back.held[0].leaseToken, assignment.leaseToken);
      assert.equal(back.pending.messages, 1);
    }
  });

  test('finds a swarm paused and an agent draining, and what was used', async () => {
    for (const snapshotEvents of [1_000_000, 1]) {
      const journal = ramJournal<Event>();
      const before = await withSwarm(journal, undefined, { snapshotEvents });
      const { agentId, joins } = await before.join();
      const budget = { maxTokens: 100, maxCostUsd: null };
      const { taskId } = await before.ask({ type: 'task_orchestrate', task: taskRequest({ budget }) });
      const { assignment } = await before.ask({ type: 'task_next', actor: { agentId, joins } });
      const { assignmentId, leaseToken } = assignment;
      const usage = { inputTokens: 7, outputTokens: null, costUsd: null };
      const actor = { agentId, joins };
      await before.ask({ type: 'task_update', actor, assignmentId, leaseToken, progress: undefined, usage });
      await before.ask({ type: 'agent_stop', agentId, reason: 'new release', drain: true });
      const { paused } = await before.ask({ type: 'swarm_pause', reason: 'lunch' });
      before.coordinator.close();

      const after = await coordinatorOn(journal, before.clock, { snapshotEvents });
      const status = await after.ask({ type: 'swarm_status', topology: false, performance: false });
      assert.deepEqual([status.paused, status.agents[0].status], [paused, 'offline']);
      const task = await after.ask({ type: 'task_status', taskId });
      assert.deepEqual(task.usage, { ...usage, unknownAttempts: 0 });
      assert.deepEqual(task.budget, budget);
      // Its worker does not come back: what it held is for others, and it is not waited for any longer.
      await after.clock.pass(60_000);
      assert.equal((await after.ask({ type: 'agent_status', agentId })).status, 'stopped');
      assert.match(
        (await after.ask({ type: 'task_status', taskId })).phases[0].waitingFor,
        /paused since .* \(lunch\)/,
      );
    }
  });

  test('finds the swarm that a repeated swarm_init asked for', async () => {
    const journal = ramJournal<Event>();
    const before = await coordinatorOn(journal);
    const [first, again] = await Promise.all([create(before, 'init-1'), create(before, 'init-1')]);
    assert.equal(first.swarmId, again.swarmId);
    before.coordinator.close();
    const after = await coordinatorOn(journal, before.clock);
    assert.equal((await create(after, 'init-1')).swarmId, first.swarmId);
    assert.equal(after.coordinator.summaries().length, 1);

    await after.clock.pass(defaultLimits.requestIdMs + 1);
    const { version } = after.coordinator.summaries()[0]!;
    assert.equal((await create(after, 'init-1')).swarmId, first.swarmId, 'also when the answer has been forgotten');
    assert.equal(after.coordinator.summaries()[0]!.version, version, 'it is not created anew');
  });

  test('a journal from a newer release stops that swarm and no other', async () => {
    const journal = ramJournal<Event>();
    const before = await withSwarm(journal);
    const good = before.swarmId;
    const bad = (await create(before)).swarmId as string;
    const { head } = await journal.read(bad, 0);
    await journal.append(bad, head, {
      id: 'x',
      events: [{ type: 'from_the_future', v: 1, at: 1 } as unknown as Event],
    });
    before.coordinator.close();
    const after = await coordinatorOn(journal, before.clock);
    assert.deepEqual(
      after.coordinator.quarantined().map(({ swarmId }) => swarmId),
      [bad],
    );
    after.swarmId = bad;
    await assert.rejects(after.ask(orchestrate()), { refused: 'swarm_quarantined' });
    after.swarmId = good;
    await after.ask(orchestrate());
  });
});

describe('several coordinators on one journal', () => {
  test('follow each other: what one commits the others show, and whoever waits there is woken', async () => {
    const journal = ramJournal<Event>();
    const one = await withSwarm(journal);
    const two = await coordinatorOn(journal, one.clock);
    const { agentId, joins } = await two.join();
    const waiting = two.ask({ type: 'task_next', actor: { agentId, joins } }, 5000);
    await settle();
    const { taskId } = await one.ask(orchestrate());
    assert.equal((await waiting).assignment.taskId, taskId);
    assert.equal((await one.ask({ type: 'task_status', taskId })).status, 'running');
    assert.equal(one.coordinator.summary(one.swarmId)!.version, two.coordinator.summary(one.swarmId)!.version);
  });

  test('learn of swarms that others create, and of those that others forget', async () => {
    const journal = ramJournal<Event>();
    const clock = new FakeClock();
    const one = await coordinatorOn(journal, clock);
    const two = await coordinatorOn(journal, clock);
    const { swarmId } = await create(one, 'r1');
    await settle();
    assert.equal(two.coordinator.newestLive(), swarmId);
    assert.equal((await create(two, 'r1')).swarmId, swarmId, 'and of the requests that created them');

    await journal.forget(swarmId);
    await two.coordinator.submit(swarmId, orchestrate() as Command);
    await settle();
    const answer: any = await two.coordinator.submit(swarmId, orchestrate() as Command);
    assert.equal(answer.refused, 'swarm_not_found');
    assert.deepEqual(two.coordinator.summaries(), []);
  });

  test('do not miss what is announced while they read', async () => {
    const ram = ramJournal<Event>();
    const gate = remote(ram);
    const one = await withSwarm(ram);
    const two = await coordinatorOn(gate.journal);
    const { taskId } = await one.ask(orchestrate());
    await settle();
    gate.hold = true;
    await one.ask(orchestrate());
    await settle();
    // What it knows is still there; the page with the rest is on its way.
    await gate.arrive();
    await one.ask({ type: 'task_cancel', taskId, reason: null });
    gate.hold = false;
    await gate.arrive();
    assert.equal((await two.ask({ type: 'task_status', taskId })).status, 'cancelled');
  });

  test('do not miss what is announced of a swarm that they read for the first time', async () => {
    const ram = ramJournal<Event>();
    const gate = remote(ram);
    const [one, two] = [await coordinatorOn(ram), await coordinatorOn(gate.journal)];
    gate.hold = true;
    one.swarmId = (await create(one)).swarmId;
    await settle();
    const { taskId } = await one.ask(orchestrate());
    gate.hold = false;
    await gate.arrive();
    two.swarmId = one.swarmId;
    assert.equal((await two.ask({ type: 'task_status', taskId })).status, 'orchestrating');
  });

  test('do not go on from a history that a failover has lost', async () => {
    const journal = ramJournal<Event>();
    const before = await withSwarm(journal);
    await before.ask(orchestrate());
    const replica = ramJournal<Event>();
    const { commits } = await journal.read(before.swarmId, 0);
    await replica.append(before.swarmId, { version: 0, commitId: '' }, { id: 'kept', events: commits[0]!.events });
    const after = await coordinatorOn(replica, before.clock);
    after.swarmId = before.swarmId;
    const known = await replay(journal, before.swarmId, defaultLimits);
    for (let tasks = 0; tasks < 3; tasks += 1) await after.ask(orchestrate());
    const { state, head } = await replay(replica, before.swarmId, defaultLimits, known);
    assert.equal(state.tasks.size, 3);
    assert.equal(head.version, after.coordinator.summary(before.swarmId)!.version);
  });
});

describe('large values', () => {
  test('live beside the journal, come back whole, and are dropped with their task', async () => {
    const journal = ramJournal<Event>();
    const bench = await withSwarm(journal, undefined, { limits: { taskRetentionMs: 1000 } });
    const actor = await bench.join();
    const input = { text: 'x'.repeat(200_000) };
    await bench.ask(orchestrate(input));
    const { assignment } = await bench.ask({ type: 'task_next', actor });
    assert.deepEqual(assignment.input, input);
    const { assignmentId, leaseToken, taskId } = assignment;
    await bench.ask({
      type: 'task_complete',
      actor,
      assignmentId,
      leaseToken,
      result: [input],
      vote: undefined,
      usage: null,
    });
    assert.deepEqual((await bench.ask({ type: 'task_results', taskId })).result, [input]);

    const page = await journal.read(bench.swarmId, 0);
    assert.ok(JSON.stringify(page.commits).length < 10_000);
    const accepted = page.commits.flatMap((commit) => commit.events).find((event) => event.type === 'task_accepted')!;
    const { blob } = (accepted as any).input;
    assert.notEqual(await journal.blob(bench.swarmId, blob), undefined);
    await bench.clock.pass(1000);
    assert.equal(await journal.blob(bench.swarmId, blob), undefined);
  });
});

describe('a journal that fails', () => {
  test('stops everything: nothing is acknowledged, whoever asks is told', async () => {
    const ram = ramJournal<Event>();
    let full = false;
    const bench = await withSwarm({
      ...bound(ram),
      append: async (...args) => {
        if (full) throw new Error('no space left');
        return ram.append(...args);
      },
    });
    full = true;
    await assert.rejects(
      bench.ask(orchestrate()),
      (error: any) => error.refused === 'journal_failed' && error.data.definite === false,
    );
    await assert.rejects(bench.ask(orchestrate()), { refused: 'journal_failed' });
    assert.equal(bench.failures.length, 1);
  });
});

describe('a feed', () => {
  test('has every event in order, without gap or repetition, at the pace of its reader', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const feed = bench.coordinator.feed(bench.swarmId, 0);
    const versions: number[] = [];
    const reading = (async () => {
      for (let events = await feed.next(); events !== null; events = await feed.next()) {
        if ('oldest' in events) throw new Error('trimmed');
        versions.push(...events.map((event) => event.version));
      }
    })();
    for (let i = 0; i < 30; i += 1) await bench.ask(orchestrate());
    await settle();
    feed.close();
    await reading;
    assert.deepEqual(
      versions,
      Array.from({ length: 31 }, (_, index) => index + 1),
    );
  });

  test('whose events are no longer kept says from where on they are', async () => {
    const bench = await withSwarm(ramJournal<Event>(), undefined, { snapshotEvents: 20, historyEvents: 5 });
    const actor = await bench.join();
    await bench.ask(orchestrate());
    const { assignmentId, leaseToken } = (await bench.ask({ type: 'task_next', actor })).assignment;
    for (let i = 0; i < 200; i += 1) {
      await bench.ask({ type: 'task_update', actor, assignmentId, leaseToken, progress: i, usage: null });
    }
    await settle();
    const lagging = bench.coordinator.feed(bench.swarmId, 0);
    const oldest = await lagging.trimmed();
    assert.ok(oldest !== null && oldest > 0);
    assert.equal(await bench.coordinator.feed(bench.swarmId, oldest).trimmed(), null);
  });

  test('shows no secrets', async () => {
    const bench = await withSwarm(ramJournal<Event>());
    const actor = await bench.join();
    await bench.ask({ ...orchestrate(), requestId: 'r' });
    const { assignment } = await bench.ask({ type: 'task_next', actor, requestId: 'n' });
    const shown = JSON.stringify(await bench.coordinator.feed(bench.swarmId, 0).next());
    assert.ok(!shown.includes(actor.resumeToken));
    assert.ok(!shown.includes(assignment.leaseToken));
  });
});
