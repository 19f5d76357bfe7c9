/**
 * Rules of an agent's life: spawning, joining, being lost and coming back, stopping.
 *
 *     agent_spawn ──> spawning ──join──> active <──> busy
 *                        │                 │ socket lost        ▲
 *                        │ no join         ▼                    │ join with the resume token
 *                        ▼              offline ────────────────┘
 *                      failed <─grace over─┘         stop or leave, from anywhere ──> stopped
 *
 * One that is draining takes no new work, keeps its connection and its messages, and stops when it holds nothing any more.
 * A lost agent whose worker a host started is restarted (spawning again) up to `agentRestartsMax` times in a row.
 */
import { accompanied, refuseClosed, refuseUnknownAgent, workingAgent } from './acting.ts';
import type { AgentRequest, Command } from './command.ts';
import type { Event } from './event.ts';
import { successShare } from './index/standing.ts';
import type { JsonObject } from './json.ts';
import { releaseClaims } from './attempt.ts';
import { withdrawOffers } from './offer.ts';
import type { Limits } from './limits.ts';
import { heldBy, pendingFor } from './pending.ts';
import { refuse, isRefusal, type Refusal } from './refusal.ts';
import { describeReservation, reservationsOf } from './reservation.ts';
import { happened, iso, type Decision, type Effect, type Rule, type World } from './rule.ts';
import { afterArrival, afterEnd, placeJudges } from './succession.ts';
import { leaderOf } from './topology.ts';
import { agentClosedAt, measuredType, type Agent, type State } from './state.ts';

type Spawned = Extract<Event, { type: 'agent_spawned' }>;

export const agentSpawn: Rule<'agent_spawn'> = (state, command, world) => {
  const full = refuseWhenFull(state);
  if (full !== null) return full;
  const place = placeFor(state, command.agent.parent);
  if (isRefusal(place)) return place;
  const spawned = spawnEvent(command.agent, world, state.limits, place);
  return {
    events: [spawned],
    effects: startEffects(spawned),
    then: afterArrival(state),
    reply: (after) => {
      const agent = after.agents.get(spawned.agentId)!;
      return {
        agentId: agent.id,
        swarmId: after.swarm!.id,
        status: agentStatus(after, agent),
        name: agent.name,
        agentType: agent.type,
        runtime: agent.runtime,
        estimatedReadyTime: estimateReady(after, agent, world.now),
        capabilities: agent.capabilities,
        ...(command.limitsAsked && { resources: notEnforced }),
        // An agent that nobody starts is joined by whoever holds this token; a started one gets it from its host.
        ...(agent.runtime === 'external' && { joinToken: spawned.joinToken }),
      };
    },
  };
};

/** Limits are asked for and nobody enforces them: the reply says so. */
const notEnforced = {
  allocated: false,
  cpu: null,
  memory: null,
  gpuDevice: null,
  enforcedBy: null,
  reason: 'this version starts workers without resource limits',
};

export const agentList: Rule<'agent_list'> = (_state, command, world) => ({
  reply: (state) => ({
    swarmId: state.swarm!.id,
    agents: [...state.agents.values()]
      .filter((agent) => command.filter === 'all' || agentStatus(state, agent) === command.filter)
      .map((agent) => ({
        ...agentSummary(state, agent, world.now),
        ...(command.metadata && { metadata: { ...agentDetail(agent), config: agent.config } }),
      })),
  }),
});

export const agentStatusRule: Rule<'agent_status'> = (state, command, world) => {
  if (!state.agents.has(command.agentId)) return refuseUnknownAgent(state, command.agentId);
  return {
    reply: (after) => {
      const agent = after.agents.get(command.agentId)!;
      return {
        swarmId: after.swarm!.id,
        ...agentSummary(after, agent, world.now),
        ...agentDetail(agent),
        ...(agent.spawnMs !== null && { initialisationMetrics: { spawnTime: agent.spawnMs } }),
        assignments: heldBy(after, agent).map(({ task, assignment }) => ({
          assignmentId: assignment.id,
          taskId: task.id,
          status: assignment.work.status,
          attempt: assignment.attempt,
        })),
        pendingMessages: agent.inbox.length,
        reservations: reservationsOf(after, agent).map(describeReservation),
      };
    },
  };
};

