import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandBody, TaskRequest } from '../../src/core/command.ts';
import { restore, snapshot } from '../../src/core/snapshot.ts';
import type { Topology } from '../../src/core/state.ts';
import { mayAssign, validatorsFor } from '../../src/core/topology.ts';
import { agentRequest, joining, phase, SwarmUnderTest, taskRequest, type Worker } from './swarm-under-test.ts';

const stop = (worker: Worker): void => {
  worker.swarm.ask({ type: 'agent_stop', agentId: worker.agentId, reason: 'enough' });
};

function swarmOf(topology: Topology, ...types: string[]): { swarm: SwarmUnderTest; workers: Worker[] } {
  const swarm = SwarmUnderTest.withSwarm({ topology });
  return { swarm, workers: types.map((agentType) => swarm.join({ agentType })) };
}

/** Who may message whom by name, as numbers of the workers: asked of the rule, and compared with what status shows. */
function reach(swarm: SwarmUnderTest, workers: readonly Worker[]): number[][] {
  const { members } = swarm.ask({ type: 'swarm_status', topology: true, performance: false });
  return workers.map((from) => {
    const allowed = workers.flatMap((to, index) => {
      if (to === from) return [];
      const outcome = swarm.execute(from.sending(to.agentId, 'hello'));
      if (!('refused' in outcome)) return [index];
      assert.equal(outcome.refused, 'topology_forbids');
      return [];
    });
    const { peers } = members.find((member: any) => member.agentId === from.agentId);
    assert.deepEqual(allowed.map((index) => workers[index]!.agentId).sort(), [...peers].sort());
    return allowed;
  });
}

function broadcastReaches(from: Worker, workers: readonly Worker[]): number[][] {
  return from
    .send(null, 'to all')
    .receivers.map(({ agentId, hops }: any) => [workers.findIndex((worker) => worker.agentId === agentId), hops]);
}

function validators(swarm: SwarmUnderTest, workers: readonly Worker[], ...authors: number[]): number[] {
  const ids = new Set(authors.map((index) => workers[index]!.agentId));
  return [...validatorsFor(swarm.state, ids)].map(({ id }) => workers.findIndex((worker) => worker.agentId === id));
}

/** Who may submit tasks, as numbers of the workers. */
function assigners(swarm: SwarmUnderTest, workers: readonly Worker[]): number[] {
  return workers.flatMap(({ agentId }, index) => {
    const refusal = mayAssign(swarm.state, agentId);
    if (refusal === null) return [index];
    assert.equal(refusal.refused, 'topology_forbids');
    assert.equal((refusal.data?.['reachable'] as string[]).length, 1);
    return [];
  });
}

describe('a mesh', () => {
  test('lets anyone message anyone, and anyone validate who is no author', () => {
    const { swarm, workers } = swarmOf('mesh', 'a', 'a', 'a');
    assert.deepEqual(reach(swarm, workers), [
      [1, 2],
      [0, 2],
      [0, 1],
    ]);
    assert.deepEqual(validators(swarm, workers, 1), [0, 2]);
    assert.deepEqual(assigners(swarm, workers), [0, 1, 2]);
  });
});

