/**
 * Whole swarms at random: every event is checked against the invariants, and what happened can be replayed.
 * SKEIN_SEED replays one seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandBody, TaskRequest } from '../../src/core/command.ts';
import { restore, snapshot } from '../../src/core/snapshot.ts';
import { random } from '../random.ts';
import { assertRestores } from './invariants.ts';
import { agentRequest, phase, SwarmUnderTest, taskRequest, Worker } from './swarm-under-test.ts';

function walk(seed: number, steps: number): SwarmUnderTest {
  const draw = random(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(draw() * from.length)]!;
  const topology = (['mesh', 'star', 'hierarchical', 'ring'] as const)[seed % 4]!;
  const swarm = SwarmUnderTest.withSwarm({
    topology,
    maxAgents: 8,
    limits: {
      taskRetentionMs: 60_000,
      endedTasksMax: 20,
      closedAgentsMax: 10,
      agentRetentionMs: 30_000,
      inboxMessagesMax: 5,
    },
  });
  swarm.draw = draw;
  let blobs = 0;
  swarm.keep = (json) => (draw() < 0.3 ? { blob: `blob_${++blobs}`, bytes: 1 } : { json });
  const workers: Worker[] = [];
  const claims: { worker: Worker; claim: any }[] = [];
  const capabilities = () => ['a', 'b', 'c'].filter(() => draw() < 0.5);
  const may = (command: CommandBody & { requestId?: string }): any => {
    const outcome = swarm.execute(command);
    return 'refused' in outcome ? null : outcome.reply;
  };

  const takeWork = (): void => {
    const worker = pick(workers);
    if (worker === undefined) return;
    if (draw() < 0.3) swarm.waiting.add(worker.agentId);
    else swarm.waiting.delete(worker.agentId);
    const reply = may({ type: 'task_next', actor: worker.actor });
    if (reply !== null && reply.assignment !== null) claims.push({ worker, claim: reply.assignment });
  };
  const report = (): void => {
    if (claims.length === 0) return;
    const [{ worker, claim }] = claims.splice(Math.floor(draw() * claims.length), 1) as [
      { worker: Worker; claim: any },
    ];
    const way = draw();
    if (way < 0.6) may(worker.completing(claim, pick(['x', 'y', { vote: 'x' }, { choice: pick(['A', 'B']) }])));
    else if (way < 0.8)
      may({
        ...worker.claimed('task_fail', claim),
        reason: 'x',
        message: null,
        details: null,
        retryable: draw() < 0.7,
        usage: null,
      } as CommandBody);
    else if (way < 0.9) may({ ...worker.claimed('task_release', claim), reason: null } as CommandBody);
    else may({ type: 'claim_undelivered', assignmentId: claim.assignmentId, leaseToken: claim.leaseToken });
  };

  const moves: (() => void)[] = [
    ...Array.from({ length: 4 }, () => [takeWork, report]).flat(),
    () => {
      const parent = draw() < 0.5 ? pick([...swarm.state.agents.keys()]) : undefined;
      const spawn = may({
        type: 'agent_spawn',
        agent: agentRequest({
          agentType: pick(['worker', 'worker', 'coordinator', 'validator']),
          capabilities: capabilities(),
          runtime: pick(['command', 'external']),
          config: pick([{}, { weight: 0.5 }, { weight: 2 }]),
          ...(topology === 'hierarchical' && parent !== undefined && { parent }),
        }),
        limitsAsked: false,
      });
      if (spawn === null || draw() < 0.3) return;
      const { life } = swarm.state.agents.get(spawn.agentId)!;
      if (life.status === 'spawning') workers.push(swarm.join({ token: life.joinToken, maxConcurrent: pick([1, 2]) }));
    },
    () => {
      const agent = pick([...swarm.state.agents.values()]);
      if (agent?.life.status === 'offline') workers.push(swarm.join({ token: agent.life.resumeToken }));
      if (agent?.life.status === 'spawning') workers.push(swarm.join({ token: agent.life.joinToken }));
    },
    () => {
      const names = ['p', 'q', 'r', 's'].slice(0, 1 + Math.floor(draw() * 4));
      const phases = names.map((name, index) =>
        phase(name, {
          dependencies: names.slice(0, index).filter(() => draw() < 0.5),
          parallelism: pick([1, 1, 2, 3]),
          aggregation: pick([null, 'all', 'first', 'majority_vote', 'weighted_vote', 'best', 'ahead_by_k']),
          requiredCapabilities: capabilities().slice(0, 1),
        }),
      );
      may({
        type: 'task_orchestrate',
        task: taskRequest({
          ...pick<Partial<TaskRequest>>([
            { phases },
            { phases, conflictResolution: pick(['expert_priority', 'judge', 'human', 'rerun']) },
            { items: [1, 2, 3] },
            { strategy: 'sequential', requiredCapabilities: ['a', 'b'] },
            {},
          ]),
          priority: pick(['critical', 'high', 'normal', 'low']),
          timeoutMs: pick([1000, 20_000]),
          deadlineMs: pick([null, 30_000, 500_000]),
          failureThreshold: pick([null, 0, 0.5]),
          consensusRequired: draw() < 0.2,
        }),
        ...(draw() < 0.3 && { requestId: `r${Math.floor(draw() * 20)}` }),
        ...(draw() < 0.3 && workers.length > 0 && { from: pick(workers).agentId }),
      });
    },
    () => {
      const held = pick(claims);
      if (held !== undefined)
        may({ ...held.worker.claimed('task_update', held.claim), progress: draw(), usage: null } as CommandBody);
    },
    () => {
      const worker = pick(workers);
      if (worker !== undefined && draw() < 0.5) may({ type: 'worker_lost', actor: worker.actor, reason: 'lost' });
      else if (worker !== undefined && draw() < 0.2) may({ type: 'agent_stop', agentId: worker.agentId, reason: null });
      else if (worker !== undefined && draw() < 0.2)
        may({ type: 'worker_failed', agentId: worker.agentId, restarts: 0, reason: 'died' });
    },
    () => {
      const task = pick([...swarm.state.tasks.values()]);
      if (task !== undefined && draw() < 0.3) may({ type: 'task_cancel', taskId: task.id, reason: null });
    },
    () => {
      const [asked] = decisions(swarm);
      if (asked !== undefined) may({ ...asked, choice: draw() < 0.5 ? asked.choice : null });
    },
    () => {
      const agent = pick([...swarm.state.agents.keys()]);
      const worker = pick(workers);
      if (agent !== undefined)
        may({ type: 'agent_message', from: null, to: agent, message: draw(), replyTo: null, ttlMs: null });
      const ttlMs = pick([null, null, 1, 20_000]);
      if (worker !== undefined && draw() < 0.5) may(worker.sending(draw() < 0.5 ? null : agent!, draw(), ttlMs));
      if (worker !== undefined && draw() < 0.3) {
        const read = may({ type: 'message_next', actor: worker.actor, after: 0, limit: 10 });
        for (const { expiresAt } of read?.messages ?? []) assert.ok(!(Date.parse(expiresAt) <= swarm.now));
      }
      if (worker !== undefined && draw() < 0.5)
        may({ type: 'message_ack', actor: worker.actor, upTo: Math.floor(draw() * 10) });
    },
    () => swarm.pass(Math.floor(draw() ** 3 * 40_000)),
    () => {
      if (draw() < 0.05) may({ type: 'recover' });
    },
  ];
  for (let step = 0; step < steps; step += 1) pick(moves)();
  return swarm;
}

/** What people are asked, answered with the first candidate. */
function decisions({ state }: SwarmUnderTest) {
  return [...state.tasks.values()].flatMap((task) =>
    task.phases
      .filter((phase) => phase.asked !== undefined)
      .map((phase) => ({
        type: 'task_decide' as const,
        taskId: task.id,
        phase: phase.name,
        choice: phase.asked!.candidates[0]!,
        reason: null,
      })),
  );
}

