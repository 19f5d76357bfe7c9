/** What an agent's word counts in a phase: as it is configured, else by how much of what is asked for it can do. */
import type { Agent, Phase } from './state.ts';

/** Of an agent that can do little of it. */
const weightMin = 0.25;

export function weightIn(agent: Agent, phase: Phase): number {
  const configured = agent.config['weight'];
  return typeof configured === 'number' ? configured : Math.max(weightMin, matchOf(agent, phase));
}

/** The share of what the phase requires that the agent can do; 1 where nothing is required. */
export function matchOf(agent: Agent, { requiredCapabilities }: Phase): number {
  if (requiredCapabilities.length === 0) return 1;
  return requiredCapabilities.filter((one) => agent.capabilities.includes(one)).length / requiredCapabilities.length;
}