export const agentStop: Rule<'agent_stop'> = (state, command, world) => {
  const agent = state.agents.get(command.agentId);
  if (agent === undefined) return refuseUnknownAgent(state, command.agentId);
  if (agentClosedAt(agent) !== null) return refuseClosed(agent);
  const holds = heldBy(state, agent).some(({ assignment }) => assignment.work.status === 'claimed');
  if (command.drain === true && holds) return drain(state, agent, command.reason ?? 'drained on request', world);
  return close(state, agent, { status: 'stopped', reason: command.reason ?? 'stopped on request' }, world);
};

function drain(state: State, agent: Agent, reason: string, world: World): Decision {
  const reply: Decision['reply'] = (after) => ({
    agentId: agent.id,
    swarmId: after.swarm!.id,
    status: 'draining',
    reason: after.agents.get(agent.id)!.draining!.reason,
  });
  if (agent.draining !== null) return { reply };
  const withdrawn = withdrawOffers(state, agent, 'agent_draining', world);
  return {
    events: [...withdrawn.events, happened(world, { type: 'agent_draining', agentId: agent.id, reason })],
    effects: [{ kind: 'wake', key: `work:${agent.id}`, all: true }],
    then: withdrawn.then,
    reply,
  };
}

export const swarmLeave: Rule<'swarm_leave'> = (state, command, world) => {
  const agent = workingAgent(state, command.actor);
  if (isRefusal(agent)) return agent;
  return close(state, agent, { status: 'stopped', reason: command.reason ?? 'left' }, world);
};

/** Its worker has given it the token of the claim, so it is the program that does the work. */
export const swarmAccompany: Rule<'swarm_accompany'> = (state, { assignmentId, leaseToken }, world) => {
  const agent = accompanied(state, { assignmentId, leaseToken });
  if (isRefusal(agent)) return agent;
  return {
    // With a resume token it could take its worker's place.
    reply: (after, show) => Object.assign(joinReply(agent.id, world)(after, show), { resumeToken: null, held: [] }),
  };
};

export const swarmJoin: Rule<'swarm_join'> = (state, command, world) => {
  if (command.token === null) return joinAsNew(state, command, world);
  if (command.parent !== undefined) {
    return refuse('invalid_arguments', 'parent is for a new agent; who joins with a token has its place already', {
      setting: 'parent',
    });
  }
  const agentId = state.indexes.tokens.get(command.token);
  const agent = agentId === undefined ? undefined : state.agents.get(agentId);
  if (agent === undefined) {
    return refuse(
      'join_token_invalid',
      'token is neither the join token of an agent that is spawning nor the resume token of one that has joined; a token that has been used is replaced by the resumeToken of that join. Join without a token to become a new agent',
    );
  }
  if (command.resumes === true && agent.life.status === 'spawning') {
    return refuse(
      'not_joined',
      `token is the join token of agent ${agent.id}, which nobody has joined as: call swarm_join with it, and then give the resumeToken that it answers`,
      { agentId: agent.id },
    );
  }
  // It may be able to do less than when it was offered them.
  const withdrawn = withdrawOffers(state, agent, 'agent_joined_again', world);
  return {
    events: [...withdrawn.events, joinEvent(agent, command, world)],
    effects: [{ kind: 'wake', key: `work:${agent.id}` }],
    then: withdrawn.then,
    reply: joinReply(agent.id, world),
  };
};