const seeds =
  process.env['SKEIN_SEED'] === undefined
    ? Array.from({ length: 60 }, (_, index) => index + 1)
    : [Number(process.env['SKEIN_SEED'])];

test('random swarms keep the invariants, replay, and end every task once nothing holds them up', () => {
  for (const seed of seeds) {
    try {
      const swarm = walk(seed, 400);
      assertRestores(swarm.state);
      assert.equal(snapshot(swarm.replayed()), snapshot(swarm.state), 'replay is the live state');
      assert.equal(snapshot(restore(snapshot(swarm.state), swarm.limits)), snapshot(swarm.state));

      // Able workers, people who decide, and time: everything ends.
      for (const agent of [...swarm.state.agents.values()])
        swarm.execute({ type: 'agent_stop', agentId: agent.id, reason: null });
      swarm.waiting.clear();
      const able = Array.from({ length: 8 }, () => swarm.join({ capabilities: ['a', 'b', 'c'], maxConcurrent: 100 }));
      for (let round = 0; round < 200 && swarm.state.indexes.liveTasks > 0; round += 1) {
        for (const worker of able)
          for (let claim = worker.next(); claim !== null; claim = worker.next())
            worker.complete(claim, claim.role === 'validator' ? { choice: 'A' } : 'x');
        for (const decision of decisions(swarm)) swarm.execute(decision);
        swarm.pass(1000);
      }
      assert.equal(swarm.state.indexes.liveTasks, 0, 'every task has ended');
    } catch (error) {
      throw new Error(
        `seed ${seed} fails with "${(error as Error).message}": replay it with SKEIN_SEED=${seed} node --import tsx --test test/core/random-walk.test.ts`,
        { cause: error },
      );
    }
  }
});
