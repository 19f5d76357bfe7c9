/**
 * Rules of a swarm as a whole: its creation, its status, its end, and its recovery after a coordinator's restart.
 */
import { agentDetail, agentSummary, restart, spawnEvent, startEffects } from './agent.ts';
import type { Command } from './command.ts';
import { refuse } from './refusal.ts';
import { happened, iso, isoOrNull, type Effect, type Rule } from './rule.ts';
import type { State, Swarm } from './state.ts';
import { withdrawOffers } from './lease.ts';

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
  const spawned = command.initialAgents.map((agent) => spawnEvent(agent, world, state.limits));
  const { swarmId, name, topology, maxAgents, consensusThreshold, strategy } = command;
  return {
    events: [
      happened(world, { type: 'swarm_created', swarmId, name, topology, maxAgents, consensusThreshold, strategy }),
      ...spawned,
    ],
    effects: spawned.flatMap((event) => startEffects(event)),
    reply: (after) => describeCreated(after, world.now),
  };
};

export const swarmStatus: Rule<'swarm_status'> = (_state, command, world) => ({
  reply: (state) => {
    const swarm = swarmOf(state);
    return {
      ...describeSwarm(swarm),
      agents: [...state.agents.values()].map((agent) => agentSummary(state, agent, world.now)),
      tasks: countTasks(state),
      metrics: describeMetrics(swarm),
      version: state.version,
      ...(command.topology && { members: describeTopology(state) }),
      ...(command.performance && { performance: describePerformance(state) }),
    };
  },
});

export const swarmDestroy: Rule<'swarm_destroy'> = (state, _command, world) => {
  const effects: Effect[] = [];
  for (const entry of state.indexes.agents.values()) {
    if (!entry.live) continue;
    effects.push({ kind: 'wake', key: `work:${entry.agent.id}` }, { kind: 'wake', key: `messages:${entry.agent.id}` });
    for (const assignmentId of entry.work.keys()) effects.push({ kind: 'wake', key: `claim:${assignmentId}` });
    if (entry.agent.runtime === 'command') effects.push({ kind: 'stop_worker', agentId: entry.agent.id });
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

/**
 * The first command after a swarm has been loaded: whatever was connected to the coordinator of before is not connected
 * to this one. Workers that are still there have the grace to come back; nothing that they hold lapses before.
 */
export const recover: Rule<'recover'> = (state, _command, world) => {
  const events = [];
  const then: Command[] = [];
  const effects: Effect[] = [];
  for (const { agent } of state.indexes.agents.values()) {
    if (agent.life.status === 'spawning' && agent.runtime === 'command') {
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

/** Who may message whom. In a mesh: everyone with everyone. */
function describeTopology(state: State): object[] {
  const live = [...state.indexes.agents.values()].filter((entry) => entry.live).map((entry) => entry.agent.id);
  return live.map((agentId) => ({ agentId, peers: live.filter((other) => other !== agentId) }));
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
