/** The invariants of a swarm's state (design, section 3), asserted after every event in tests and simulation. */
import assert from 'node:assert/strict';
import { overBudget } from '../../src/core/budget.ts';
import type { Event } from '../../src/core/event.ts';
import { findAssignment } from '../../src/core/evolve.ts';
import { overlap, parseGlob } from '../../src/core/glob.ts';
import { requirementsOf } from '../../src/core/index/matching.ts';
import { isClaimed } from '../../src/core/index/tasks.ts';
import { restore, snapshot } from '../../src/core/snapshot.ts';
import { agentClosedAt, type State } from '../../src/core/state.ts';
import { childrenOf, hubOf, liveAgents, parentOf } from '../../src/core/topology.ts';

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
    const over = overBudget(task) !== null;
    if (!ended && (task.deadlineAt !== null || (over && !isClaimed(task)))) timers.add(task.id);
    if (!ended && over && !isClaimed(task)) {
      assert.equal(indexes.timerOf.get(task.id)!.due, task.createdAt, `${task.id} has nothing left to wait for`);
    }
    if (!ended)
      assert.ok(
        task.phases.some((phase) => phase.status === 'running'),
        `${task.id} is an orphan: nothing of it runs`,
      );

    assert.equal(new Set(task.phases.map(({ name }) => name)).size, task.phases.length, 'phases have different names');
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
        assert.ok(phase.assignments.length >= phase.parallelism);
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
        const counts = assignment.judges === undefined && (assignment.round ?? 1) === (phase.round ?? 1);
        if (counts && 'agentId' in of && of.agentId !== null && of.status !== 'cancelled') agents.push(of.agentId);
        if (of.status === 'backoff' || of.status === 'offered' || of.status === 'claimed') timers.add(id);
        assert.equal(
          indexes.queued.has(id),
          (of.status === 'queued' || of.status === 'offered') && !over,
          `${id} is ${of.status}`,
        );
        if (of.status === 'offered' || of.status === 'claimed') {
          const agent = state.agents.get(of.agentId);
          assert.ok(agent !== undefined && agentClosedAt(agent) === null, `${id} belongs to an agent that is gone`);
          assert.ok(
            agent.life.status === 'joined' || (of.status === 'claimed' && agent.life.status === 'offline'),
            `${id} is ${of.status} by an agent that is ${agent.life.status}`,
          );
          const { agentType, requiredCapabilities } = requirementsOf(phase, assignment);
          assert.ok(agentType === null || agentType === agent.type);
          // An agent that joins again may be able to do less; what it has claimed before stays its own.
          if (of.status === 'offered')
            for (const capability of requiredCapabilities) assert.ok(agent.capabilities.includes(capability));
          if (!work.has(agent.id)) work.set(agent.id, new Set());
          work.get(agent.id)!.add(id);
        }
      }
      if (phase.parallelism > 1 && phase.items === undefined)
        assert.equal(new Set(agents).size, agents.length, `${phase.name} has two assignments of one agent`);
    }
  }
  assert.equal(indexes.liveTasks, liveTasks);

  let liveAgents = 0;
  const inboxBlobs = new Map<string, number>();
  for (const agent of state.agents.values()) {
    const closed = agentClosedAt(agent) !== null;
    if (!closed) liveAgents += 1;
    assert.equal(closedAgents.has(agent.id), closed);
    const { life } = agent;
    if (life.status === 'offline' || (life.status === 'spawning' && life.until !== null)) timers.add(agent.id);
    const held = work.get(agent.id) ?? new Set();
    if (!closed && agent.draining !== null && held.size === 0) timers.add(agent.id);
    for (const id of held) {
      const { status } = findAssignment(state, id)!.assignment.work;
      if (agent.draining !== null) assert.equal(status, 'claimed', `${agent.id} is draining but was offered ${id}`);
    }
    assert.ok(agent.record.kinds.length <= 8);
    assertListed(state, agent.id);
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
    const expiries = agent.inbox.flatMap(({ expiresAt }) => expiresAt ?? []);
    if (!closed && expiries.length > 0) {
      timers.add(`${agent.id}/inbox`);
      assert.equal(indexes.timerOf.get(`${agent.id}/inbox`)?.due, Math.min(...expiries));
    }
    for (const { body } of agent.inbox) {
      if ('blob' in body) inboxBlobs.set(body.blob, (inboxBlobs.get(body.blob) ?? 0) + 1);
    }
  }
  assert.equal(indexes.liveAgents, liveAgents);
  assertPlaces(state);
  assert.deepEqual([...indexes.inboxBlobs].sort(), [...inboxBlobs].sort());
  assert.ok(liveAgents <= swarm.maxAgents);

  const reservations = [...state.reservations.values()];
  for (const { id, agentId, assignmentId, globs } of reservations) {
    timers.add(id);
    const agent = state.agents.get(agentId);
    assert.ok(agent !== undefined && agentClosedAt(agent) === null, `${id} belongs to an agent that is gone`);
    const claim = assignmentId === null ? null : indexes.agents.get(agentId)?.work.get(assignmentId)?.assignment;
    if (claim !== null) assert.equal(claim?.work.status, 'claimed', `${id} has outlived its claim`);
    assert.ok(globs.length > 0, `${id} is of nothing`);
  }
  const parsed = reservations.map((of) => ({ ...of, globs: of.globs.map(parseGlob) }));
  for (const [index, one] of parsed.entries()) {
    for (const other of parsed.slice(index + 1)) {
      if (one.agentId === other.agentId || (one.mode === 'shared' && other.mode === 'shared')) continue;
      const clash = one.globs.some((a) => other.globs.some((b) => overlap(a, b)));
      assert.ok(!clash, `${one.id} and ${other.id} have files in common`);
    }
  }
  for (const agent of state.agents.values()) {
    const own = reservations.filter((of) => of.agentId === agent.id).map((of) => of.id);
    assert.deepEqual([...(indexes.agents.get(agent.id)?.reservations ?? [])].sort(), own.sort());
    assert.ok(own.length <= state.limits.reservationsMax);
  }
  assert.equal(indexes.reservedGlobs, reservations.flatMap((of) => of.globs).length);
  assert.ok(indexes.reservedGlobs <= state.limits.reservedGlobsMax);

  const approvals = [...state.approvals.values()];
  const waiting = approvals.filter(({ answer }) => answer === null);
  for (const { id, agentId, assignmentId } of approvals) {
    const agent = state.agents.get(agentId);
    assert.ok(agent !== undefined && agentClosedAt(agent) === null, `${id} belongs to an agent that is gone`);
    const claim = assignmentId === null ? null : indexes.agents.get(agentId)?.work.get(assignmentId)?.assignment;
    if (claim !== null) assert.equal(claim?.work.status, 'claimed', `${id} has outlived its claim`);
  }
  assert.deepEqual(
    [...indexes.waitingApprovals],
    waiting.map(({ id }) => id),
  );
  assert.ok(waiting.length <= state.limits.waitingApprovalsMax);
  for (const agent of state.agents.values()) {
    const own = approvals.filter((of) => of.agentId === agent.id).map((of) => of.id);
    assert.deepEqual([...(indexes.agents.get(agent.id)?.approvals ?? [])], own);
    assert.ok(own.length <= state.limits.approvalsMax);
    for (const { assignment } of indexes.agents.get(agent.id)?.work.values() ?? []) {
      const { id, work: of } = assignment;
      if (of.status !== 'claimed') continue;
      const isWaited = waiting.some(({ assignmentId }) => assignmentId === id);
      assert.equal((of.waits?.since ?? null) !== null, isWaited, `${id} waits for a person`);
      const due = isWaited ? of.leaseUntil : Math.min(of.leaseUntil, of.timeoutAt + (of.waits?.ms ?? 0));
      assert.equal(indexes.timerOf.get(id)!.due, due, `${id} has its time`);
    }
  }

  for (const id of ['ended_tasks', 'closed_agents', 'swarm']) if (indexes.timerOf.has(id)) timers.add(id);
  assert.deepEqual([...indexes.timerOf.keys()].sort(), [...timers].sort(), 'exactly what is open has a timer');
  assert.equal(indexes.timers.size, indexes.timerOf.size);
}