describe('a star', () => {
  test('lets the hub and its spokes message each other, and no spoke another; the hub validates', () => {
    const { swarm, workers } = swarmOf('star', 'a', 'a', 'a');
    assert.deepEqual(reach(swarm, workers), [[1, 2], [0], [0]]);
    const [hub, spoke, other] = workers as [Worker, Worker, Worker];
    const refusal = swarm.refusal(spoke.sending(other.agentId, 'psst'));
    assert.match(refusal.message, new RegExp(`spokes message only the hub. It may message ${hub.agentId}$`));
    assert.deepEqual(refusal.data?.['reachable'], [hub.agentId]);
    assert.deepEqual(broadcastReaches(hub, workers), [
      [1, 1],
      [2, 1],
    ]);
    assert.deepEqual(broadcastReaches(spoke, workers), [[0, 1]]);
    assert.deepEqual(validators(swarm, workers, 1), [0]);
    assert.deepEqual(validators(swarm, workers, 0), [1, 2], 'a hub is not its own judge');
  });

  test('has its hub submit tasks, and nobody else of its agents', () => {
    const { swarm, workers } = swarmOf('star', 'a', 'a', 'a');
    assert.deepEqual(assigners(swarm, workers), [0]);
    const task = taskRequest({});
    const by = (from: Worker): CommandBody => ({ type: 'task_orchestrate', task, from: from.agentId });
    assert.match(swarm.refusal(by(workers[1]!)).message, /only the hub does. It may ask agent/);
    assert.equal(swarm.ask(by(workers[0]!)).status, 'orchestrating');
    stop(workers[0]!);
    assert.equal(swarm.ask(by(workers[1]!)).status, 'orchestrating');
    assert.equal(swarm.ask(by(workers[0]!)).status, 'orchestrating', 'who is over is no agent of the swarm any more');
  });

  test('made with its agents has the oldest coordinator of them as its hub', () => {
    const swarm = new SwarmUnderTest();
    const { agents } = swarm.ask(initWith('star', [{}, { agentType: 'coordinator' }, { agentType: 'coordinator' }]));
    assert.equal(swarm.state.swarm!.hubId, agents[1].agentId);
  });

  test('whose hub is over elects the oldest coordinator, else the oldest agent, and one is enough', () => {
    const { swarm, workers } = swarmOf('star', 'a', 'a', 'coordinator', 'a');
    const elected = () =>
      swarm.events.flatMap((event) =>
        event.type === 'hub_elected' ? workers.findIndex(({ agentId }) => agentId === event.agentId) : [],
      );
    assert.deepEqual(elected(), [0]);
    workers[0]!.lost();
    assert.deepEqual(elected(), [0], 'a lost hub keeps its place');
    swarm.pass(swarm.limits.graceMs);
    assert.deepEqual(elected(), [0, 2]);
    stop(workers[2]!);
    stop(workers[3]!);
    assert.deepEqual(elected(), [0, 2, 1]);
    stop(workers[1]!);
    assert.deepEqual(elected(), [0, 2, 1]);
    workers.push(swarm.join());
    assert.deepEqual(elected(), [0, 2, 1, 4]);
  });
});