function joinAsNew(state: State, command: Parameters<typeof swarmJoin>[1], world: World): Refusal | Decision {
  const full = refuseWhenFull(state);
  if (full !== null) return full;
  const place = placeFor(state, command.parent);
  if (isRefusal(place)) return place;
  const spawned = spawnEvent(
    {
      agentType: command.agentType ?? 'external',
      name: command.name,
      capabilities: command.capabilities ?? [],
      config: {},
      runtime: 'external',
      maxConcurrent: command.maxConcurrent ?? 1,
    },
    world,
    state.limits,
    place,
  );
  const { agentId, name, capabilities, maxConcurrent } = spawned;
  return {
    events: [
      spawned,
      happened(world, {
        type: 'agent_joined',
        agentId,
        name,
        capabilities,
        maxConcurrent,
        leaseMs: command.leaseMs ?? state.limits.leaseMs,
        resumeToken: world.secret(),
      }),
    ],
    then: afterArrival(state),
    reply: joinReply(agentId, world),
  };
}

function joinEvent(agent: Agent, command: Parameters<typeof swarmJoin>[1], world: World): Event {
  return happened(world, {
    type: 'agent_joined',
    agentId: agent.id,
    name: command.name ?? agent.name,
    capabilities: command.capabilities ?? agent.capabilities,
    maxConcurrent: command.maxConcurrent ?? agent.maxConcurrent,
    leaseMs: command.leaseMs ?? agent.leaseMs,
    // A resume token stays the same, so that a join whose reply was lost can be repeated.
    resumeToken: 'resumeToken' in agent.life ? agent.life.resumeToken : world.secret(),
  });
}

function joinReply(agentId: string, world: World): NonNullable<Decision['reply']> {
  return (state) => {
    const agent = state.agents.get(agentId)!;
    return {
      agentId,
      swarmId: state.swarm!.id,
      name: agent.name,
      agentType: agent.type,
      capabilities: agent.capabilities,
      config: agent.config,
      joins: agent.joins,
      resumeToken: 'resumeToken' in agent.life ? agent.life.resumeToken : null,
      heartbeatSeconds: Math.max(1, Math.floor(agent.leaseMs / 3000)),
      leaseSeconds: agent.leaseMs / 1000,
      graceSeconds: state.limits.graceMs / 1000,
      // What it held when it was lost and still holds; it may go on with it, or give it back.
      held: heldBy(state, agent).flatMap(({ assignment }) =>
        assignment.work.status === 'claimed'
          ? [{ assignmentId: assignment.id, attempt: assignment.attempt, leaseToken: assignment.work.leaseToken }]
          : [],
      ),
      pending: pendingFor(agent, world.now),
    };
  };
}

/** A connection that acted as the agent is gone. What the agent holds stays its own until the grace is over. */
export const workerLost: Rule<'worker_lost'> = (state, command, world) => {
  const agent = state.agents.get(command.actor.agentId);
  if (agent === undefined || agent.life.status !== 'joined' || agent.joins !== command.actor.joins) return {};
  const withdrawn = withdrawOffers(state, agent, 'agent_offline', world);
  const until = world.now + state.limits.graceMs;
  return {
    events: [
      ...withdrawn.events,
      happened(world, { type: 'agent_offline', agentId: agent.id, reason: command.reason, until }),
    ],
    then: withdrawn.then,
  };
};

/** A host could not start the agent's worker, or saw it end. `restarts` says which start it speaks of. */
export const workerFailed: Rule<'worker_failed'> = (state, command, world) => {
  const agent = state.agents.get(command.agentId);
  if (agent === undefined || agentClosedAt(agent) !== null || agent.restarts !== command.restarts) return {};
  return loseAgent(state, agent, command.reason, world);
};

/** Its time to join, or to come back, is over; or it has finished what it held when it was told to drain. */
export function agentDue(state: State, agent: Agent, world: World): Decision {
  if (agent.life.status === 'spawning') {
    return loseAgent(state, agent, `no worker joined within ${state.limits.spawnMs / 1000} s`, world);
  }
  return loseAgent(state, agent, `lost: ${'reason' in agent.life ? agent.life.reason : agent.life.status}`, world);
}

