/**
 * Why something waits, in words that name the cause and what would change it.
 */
import { requirementsOf } from './index.ts';
import { mayTake } from './lease.ts';
import { iso } from './rule.ts';
import type { Assignment, Phase, State, Task } from './state.ts';

/** null: the phase waits for nothing. */
export function whyWaiting(state: State, task: Task, phase: Phase): string | null {
  if (task.endedAt !== null) return null;
  if (phase.status === 'waiting') {
    const open = phase.dependencies.filter(
      (name) => task.phases.find((of) => of.name === name)?.status !== 'succeeded',
    );
    return `waits for phase ${open.join(', ')}`;
  }
  if (phase.status !== 'running') return null;
  if (phase.asked !== undefined) {
    return `waits for a person: task_decide chooses one of ${phase.asked.candidates.join(', ')}, or rejects them`;
  }
  const reasons = new Set<string>();
  for (const assignment of phase.assignments) {
    const reason = whyUnclaimed(state, phase, assignment);
    if (reason !== null) reasons.add(reason);
  }
  return reasons.size === 0 ? null : [...reasons].join('; ');
}

function whyUnclaimed(state: State, phase: Phase, assignment: Assignment): string | null {
  const { work, failures, lastError, judges } = assignment;
  const { agentType, requiredCapabilities } = requirementsOf(phase, assignment);
  if (work.status === 'backoff') {
    const after = failures === 0 ? 'it was given back' : `attempt ${failures} failed (${lastError?.reason})`;
    return `tried again at ${iso(work.until)}: ${after}`;
  }
  if (work.status === 'offered') return `offered to agent ${work.agentId} until ${iso(work.until)}`;
  if (work.status !== 'queued') return null;

  const live = [...state.indexes.agents.values()].filter((entry) => entry.live).map((entry) => entry.agent);
  if (live.length === 0) return 'the swarm has no agent: spawn one with agent_spawn, or join with swarm_join';
  const ofType = live.filter((agent) => agentType === null || agent.type === agentType);
  if (ofType.length === 0) return `no agent is of type ${agentType}`;
  const missing = requiredCapabilities.filter(
    (capability) => !ofType.some((agent) => agent.capabilities.includes(capability)),
  );
  if (missing.length > 0) return `no agent has capability ${missing.join(', ')}`;
  const capable = ofType.filter((agent) =>
    requiredCapabilities.every((capability) => agent.capabilities.includes(capability)),
  );
  if (capable.length === 0) return `no single agent has all of ${requiredCapabilities.join(', ')}`;
  const joined = capable.filter((agent) => agent.life.status === 'joined');
  if (joined.length === 0)
    return `no capable agent is connected: ${capable.map(({ id, life }) => `${id} is ${life.status}`).join(', ')}`;
  const others = joined.filter((agent) => mayTake(state, agent, phase, assignment));
  if (others.length === 0 && judges !== undefined) return 'needs a judge: an agent that is no author of what is judged';
  if (others.length === 0) {
    return `needs ${phase.parallelism} distinct capable agents; ${joined.length === 1 ? 'there is one' : `there are ${joined.length}`}`;
  }
  const free = others.filter((agent) => state.indexes.agents.get(agent.id)!.work.size < agent.maxConcurrent);
  if (free.length > 0) return 'the capable agents that are free are not asking for work: they have to call task_next';
  return others.length === 1 ? 'the capable agent is busy' : `all ${others.length} capable agents are busy`;
}