describe('a hierarchy', () => {
  /** 0 is the root with the children 1 and 2; 3 and 4 are children of 1, 5 is one of 2. */
  function tree(...types: string[]): { swarm: SwarmUnderTest; workers: Worker[] } {
    const swarm = SwarmUnderTest.withSwarm({ topology: 'hierarchical' });
    const workers: Worker[] = [];
    for (const [index, above] of [null, 0, 0, 1, 1, 2].entries()) {
      const agentType = types[index] ?? 'a';
      workers.push(swarm.join(above === null ? { agentType } : { agentType, parent: workers[above]!.agentId }));
    }
    return { swarm, workers };
  }

  const parents = (swarm: SwarmUnderTest, workers: readonly Worker[]): (number | null)[] =>
    workers.map(({ agentId }) => {
      const { parentId } = swarm.state.agents.get(agentId)!;
      return parentId === null ? null : workers.findIndex((worker) => worker.agentId === parentId);
    });

  test('lets parent, child and sibling message each other; the parent validates, or a validator', () => {
    const { swarm, workers } = tree('a', 'a', 'a', 'a', 'validator');
    assert.deepEqual(reach(swarm, workers), [[1, 2], [0, 2, 3, 4], [0, 1, 5], [1, 4], [1, 3], [2]]);
    assert.deepEqual(broadcastReaches(workers[1]!, workers), [
      [0, 1],
      [3, 1],
      [4, 1],
      [2, 1],
    ]);
    assert.deepEqual(validators(swarm, workers, 5), [2, 4]);
    assert.deepEqual(validators(swarm, workers, 4), [1]);
    assert.deepEqual(validators(swarm, workers, 0), [4]);
    assert.deepEqual(assigners(swarm, workers), [0, 1, 2]);
  });

  test('puts who names no parent below the oldest coordinator, else the oldest agent', () => {
    const { swarm, workers } = swarmOf('hierarchical', 'a', 'a', 'coordinator', 'a');
    assert.deepEqual(parents(swarm, workers), [null, 0, 0, 2]);
  });

  test('takes names of earlier ones as parents of its first agents', () => {
    const swarm = new SwarmUnderTest();
    const { agents } = swarm.ask(
      initWith('hierarchical', [
        { name: 'lead' },
        { agentType: 'coordinator', name: 'top' },
        { parent: 'lead' },
        { parent: 'top' },
        {},
      ]),
    );
    const ids = agents.map((agent: any) => agent.agentId);
    assert.deepEqual(
      [...swarm.state.agents.values()].map(({ parentId }) => (parentId === null ? null : ids.indexOf(parentId))),
      [1, null, 0, 1, 1],
    );
    const fresh = new SwarmUnderTest();
    for (const agents of [[{ parent: 'later' }, { name: 'later' }], [{ name: 'self', parent: 'self' }]]) {
      const refusal = fresh.execute(initWith('hierarchical', agents));
      assert.ok('refused' in refusal && refusal.refused === 'invalid_arguments');
    }
  });

  test('refuses a parent that is not there or is over, and any other topology refuses parents', () => {
    const { swarm, workers } = swarmOf('hierarchical', 'a', 'a');
    const spawn = (parent: string): CommandBody => ({
      type: 'agent_spawn',
      agent: agentRequest({ parent }),
      limitsAsked: false,
    });
    assert.equal(swarm.refusal(spawn('agent_x')).refused, 'agent_not_found');
    stop(workers[1]!);
    assert.equal(swarm.refusal(spawn(workers[1]!.agentId)).refused, 'agent_closed');
    assert.match(SwarmUnderTest.withSwarm().refusal(spawn('agent_x')).message, /parent has no effect in a mesh/);
  });

  test('gives the children of a dead parent to the oldest coordinator, else the oldest agent', () => {
    const { swarm, workers } = tree();
    stop(workers[2]!);
    assert.deepEqual(parents(swarm, workers).slice(3), [1, 1, 0]);
    const withCoordinator = tree('a', 'a', 'a', 'a', 'coordinator');
    stop(withCoordinator.workers[2]!);
    assert.deepEqual(parents(withCoordinator.swarm, withCoordinator.workers).slice(3), [1, 1, 4]);
  });

  test('joined twice with the same request id and parent is joined once', () => {
    const { swarm, workers } = swarmOf('hierarchical', 'a');
    const join = { ...joining({ parent: workers[0]!.agentId }), requestId: 'once' };
    assert.equal(swarm.ask(join).agentId, swarm.ask(join).agentId);
  });

  test('comes to no circle when the heir is below the dead parent: it rises first', () => {
    const { swarm, workers } = tree('a', 'a', 'a', 'a', 'coordinator');
    stop(workers[0]!);
    assert.deepEqual(parents(swarm, workers).slice(1), [4, 4, 1, null, 2]);
    const { swarm: other, workers: others } = tree();
    stop(others[0]!);
    assert.deepEqual(parents(other, others).slice(1), [null, 1, 1, 1, 2]);
  });
});

describe('a ring', () => {
  test('lets each message the next one only, and a broadcast go round: everyone gets it once', () => {
    const { swarm, workers } = swarmOf('ring', 'a', 'a', 'a', 'a');
    assert.deepEqual(reach(swarm, workers), [[1], [2], [3], [0]]);
    assert.match(
      swarm.refusal(workers[0]!.sending(workers[2]!.agentId, 'over one')).message,
      new RegExp(`in a ring, agents message only the next one.*It may message ${workers[1]!.agentId}$`),
    );
    assert.deepEqual(broadcastReaches(workers[2]!, workers), [
      [3, 1],
      [0, 2],
      [1, 3],
    ]);
    assert.equal(workers[2]!.read().filter((of) => of.message === 'to all').length, 0);
    for (const index of [3, 0, 1])
      assert.equal(workers[index]!.read().filter((of) => of.message === 'to all').length, 1);
  });

  test('closes around who is over, and a broadcast on its way is not lost with it', () => {
    const { swarm, workers } = swarmOf('ring', 'a', 'a', 'a', 'a');
    workers[0]!.send(null, 'on its way');
    stop(workers[1]!);
    assert.deepEqual(
      [2, 3].map((index) => workers[index]!.read().map(({ message, hops }) => [message, hops])),
      [[['on its way', 2]], [['on its way', 3]]],
    );
    const left = workers.filter((_, index) => index !== 1);
    assert.deepEqual(reach(swarm, left), [[1], [2], [0]]);
  });

  test('has the successor validate, the last one closing it', () => {
    const { swarm, workers } = swarmOf('ring', 'a', 'a', 'a', 'a');
    assert.deepEqual(validators(swarm, workers, 1), [2]);
    assert.deepEqual(validators(swarm, workers, 3), [0]);
    assert.deepEqual(validators(swarm, workers, 0, 1), [2]);
    assert.deepEqual(validators(swarm, workers, 0, 1, 2, 3), []);
  });
});