/** Everybody alive has a place in the topology. */
function assertPlaces(state: State): void {
  const { topology } = state.swarm!;
  const live = [...state.agents.values()].filter((agent) => agentClosedAt(agent) === null);
  assert.deepEqual([...liveAgents(state)], live);
  if (topology === 'star') assert.equal(hubOf(state) === null, live.length === 0, 'a star has a hub that lives');
  if (topology !== 'hierarchical') return;
  for (const agent of live) {
    const parent = parentOf(state, agent);
    if (parent !== null) assert.ok([...childrenOf(state, parent)].includes(agent));
    const above = new Set([agent]);
    for (let at = parent; at !== null; at = parentOf(state, at)) {
      assert.equal(agentClosedAt(at), null, `${agent.id} is below ${at.id}, which is over`);
      assert.ok(!above.has(at), `${agent.id} is its own ancestor`);
      above.add(at);
    }
  }
  assert.equal(
    live.filter(({ parentId }) => parentId === null).length,
    Math.min(1, live.length),
    'a tree has one root',
  );
}

/** What a command handed out, by its events: nothing while the swarm is paused, nothing to an agent that is draining. */
export function assertHandedOut({ swarm, agents }: State, events: readonly Event[]): void {
  for (const event of events) {
    if (event.type !== 'assignment_offered' && event.type !== 'assignment_claimed') continue;
    assert.equal(swarm!.paused, null, `${event.assignmentId} was handed out in a paused swarm`);
    assert.equal(agents.get(event.agentId)!.draining, null, `${event.assignmentId} was handed to a draining agent`);
  }
}

