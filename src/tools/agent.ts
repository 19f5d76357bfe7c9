/** Tools of agents, for those who do not act as one: agent_spawn, agent_list, agent_status, agent_stop. */
import type { AgentTypes } from '../agent-types.ts';
import type { AgentRequest } from '../core/command.ts';
import type { JsonObject } from '../core/json.ts';
import { isRefusal } from '../core/refusal.ts';
import type {
  AgentConfig,
  AgentListArguments,
  AgentSpawnArguments,
  AgentStatusArguments,
  AgentStopArguments,
} from '../spec.types.ts';
import { swarmOf, withRequestId } from './calling.ts';
import type { Handler } from './tool.ts';

/** What an agent of an unnamed type is called. */
const anyType = 'external';

/** The spellings that clients send, and what skein.yaml adds of the type's own. */
export function agentRequest(
  asked: {
    readonly type?: string;
    readonly agentType?: string;
    readonly name?: string;
    readonly capabilities?: readonly string[];
    readonly config?: AgentConfig;
    readonly parent?: string;
  },
  agentTypes: AgentTypes,
): AgentRequest {
  const agentType = asked.agentType ?? asked.type ?? anyType;
  const configured = agentTypes.get(agentType);
  const config = asked.config ?? {};
  const typeMost = configured !== undefined && configured.runtime !== 'external' ? configured.maxConcurrent : 1;
  return {
    agentType,
    name: asked.name ?? null,
    capabilities: [
      ...new Set([...(configured?.capabilities ?? []), ...(asked.capabilities ?? []), ...(config.capabilities ?? [])]),
    ],
    config: config as JsonObject,
    runtime: configured?.runtime ?? 'external',
    maxConcurrent: config.maxConcurrent ?? typeMost,
    ...(asked.parent !== undefined && { parent: asked.parent }),
  };
}

export const agentSpawn: Handler<AgentSpawnArguments> = async (call) => {
  const { args, caller, services } = call;
  const swarmId = swarmOf({ ...call, args: args.swarmId === undefined ? {} : { swarmId: args.swarmId } });
  if (typeof swarmId !== 'string') return swarmId;
  const answer = await services.coordinator.submit(
    swarmId,
    withRequestId(
      {
        type: 'agent_spawn',
        agent: agentRequest(args, services.agentTypes),
        limitsAsked: args.resources !== undefined,
      },
      args,
    ),
  );
  return isRefusal(answer) ? answer : { ...answer, tcpEndpoint: caller.endpoint };
};

export const agentList: Handler<AgentListArguments> = async (call) => {
  const swarmId = swarmOf(call);
  if (typeof swarmId !== 'string') return swarmId;
  const { filter = 'all', include_metadata: metadata = false } = call.args;
  return call.services.coordinator.submit(swarmId, { type: 'agent_list', filter, metadata });
};

export const agentStatus: Handler<AgentStatusArguments> = async (call) => {
  const swarmId = swarmOf(call, 'agents');
  if (typeof swarmId !== 'string') return swarmId;
  return call.services.coordinator.submit(swarmId, { type: 'agent_status', agentId: call.args.agentId });
};

export const agentStop: Handler<AgentStopArguments> = async (call) => {
  const swarmId = swarmOf(call, 'agents');
  if (typeof swarmId !== 'string') return swarmId;
  const { agentId, reason = null, drain = false } = call.args;
  return call.services.coordinator.submit(
    swarmId,
    withRequestId({ type: 'agent_stop', agentId, reason, drain }, call.args),
  );
};