describe('a judge', () => {
  const best: Partial<TaskRequest> = { aggregation: 'best', parallelism: 2 };
  /** Has the candidates worked out, and tells by whom, and to whom they are offered to be judged. */
  function judged(topology: Topology, ...types: string[]) {
    const { swarm, workers } = swarmOf(topology, ...types);
    const { taskId } = swarm.orchestrate(best);
    const claims = workers.map((worker) => [worker, worker.next()] as const).filter(([, claim]) => claim !== null);
    for (const [worker, claim] of claims) worker.complete(claim, worker.agentId);
    const authors = claims.map(([worker]) => worker);
    const judges = workers.filter((worker) => !authors.includes(worker) && worker.next() !== null);
    const numbers = (some: readonly Worker[]): number[] => some.map((worker) => workers.indexOf(worker));
    return { swarm, workers, taskId, authors: numbers(authors), judges: numbers(judges) };
  }

  test('is the hub of a star, which does not compete; when it is over, its successor judges', () => {
    const { swarm, workers, taskId, authors, judges } = judged('star', 'a', 'a', 'a', 'a');
    assert.deepEqual([authors.length, authors.includes(0), judges], [2, false, [0]]);
    stop(workers[0]!);
    const heir = workers.findIndex(({ agentId }) => agentId === swarm.state.swarm!.hubId);
    // The successor is an author itself: then it is anyone who is none.
    const judge = authors.includes(heir) ? [1, 2, 3].find((index) => !authors.includes(index))! : heir;
    for (const _ of [1, 2]) {
      const claim = workers[judge]!.next();
      workers[judge]!.complete(claim, {
        choice: Object.keys(claim.input.candidates)[claim.assignmentId.endsWith('3') ? 0 : 1],
      });
    }
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('is the parent in a hierarchy, or a validator; in a ring the next one', () => {
    assert.deepEqual(judged('hierarchical', 'a', 'a', 'a').judges, [0]);
    const { authors, judges } = judged('ring', 'a', 'a', 'a', 'a');
    assert.ok(judges.every((index) => authors.includes((index + 3) % 4)));
    assert.equal(judges.length, 1);
  });
});

describe('work that may have to be judged', () => {
  test('is for the hub as well when nobody else can do it', () => {
    const { swarm, workers } = swarmOf('star', 'a');
    swarm.orchestrate({ phases: [phase('p', { aggregation: 'best' })] });
    assert.notEqual(workers[0]!.next(), null);
  });

  test('does not wait for a hub that has never joined', () => {
    const swarm = SwarmUnderTest.withSwarm({ topology: 'star' });
    swarm.ask({ type: 'agent_spawn', agent: agentRequest({ agentType: 'coordinator' }), limitsAsked: false });
    const workers = [1, 2, 3].map(() => swarm.join());
    swarm.orchestrate({ aggregation: 'best', parallelism: 2 });
    const claims = workers.map((worker) => worker.next());
    for (const [index, claim] of claims.entries()) if (claim !== null) workers[index]!.complete(claim, index);
    assert.notEqual(workers[claims.indexOf(null)]!.next(), null);
  });

  test('is judged to the end by who began, also when the hub comes in between', () => {
    const swarm = SwarmUnderTest.withSwarm({ topology: 'star' });
    swarm.ask({ type: 'agent_spawn', agent: agentRequest({ agentType: 'coordinator' }), limitsAsked: false });
    const workers = [1, 2, 3].map(() => swarm.join());
    const { taskId } = swarm.orchestrate({ aggregation: 'best', parallelism: 2 });
    const claims = workers.map((worker) => worker.next());
    for (const [index, claim] of claims.entries()) if (claim !== null) workers[index]!.complete(claim, index);
    const judge = workers[claims.indexOf(null)]!;
    judge.complete(judge.next(), { choice: 'A' });
    const { life } = [...swarm.state.agents.values()][0]!;
    assert.equal(life.status, 'spawning');
    const hub = swarm.join({ token: life.joinToken });
    assert.equal(hub.next(), null);
    judge.complete(judge.next(), { choice: 'B' });
    assert.equal(swarm.task(taskId).status, 'completed');
  });

  test('is offered to who may judge it now, when who was to judge it is over', () => {
    const { swarm, workers } = swarmOf('star', 'coordinator', 'a', 'a', 'a');
    swarm.orchestrate({ aggregation: 'best', parallelism: 2 });
    const claims = workers.map((worker) => worker.next());
    for (const [index, claim] of claims.entries()) if (claim !== null) workers[index]!.complete(claim, index);
    const idle = workers[claims.lastIndexOf(null)]!;
    swarm.waiting.add(idle.agentId);
    stop(workers[0]!);
    const offers = swarm.events.filter(
      (event) => event.type === 'assignment_offered' && event.agentId === idle.agentId,
    );
    assert.equal(offers.length, 1);
  });
});

describe('the work in a ring', () => {
  const relay = {
    phases: ['draft', 'edit', 'print'].map((name, index, names) =>
      phase(name, index === 0 ? {} : { dependencies: [names[index - 1]!] }),
    ),
  };

  test('goes from each to the next one', () => {
    const { swarm, workers } = swarmOf('ring', 'a', 'a', 'a');
    swarm.orchestrate(relay);
    const draft = workers[1]!.next();
    for (const { agentId } of workers) swarm.waiting.add(agentId);
    workers[1]!.complete(draft, 'drafted');
    const edit = workers[2]!.next();
    assert.deepEqual([edit.phase, edit.dependencies], ['edit', { draft: 'drafted' }]);
    workers[2]!.complete(edit, 'edited');
    assert.equal(workers[0]!.next().phase, 'print');
  });

  test('goes past the next one when that is busy', () => {
    const { swarm, workers } = swarmOf('ring', 'a', 'a', 'a');
    const [a, b, c] = workers as [Worker, Worker, Worker];
    swarm.orchestrate();
    b.next();
    swarm.orchestrate(relay);
    const draft = a.next();
    swarm.waiting.add(c.agentId);
    a.complete(draft, 'drafted');
    assert.equal(c.next().phase, 'edit');
  });

  test('goes to the one after it when the next one is over', () => {
    const { swarm, workers } = swarmOf('ring', 'a', 'a', 'a', 'a');
    const [, b, c, d] = workers as [Worker, Worker, Worker, Worker];
    swarm.orchestrate(relay);
    const draft = b.next();
    stop(c);
    for (const { agentId } of workers) swarm.waiting.add(agentId);
    b.complete(draft, 'drafted');
    assert.equal(d.next().phase, 'edit');
  });
});

test('who acts as no agent may message anyone in any topology, alone or all', () => {
  for (const topology of ['mesh', 'star', 'hierarchical', 'ring'] as const) {
    const { swarm, workers } = swarmOf(topology, 'a', 'a', 'a');
    const sent = (to: string | null) =>
      swarm.ask({ type: 'agent_message', from: null, to, message: 1, replyTo: null, ttlMs: null });
    for (const { agentId } of workers) assert.equal(sent(agentId).seq, 1);
    const hops = topology === 'ring' ? [1, 2, 3] : [1, 1, 1];
    assert.deepEqual(
      sent(null).receivers.map((of: any) => of.hops),
      hops,
    );
  }
});

test('a snapshot of a version that knew no topology is one of a mesh', () => {
  const { swarm } = swarmOf('mesh', 'a');
  const old = JSON.parse(snapshot(swarm.state));
  delete old.swarm.hubId;
  delete old.agents[0].parentId;
  const { swarm: restored, agents } = restore(JSON.stringify(old), swarm.limits);
  assert.deepEqual([restored!.hubId, [...agents.values()][0]!.parentId], [null, null]);
});

function initWith(topology: Topology, agents: readonly Parameters<typeof agentRequest>[0][]): CommandBody {
  return {
    type: 'swarm_init',
    swarmId: 'swarm_1',
    name: null,
    topology,
    maxAgents: 100,
    consensusThreshold: 0.7,
    strategy: 'adaptive',
    initialAgents: agents.map((agent) => agentRequest(agent)),
  };
}
