/**
 * Rules of a swarm as a whole: its creation, its status, its end, and its recovery after a coordinator's restart.
 */
import { describeApproval, waitingApprovals } from './approval.ts';
import { agentDetail, agentSummary, restart, spawnEvent, startEffects } from './agent.ts';
import type { Command, CommandOf } from './command.ts';
import { refuse, type Refusal } from './refusal.ts';
import { happened, iso, isoOrNull, type Effect, type Rule } from './rule.ts';
import type { Agent, State, Swarm } from './state.ts';
import { withdrawOffers } from './offer.ts';
import { hubOf, liveAgents, peersOf, validatorsFor } from './topology.ts';
import { describeReservation } from './reservation.ts';

export const swarmInit: Rule<'swarm_init'> = (state, command, world) => {
  // Asked again after the answer to its requestId has been forgotten.
  if (state.swarm !== null) return { reply: (after) => describeCreated(after, world.now) };
  if (command.initialAgents.length > command.maxAgents) {
    return refuse(
      'swarm_full',
      `initialAgents names ${command.initialAgents.length} agents, but maxAgents is ${command.maxAgents}: raise maxAgents or name fewer agents`,
      { maxAgents: command.maxAgents, asked: command.initialAgents.length },
    );
  }
  const parents = parentsAmong(command);
  if ('refused' in parents) return parents;
  const added = command.initialAgents.map((agent) => spawnEvent(agent, world, state.limits, {}));
  const spawned = added.map((event, index) => {
    const parent = parents[index];
    return parent === undefined ? event : { ...event, parentId: parent === null ? null : added[parent]!.agentId };
  });
  const { swarmId, name, topology, maxAgents, consensusThreshold, strategy } = command;
  return {
    events: [
      happened(world, { type: 'swarm_created', swarmId, name, topology, maxAgents, consensusThreshold, strategy }),
      ...spawned,
    ],
    effects: spawned.flatMap((event) => startEffects(event)),
    then: topology === 'star' ? [{ type: 'elect_hub', reason: 'the swarm had no hub' }] : [],
    reply: (after) => describeCreated(after, world.now),
  };
};

/**
 * Whose child each of the initial agents is, as its place in the list; null: it is the root. Parents are named, since
 * nobody has an id yet, and come first, so that there are no circles.
 */
function parentsAmong({ topology, initialAgents }: CommandOf<'swarm_init'>): (number | null | undefined)[] | Refusal {
  if (topology !== 'hierarchical') {
    if (initialAgents.every(({ parent }) => parent === undefined)) return initialAgents.map(() => undefined);
    return refuse('invalid_arguments', `parent has no effect in a ${topology}: it needs the topology hierarchical`, {
      setting: 'parent',
    });
  }
  const free = [...initialAgents.keys()].filter((index) => initialAgents[index]!.parent === undefined);
  const root = free.find((index) => initialAgents[index]!.agentType === 'coordinator') ?? free[0];
  const parents: (number | null)[] = [];
  for (const [index, { parent }] of initialAgents.entries()) {
    if (parent === undefined) {
      parents.push(index === root ? null : root!);
      continue;
    }
    const named = initialAgents.findIndex(({ name }) => name === parent);
    if (initialAgents.filter(({ name }) => name === parent).length > 1) {
      return refuse(
        'invalid_arguments',
        `initialAgents[${index}].parent is ${parent}, which is the name of several agents`,
        {
          setting: 'parent',
        },
      );
    }
    if (named === -1 || named >= index) {
      return refuse(
        'invalid_arguments',
        `initialAgents[${index}].parent is ${parent}, which is not the name of an agent before it in the list`,
        { setting: 'parent' },
      );
    }
    parents.push(named);
  }
  return parents;
}

export const swarmStatus: Rule<'swarm_status'> = (_state, command, world) => ({
  reply: (state) => {
    const swarm = swarmOf(state);
    return {
      ...describeSwarm(swarm),
      paused: describePause(state).paused,
      agents: [...state.agents.values()].map((agent) => agentSummary(state, agent, world.now)),
      tasks: countTasks(state),
      metrics: describeMetrics(swarm),
      reservations: [...state.reservations.values()].map(describeReservation),
      approvals: waitingApprovals(state).map(describeApproval),
      version: state.version,
      ...(command.topology && describeTopology(state)),
      ...(command.performance && { performance: describePerformance(state) }),
    };
  },
});

export const swarmDestroy: Rule<'swarm_destroy'> = (state, _command, world) => {
  const effects: Effect[] = [{ kind: 'wake', key: 'files' }];
  for (const entry of state.indexes.agents.values()) {
    if (!entry.live) continue;
    effects.push({ kind: 'wake', key: `work:${entry.agent.id}` }, { kind: 'wake', key: `messages:${entry.agent.id}` });
    for (const assignmentId of entry.work.keys()) effects.push({ kind: 'wake', key: `claim:${assignmentId}` });
    if (entry.agent.runtime !== 'external') effects.push({ kind: 'stop_worker', agentId: entry.agent.id });
  }
  for (const task of state.tasks.values()) {
    if (task.endedAt === null) effects.push({ kind: 'wake', key: `task:${task.id}` });
  }
  return {
    events: [happened(world, { type: 'swarm_destroyed' })],
    effects,
    reply: (after) => {
      const swarm = swarmOf(after);
      return { swarmId: swarm.id, status: 'destroyed', destroyedAt: isoOrNull(swarm.destroyedAt) };
    },
  };
};