/**
 * The worker is gone for good. What it held failed with it and goes to others; a worker of a host is started again,
 * unless it never got as far as joining: what cannot start will not start the next time. Nor is one that was draining.
 */
function loseAgent(state: State, agent: Agent, reason: string, world: World): Decision {
  // Its worker may end as soon as it has finished, and is not lost then.
  if (agent.draining !== null && heldBy(state, agent).length === 0) {
    return close(state, agent, { status: 'stopped', reason: agent.draining.reason }, world);
  }
  const startedOnce = agent.joins > 0 && agent.life.status !== 'spawning';
  const startsAgain = agent.runtime !== 'external' && startedOnce && agent.draining === null;
  if (!startsAgain || agent.restarts >= state.limits.agentRestartsMax) {
    return close(state, agent, { status: 'failed', reason }, world);
  }
  const left = leaveWork(state, agent, 'agent_lost', reason, world);
  const restarted = restart(agent, reason, world, state.limits);
  return {
    events: [...left.events, restarted.event],
    effects: [...left.effects, ...restarted.effects],
    then: left.then,
  };
}

/** A new start of the agent's worker, after whatever is left of the last one has been ended. */
export function restart(
  agent: Agent,
  reason: string,
  world: World,
  limits: Limits,
): { readonly event: Event; readonly effects: readonly Effect[] } {
  const joinToken = world.secret();
  const until = world.now + limits.spawnMs;
  return {
    event: happened(world, { type: 'agent_restarted', agentId: agent.id, reason, joinToken, until }),
    effects: [
      { kind: 'stop_worker', agentId: agent.id },
      { kind: 'start_worker', agentId: agent.id, agentType: agent.type, joinToken, restarts: agent.restarts + 1 },
    ],
  };
}

function close(
  state: State,
  agent: Agent,
  end: { readonly status: 'stopped' | 'failed'; readonly reason: string },
  world: World,
): Decision {
  const left = leaveWork(state, agent, end.status === 'failed' ? 'agent_lost' : 'agent_stopped', end.reason, world);
  const type = end.status === 'failed' ? 'agent_failed' : 'agent_stopped';
  return {
    events: [...left.events, happened(world, { type, agentId: agent.id, reason: end.reason })],
    effects: [
      ...left.effects,
      { kind: 'wake', key: `work:${agent.id}`, all: true },
      { kind: 'wake', key: `messages:${agent.id}` },
      { kind: 'wake', key: 'files' },
      ...(agent.runtime !== 'external' ? [{ kind: 'stop_worker' as const, agentId: agent.id }] : []),
    ],
    // First of all: what is placed anew has to find everybody in their places.
    then: [
      ...afterEnd(state, agent, `${end.status}: ${end.reason}`),
      ...left.then,
      ...placeJudges(state, agent),
      { type: 'forget_excess' },
    ],
    reply: (after) => ({
      agentId: agent.id,
      swarmId: after.swarm!.id,
      status: end.status,
      reason: end.reason,
    }),
  };
}

function leaveWork(
  state: State,
  agent: Agent,
  why: 'agent_lost' | 'agent_stopped',
  reason: string,
  world: World,
): { readonly events: Event[]; readonly effects: Effect[]; readonly then: Command[] } {
  const offers = withdrawOffers(state, agent, why, world);
  const claims = releaseClaims(state, agent, why, reason, world);
  return {
    events: [...offers.events, ...claims.events],
    effects: claims.effects,
    then: [...offers.then, ...claims.then],
  };
}

// ---- pieces

/** Whose child an agent is, null being nobody's; only a hierarchy has parents. */
type Place = Pick<Spawned, 'parentId'>;

function placeFor(state: State, asked: string | undefined): Place | Refusal {
  const { topology } = state.swarm!;
  if (topology !== 'hierarchical') {
    if (asked === undefined) return {};
    return refuse('invalid_arguments', `parent has no effect in a ${topology}: it needs the topology hierarchical`, {
      setting: 'parent',
    });
  }
  if (asked === undefined) return { parentId: leaderOf(state)?.id ?? null };
  const parent = state.agents.get(asked);
  if (parent === undefined) return refuseUnknownAgent(state, asked);
  return agentClosedAt(parent) === null ? { parentId: parent.id } : refuseClosed(parent);
}

