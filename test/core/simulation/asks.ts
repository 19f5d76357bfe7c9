/**
 * What clients ask for: one entry a command. `make` gives null when there is nothing to ask it about yet; `learn` keeps
 * what the answer tells. Every piece of work has a name of its own, its description.
 */
import type { Command, CommandBody, TaskRequest } from '../../../src/core/command.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { Topology } from '../../../src/core/state.ts';
import { agentRequest, phase, taskRequest } from '../swarm-under-test.ts';
import type { Chance } from './chance.ts';
import { someTask } from './tasks.ts';
import type { World } from './world.ts';

export interface Ask {
  readonly weight: number;
  make(world: World, chance: Chance): { readonly command: Command; readonly waitMs?: number } | null;
  learn?(world: World, answer: any): void;
}

/** Asked with a request id of its own, so that it can be asked again. */
export function once(world: World, command: CommandBody): { readonly command: Command } {
  return { command: { ...command, requestId: `request_${world.mint()}` } };
}

/** Now and then one that nobody ever had. */
export const anAgent = (world: World, chance: Chance): string =>
  chance.happens(0.05) || world.agentIds.length === 0 ? 'agent_none' : chance.pick(world.agentIds.slice(-12));
const aTask = (world: World, chance: Chance): string =>
  chance.happens(0.05) || world.taskIds.length === 0 ? 'task_none' : chance.pick(world.taskIds.slice(-20));

/** Most work; who plans and who judges is asked for what others are not. */
export const agentTypes = ['worker', 'worker', 'worker', 'coordinator', 'validator'] as const;

export const asks: readonly Ask[] = [
  {
    weight: 8,
    make: (world, chance) =>
      once(world, {
        type: 'task_orchestrate',
        task: someTask(world, chance),
        ...(chance.happens(0.05) && { from: anAgent(world, chance) }),
      }),
    learn: (world, { taskId }) => world.taskIds.push(taskId),
  },
  {
    weight: 1,
    make: (world, chance) => ({ command: { type: 'task_status', taskId: aTask(world, chance) } }),
  },
  {
    weight: 2,
    make: (world, chance) => ({ command: { type: 'task_wait', taskId: aTask(world, chance) }, waitMs: 3000 }),
  },
  {
    weight: 0.5,
    make: (world, chance) => ({ command: { type: 'task_results', taskId: aTask(world, chance) } }),
  },
  {
    weight: 0.3,
    make: () => ({ command: { type: 'task_list', filter: 'all', limit: 20, cursor: null } }),
  },
  {
    weight: 0.8,
    make: (world, chance) => once(world, { type: 'task_cancel', taskId: aTask(world, chance), reason: null }),
  },
  {
    weight: 0.5,
    make: (world, chance) =>
      once(world, {
        type: 'agent_spawn',
        agent: agentRequest({
          runtime: chance.pick(['command', 'command', 'external']),
          agentType: chance.pick(agentTypes),
          capabilities: chance.pick([[], ['a'], ['a', 'b']]),
          config: chance.pick<JsonObject>([{}, { weight: 0.5 }, { weight: 2 }]),
        }),
        limitsAsked: false,
      }),
    learn: (world, { agentId, joinToken }) => {
      world.agentIds.push(agentId);
      if (joinToken !== undefined) world.startWorker(joinToken);
    },
  },
  {
    weight: 0.3,
    make: (world, chance) =>
      once(world, { type: 'agent_stop', agentId: anAgent(world, chance), reason: null, drain: chance.happens(0.5) }),
  },
  {
    weight: 0.3,
    make: () => ({ command: { type: 'agent_list', filter: 'all', metadata: true } }),
    learn: (world, { agents }) => {
      for (const { agentId } of agents) if (!world.agentIds.includes(agentId)) world.agentIds.push(agentId);
    },
  },
  {
    weight: 0.2,
    make: (world, chance) => ({ command: { type: 'agent_status', agentId: anAgent(world, chance) } }),
  },
  {
    weight: 0.2,
    make: () => ({ command: { type: 'swarm_status', topology: true, performance: true } }),
  },
  {
    weight: 1.5,
    make: (world, chance) =>
      once(world, {
        type: 'agent_message',
        from: null,
        to: chance.happens(0.2) ? null : anAgent(world, chance),
        message: `message ${world.mint()}`,
        replyTo: null,
        ttlMs: chance.pick([null, null, 500, 10_000]),
      }),
  },
  {
    weight: 0.25,
    make: (world) => once(world, { type: 'swarm_pause', reason: null }),
  },
  {
    weight: 0.8,
    make: (world) => once(world, { type: 'swarm_resume' }),
  },
  {
    // By nobody who may, or on what nobody is asked.
    weight: 0.15,
    make: (world, chance) =>
      once(world, {
        type: 'task_decide',
        taskId: aTask(world, chance),
        phase: null,
        choice: null,
        reason: null,
        ...(chance.happens(0.5) && { from: anAgent(world, chance) }),
      }),
  },
  {
    // A request id that somebody has used for something else.
    weight: 0.2,
    make: (world, chance) => ({
      command: {
        type: 'task_orchestrate',
        task: someTask(world, chance),
        requestId: 'request_shared',
      },
    }),
    learn: (world, { taskId }) => world.taskIds.push(taskId),
  },
  {
    weight: 0.1,
    make: (world, chance) =>
      once(world, {
        type: 'task_orchestrate',
        task: taskRequest({
          description: `faulty ${world.mint()}`,
          ...chance.pick<Partial<TaskRequest>>([
            { phases: [phase('p', { dependencies: ['q'] })] },
            { consensusThreshold: 0.6 },
          ]),
        }),
      }),
  },
  {
    // A second swarm, which is one too many, or one that goes again.
    weight: 0.05,
    make: (world) => once(world, swarmInit('mesh', 2)),
  },
];

export function swarmInit(topology: Topology, maxAgents: number): CommandBody {
  return {
    type: 'swarm_init',
    swarmId: '',
    name: null,
    topology,
    maxAgents,
    consensusThreshold: 0.7,
    strategy: 'adaptive',
    initialAgents: [],
  };
}

export function lastTask(world: World): { readonly command: Command } {
  return once(world, { type: 'task_orchestrate', task: taskRequest({ description: 'the last one' }) });
}