/** Pausing what is paused changes nothing, and it has been since the first time. */
export const swarmPause: Rule<'swarm_pause'> = (state, { reason }, world) => ({
  events: swarmOf(state).paused === null ? [happened(world, { type: 'swarm_paused', reason })] : [],
  reply: describePause,
});

/** Whoever waits for work looks for it: each of them takes the first of the queue that it can do. */
export const swarmResume: Rule<'swarm_resume'> = (state, _command, world) => {
  if (swarmOf(state).paused === null) return { reply: describePause };
  const effects: Effect[] = [];
  for (const { agent } of state.indexes.agents.values()) {
    if (world.isWaiting(agent.id)) effects.push({ kind: 'wake', key: `work:${agent.id}`, all: true });
  }
  return { events: [happened(world, { type: 'swarm_resumed' })], effects, reply: describePause };
};

function describePause(state: State): { readonly swarmId: string; readonly paused: object | null } {
  const { id, paused } = swarmOf(state);
  return { swarmId: id, paused: paused === null ? null : { since: iso(paused.since), reason: paused.reason } };
}

/**
 * The first command after a swarm has been loaded: whatever was connected to the coordinator of before is not connected
 * to this one. Workers that are still there have the grace to come back; nothing that they hold lapses before.
 */
export const recover: Rule<'recover'> = (state, _command, world) => {
  const events = [];
  const then: Command[] = [];
  const effects: Effect[] = [];
  for (const { agent } of state.indexes.agents.values()) {
    if (agent.life.status === 'spawning' && agent.runtime !== 'external') {
      // Whether its worker was started is not known. The new token makes sure that only this start can join.
      const restarted = restart(agent, 'coordinator_restarted', world, state.limits);
      events.push(restarted.event);
      effects.push(...restarted.effects);
      continue;
    }
    if (agent.life.status !== 'joined' && agent.life.status !== 'offline') continue;
    const withdrawn = withdrawOffers(state, agent, 'coordinator_restarted', world);
    events.push(...withdrawn.events);
    then.push(...withdrawn.then);
    const until = world.now + state.limits.graceMs;
    events.push(happened(world, { type: 'agent_offline', agentId: agent.id, reason: 'coordinator_restarted', until }));
  }
  return { events, effects, then };
};

// ---- replies

export function swarmOf(state: State): Swarm {
  if (state.swarm === null) throw new Error('the swarm has not been created');
  return state.swarm;
}

export function describeSwarm(swarm: Swarm): object {
  return {
    swarmId: swarm.id,
    name: swarm.name,
    topology: swarm.topology,
    status: swarm.destroyedAt === null ? 'active' : 'destroyed',
    maxAgents: swarm.maxAgents,
    strategy: swarm.strategy,
    consensusThreshold: swarm.consensusThreshold,
    createdAt: iso(swarm.createdAt),
  };
}

function describeCreated(state: State, now: number): object {
  return {
    ...describeSwarm(swarmOf(state)),
    agents: [...state.agents.values()].map((agent) => agentSummary(state, agent, now)),
  };
}

function countTasks(state: State): object {
  const counts = { orchestrating: 0, running: 0, waiting: 0, completed: 0, failed: 0, cancelled: 0 };
  for (const task of state.tasks.values()) counts[task.status] += 1;
  return counts;
}

/** Durations in seconds, as the reference document shows them; null where nothing was measured yet. */
function describeMetrics({ metrics }: Swarm): object {
  const { tasksCompleted, tasksFailed, tasksCancelled, completedMs } = metrics;
  const judged = tasksCompleted + tasksFailed;
  return {
    tasksCompleted,
    tasksFailed,
    tasksCancelled,
    avgCompletionTime: tasksCompleted === 0 ? null : completedMs / tasksCompleted / 1000,
    successRate: judged === 0 ? null : tasksCompleted / judged,
  };
}

/** Of each agent: all of them would grow with the square of the swarm. */
const neighboursMax = 10;

/** Who stands where, and may therefore message and validate whom. */
function describeTopology(state: State): object {
  const { topology } = swarmOf(state);
  const ids = (agents: Iterable<Agent>): string[] => {
    const found: string[] = [];
    for (const { id } of agents) {
      if (found.length === neighboursMax) break;
      found.push(id);
    }
    return found;
  };
  return {
    ...(topology === 'star' && { hub: hubOf(state)?.id ?? null }),
    members: Array.from(liveAgents(state), (agent) => ({
      agentId: agent.id,
      peers: ids(peersOf(state, agent)),
      validators: ids(validatorsFor(state, new Set([agent.id]))),
      ...(topology === 'hierarchical' && { parent: agent.parentId }),
    })),
  };
}

function describePerformance(state: State): object {
  const { metrics } = swarmOf(state);
  return {
    queuedAssignments: state.indexes.queued.size,
    agentTypes: Object.entries(metrics.types).map(([agentType, of]) => ({
      agentType,
      successes: of.successes,
      avgDuration: of.successes === 0 ? null : of.successMs / of.successes / 1000,
      avgSpawnTime: of.spawns === 0 ? null : of.spawnMs / of.spawns / 1000,
    })),
    agents: [...state.agents.values()].map((agent) => agentDetail(agent)),
  };
}