export function spawnEvent(request: AgentRequest, world: World, limits: Limits, place: Place): Spawned {
  return happened(world, {
    type: 'agent_spawned',
    agentId: world.id('agent'),
    agentType: request.agentType,
    name: request.name,
    capabilities: request.capabilities,
    config: request.config,
    runtime: request.runtime,
    maxConcurrent: request.maxConcurrent,
    joinToken: world.secret(),
    until: request.runtime !== 'external' ? world.now + limits.spawnMs : null,
    ...place,
  }) as Spawned;
}

export function startEffects({ runtime, agentId, agentType, joinToken }: Spawned): Effect[] {
  return runtime !== 'external' ? [{ kind: 'start_worker', agentId, agentType, joinToken, restarts: 0 }] : [];
}

function refuseWhenFull(state: State): Refusal | null {
  const { maxAgents } = state.swarm!;
  if (state.indexes.liveAgents < maxAgents) return null;
  return refuse(
    'swarm_full',
    `the swarm has ${maxAgents} live agents, which is its maxAgents: stop one with agent_stop, or create a swarm with a higher maxAgents`,
    { maxAgents, liveAgents: state.indexes.liveAgents },
  );
}

// ---- replies

export function agentStatus(state: State, agent: Agent): string {
  if (agent.life.status !== 'joined') return agent.life.status;
  if (agent.draining !== null) return 'draining';
  const busy = heldBy(state, agent).some(({ assignment }) => assignment.work.status === 'claimed');
  return busy ? 'busy' : 'active';
}

/**
 * 0 to 100: how fresh the connection is, times how the newest attempts went. The connection counts fully while it
 * stands and falls to nothing over the grace of a lost one; success counts for half. null while nothing is known.
 */
export function agentHealth(agent: Agent, now: number, graceMs: number): number | null {
  switch (agent.life.status) {
    case 'spawning':
      return null;
    case 'failed':
    case 'stopped':
      return 0;
    case 'joined':
      return health(1, agent);
    case 'offline':
      return health(Math.max(0, Math.min(1, (agent.life.until - now) / graceMs)), agent);
  }
}

function health(freshness: number, agent: Agent): number {
  return Math.round(100 * freshness * (0.5 + 0.5 * successShare(agent)));
}

export function agentSummary(state: State, agent: Agent, now: number): object {
  const claimed = heldBy(state, agent).find(({ assignment }) => assignment.work.status === 'claimed');
  return {
    id: agent.id,
    agentId: agent.id,
    type: agent.type,
    name: agent.name,
    status: agentStatus(state, agent),
    ...('reason' in agent.life
      ? { reason: agent.life.reason }
      : agent.draining !== null && { reason: agent.draining.reason }),
    health: agentHealth(agent, now, state.limits.graceMs),
    currentTask: claimed?.task.id ?? null,
    capabilities: agent.capabilities,
    runtime: agent.runtime,
  };
}

export function agentDetail(agent: Agent): JsonObject {
  return {
    agentId: agent.id,
    spawnedAt: iso(agent.spawnedAt),
    maxConcurrent: agent.maxConcurrent,
    restarts: agent.restarts,
    successes: agent.record.successes,
    failures: agent.record.failures,
    avgDuration: agent.record.averageMs === null ? null : agent.record.averageMs / 1000,
  };
}

/** From what this swarm measured of agents of the type; null when none of them has joined yet. */
function estimateReady(state: State, agent: Agent, now: number): string | null {
  const metrics = measuredType(state.swarm!.metrics.types, agent.type);
  if (agent.runtime === 'external' || metrics === undefined || metrics.spawns === 0) return null;
  return iso(now + metrics.spawnMs / metrics.spawns);
}
