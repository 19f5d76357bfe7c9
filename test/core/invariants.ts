/** The invariants of a swarm's state (design, section 3), asserted after every event in tests and simulation. */
import assert from 'node:assert/strict';
import { agentClosedAt } from '../../src/core/index.ts';
import { restore, snapshot } from '../../src/core/snapshot.ts';
import type { State } from '../../src/core/state.ts';

const terminalWork = new Set(['succeeded', 'failed', 'cancelled']);
const terminalPhase = new Set(['succeeded', 'failed', 'cancelled']);

export function assertInvariants(state: State): void {
  const { swarm, indexes } = state;
  if (swarm === null) return;

  const endedTasks = new Set(state.endedTasks);
  const closedAgents = new Set(state.closedAgents);
  assert.deepEqual([...state.answeredRequests], [...state.requests.keys()]);
  let liveTasks = 0;
  const timers = new Set<string>();
  const work = new Map<string, Set<string>>();
  for (const task of state.tasks.values()) {
    const ended = task.endedAt !== null;
    if (!ended) liveTasks += 1;
    assert.equal(endedTasks.has(task.id), ended, `${task.id} is listed as ended exactly when it has`);
    assert.equal(['completed', 'failed', 'cancelled'].includes(task.status), ended);
    if (!ended && task.deadlineAt !== null) timers.add(task.id);
    if (!ended)
      assert.ok(
        task.phases.some((phase) => phase.status === 'running'),
        `${task.id} is an orphan: nothing of it runs`,
      );

    for (const phase of task.phases) {
      const settled = terminalPhase.has(phase.status);
      if (ended) assert.ok(settled, `${task.id} has ended but its phase ${phase.name} is ${phase.status}`);
      const dependencies = phase.dependencies.map((name) => task.phases.find((of) => of.name === name)!);
      if (phase.status === 'waiting') {
        assert.equal(phase.assignments.length, 0);
        assert.ok(
          dependencies.some((of) => !terminalPhase.has(of.status)),
          `${phase.name} waits for nothing`,
        );
      } else if (phase.assignments.length > 0) {
        assert.equal(phase.assignments.length, phase.parallelism);
        assert.ok(
          dependencies.every((of) => of.status === 'succeeded'),
          `${phase.name} began before its dependencies`,
        );
      }

      const agents: string[] = [];
      for (const assignment of phase.assignments) {
        const { id, work: of, failures, attempt } = assignment;
        assert.ok(
          failures <= task.retry.maxAttempts,
          `${id} has failed ${failures} times of ${task.retry.maxAttempts}`,
        );
        assert.ok(attempt >= failures);
        if (settled)
          assert.ok(terminalWork.has(of.status), `${phase.name} is ${phase.status} but ${id} is ${of.status}`);
        if ('agentId' in of && of.agentId !== null && of.status !== 'cancelled') agents.push(of.agentId);
        if (of.status === 'backoff' || of.status === 'offered' || of.status === 'claimed') timers.add(id);
        assert.equal(
          indexes.queued.has(id),
          of.status === 'queued' || of.status === 'offered',
          `${id} is ${of.status}`,
        );
        if (of.status === 'offered' || of.status === 'claimed') {
          const agent = state.agents.get(of.agentId);
          assert.ok(agent !== undefined && agentClosedAt(agent) === null, `${id} belongs to an agent that is gone`);
          assert.ok(
            agent.life.status === 'joined' || (of.status === 'claimed' && agent.life.status === 'offline'),
            `${id} is ${of.status} by an agent that is ${agent.life.status}`,
          );
          assert.ok(phase.agentType === null || phase.agentType === agent.type);
          // An agent that joins again may be able to do less; what it has claimed before stays its own.
          if (of.status === 'offered')
            for (const capability of phase.requiredCapabilities) assert.ok(agent.capabilities.includes(capability));
          if (!work.has(agent.id)) work.set(agent.id, new Set());
          work.get(agent.id)!.add(id);
        }
      }
      if (phase.parallelism > 1)
        assert.equal(new Set(agents).size, agents.length, `${phase.name} has two assignments of one agent`);
    }
  }
  assert.equal(indexes.liveTasks, liveTasks);

  let liveAgents = 0;
  for (const agent of state.agents.values()) {
    const closed = agentClosedAt(agent) !== null;
    if (!closed) liveAgents += 1;
    assert.equal(closedAgents.has(agent.id), closed);
    const { life } = agent;
    if (life.status === 'offline' || (life.status === 'spawning' && life.until !== null)) timers.add(agent.id);
    const held = work.get(agent.id) ?? new Set();
    assert.deepEqual([...(indexes.agents.get(agent.id)?.work.keys() ?? [])].sort(), [...held].sort());
    const isOffered = [...(indexes.agents.get(agent.id)?.work.values() ?? [])].some(
      ({ assignment }) => assignment.work.status === 'offered',
    );
    assert.ok(
      !isOffered || held.size <= agent.maxConcurrent,
      `${agent.id} holds ${held.size}, and ${agent.maxConcurrent} is the most`,
    );
    assert.ok(agent.inbox.length <= state.limits.inboxMessagesMax);
    agent.inbox.forEach((message, index) => assert.ok(index === 0 || message.seq > agent.inbox[index - 1]!.seq));
  }
  assert.equal(indexes.liveAgents, liveAgents);
  assert.ok(liveAgents <= swarm.maxAgents);

  for (const id of ['ended_tasks', 'closed_agents', 'swarm']) if (indexes.timerOf.has(id)) timers.add(id);
  assert.deepEqual([...indexes.timerOf.keys()].sort(), [...timers].sort(), 'exactly what is open has a timer');
  assert.equal(indexes.timers.size, indexes.timerOf.size);
}

/** The indexes, in a form that can be compared. */
function describeIndexes({ indexes }: State): object {
  return {
    timers: [...indexes.timerOf].map(([id, timer]) => [id, timer.due]).sort(),
    agents: [...indexes.agents]
      .map(([id, { work, profile, token, live, slot }]) => [
        id,
        [...work.keys()].sort(),
        profile?.key ?? null,
        token,
        live,
        slot >= 0,
      ])
      .sort(),
    tokens: [...indexes.tokens].sort(),
    profiles: [...indexes.profiles].map(([key, { members, free }]) => [key, members, free.size]).sort(),
    queued: [...indexes.queued].map(([id, { rank, lane }]) => [id, rank, lane.key]).sort(),
    counts: [indexes.liveTasks, indexes.liveAgents, indexes.taskBySeq.size],
  };
}

/** Snapshot and back is the same state, indexes included. */
export function assertRestores(state: State): void {
  const text = snapshot(state);
  const restored = restore(text, state.limits);
  assert.equal(snapshot(restored), text);
  assert.deepEqual(describeIndexes(restored), describeIndexes(state));
}
