/** Tools of swarms: swarm_init, swarm_status, swarm_list, swarm_pause, swarm_resume, swarm_destroy. */
import { isRefusal } from '../core/refusal.ts';
import { iso } from '../core/rule.ts';
import type {
  SwarmDestroyArguments,
  SwarmInitArguments,
  SwarmListArguments,
  SwarmPauseArguments,
  SwarmResumeArguments,
  SwarmStatusArguments,
} from '../spec.types.ts';
import { agentRequest } from './agent.ts';
import { settle, swarmOf, withRequestId } from './calling.ts';
import type { Handler } from './tool.ts';

export const swarmInit: Handler<SwarmInitArguments> = async ({ args, caller, services }) => {
  const { defaults, agentTypes, coordinator } = services;
  const command = {
    type: 'swarm_init' as const,
    name: args.name ?? null,
    topology: args.topology ?? 'mesh',
    maxAgents: args.config?.maxAgents ?? args.maxAgents ?? defaults.maxAgents,
    consensusThreshold: args.config?.consensusThreshold ?? defaults.consensusThreshold,
    strategy: args.config?.strategy ?? args.strategy ?? 'adaptive',
    initialAgents: (args.initialAgents ?? []).map((agent) => agentRequest(agent, agentTypes)),
    ...(args.requestId !== undefined && { requestId: args.requestId }),
  };
  return settle(caller, async () => {
    const answer = await coordinator.createSwarm(command);
    if (!isRefusal(answer)) caller.newestSwarm = (answer as { swarmId: string }).swarmId;
    return answer;
  });
};

export const swarmStatus: Handler<SwarmStatusArguments> = async (call) => {
  const swarmId = swarmOf(call);
  if (typeof swarmId !== 'string') return swarmId;
  const { include_topology: topology = false, include_performance: performance = false } = call.args;
  return call.services.coordinator.submit(swarmId, { type: 'swarm_status', topology, performance });
};

export const swarmList: Handler<SwarmListArguments> = async ({ args, services: { coordinator } }) => ({
  swarms: [
    ...coordinator.quarantined().map(({ swarmId, reason }) => ({ swarmId, status: 'quarantined', reason })),
    ...coordinator
      .summaries()
      .filter((swarm) => args.filter === 'all' || swarm.destroyedAt === null)
      .map((swarm) => ({
        swarmId: swarm.swarmId,
        name: swarm.name,
        topology: swarm.topology,
        status: swarm.destroyedAt === null ? 'active' : 'destroyed',
        agents: swarm.liveAgents,
        tasks: swarm.liveTasks,
        createdAt: iso(swarm.createdAt),
      }))
      .reverse(),
  ],
});

export const swarmPause: Handler<SwarmPauseArguments> = async (call) => {
  const swarmId = swarmOf(call);
  if (typeof swarmId !== 'string') return swarmId;
  const { reason = null } = call.args;
  return call.services.coordinator.submit(swarmId, withRequestId({ type: 'swarm_pause', reason }, call.args));
};

export const swarmResume: Handler<SwarmResumeArguments> = async (call) => {
  const swarmId = swarmOf(call);
  if (typeof swarmId !== 'string') return swarmId;
  return call.services.coordinator.submit(swarmId, withRequestId({ type: 'swarm_resume' }, call.args));
};

export const swarmDestroy: Handler<SwarmDestroyArguments> = async ({ args, services }) =>
  services.coordinator.submit(args.swarmId, withRequestId({ type: 'swarm_destroy' }, args));