/** An agent is where its standing says, and nowhere else. */
function assertListed({ indexes }: State, agentId: string): void {
  const { agent, profile, standing, slot, proven } = indexes.agents.get(agentId)!;
  assert.equal(profile === null, agentClosedAt(agent) !== null);
  if (profile !== null) assert.ok(profile.agents.has(indexes.agents.get(agentId)!));
  assert.equal(slot >= 0, profile !== null && standing === 'free');
  const kinds = standing === 'free' && profile !== null ? agent.record.kinds.filter(({ share }) => share > 0.5) : [];
  assert.deepEqual(
    [...proven].map(([kind, listed]) => [kind, listed.share, listed.slot >= 0]).sort(),
    kinds.map(({ kind, share }) => [kind, share, true]).sort(),
  );
}

/** The indexes, in a form that can be compared. */
function describeIndexes({ indexes }: State): object {
  return {
    timers: [...indexes.timerOf].map(([id, timer]) => [id, timer.due]).sort(),
    agents: [...indexes.agents]
      .map(([id, { work, reservations, approvals, profile, token, live, slot }]) => [
        id,
        [...work.keys()].sort(),
        [...reservations].sort(),
        [...approvals],
        profile?.key ?? null,
        token,
        live,
        slot >= 0,
      ])
      .sort(),
    tokens: [...indexes.tokens].sort(),
    profiles: [...indexes.profiles].map(([key, { standing, free }]) => [key, free.size, standing]).sort(),
    proven: [...indexes.proven].flatMap(([kind, { size }]) => (size === 0 ? [] : [[kind, size]])).sort(),
    counts: [[...indexes.profilesOfType].sort(), [...indexes.profilesWith].sort()],
    places: [...indexes.live].map(({ id }) => id),
    types: [...indexes.liveOfType].map(([type, agents]) => [type, [...agents].map(({ id }) => id)]).sort(),
    children: [...indexes.children].map(([id, children]) => [id, [...children].map((child) => child.id).sort()]).sort(),
    queued: [...indexes.queued].map(([id, { rank, lane }]) => [id, rank, lane.key]).sort(),
    reservedGlobs: [...indexes.reservedGlobsOf].sort(),
    waitingApprovals: [...indexes.waitingApprovals],
    live: [indexes.reservedGlobs, indexes.liveTasks, indexes.liveAgents, indexes.taskBySeq.size],
  };
}

/** Snapshot and back is the same state, indexes included. */
export function assertRestores(state: State): void {
  const text = snapshot(state);
  const restored = restore(text, state.limits);
  assert.equal(snapshot(restored), text);
  assert.deepEqual(describeIndexes(restored), describeIndexes(state));
}
