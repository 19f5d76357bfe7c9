/** A coordinator that has started one of the programs as an agent, with a model of the test. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connectRaw, startServer, temporaryFolder, type RawConnection } from '../server-process.ts';
import { noneLeft } from '../system/processes.ts';
import { startModel, type Model } from './fake-model.ts';
import { environmentOf, type Program } from './programs.ts';

export interface SpawnedAgent {
  readonly port: number;
  /** Where skein.yaml lies, in which it works. */
  readonly folder: string;
  readonly raw: RawConnection;
  readonly swarmId: string;
  readonly agentId: string;
  /** Has the agent do it, and resolves with what task_wait says of its end. */
  done(description: string, execution?: object): Promise<any>;
  /** Nothing of the agent may be left. */
  end(): Promise<void>;
}

/** A server whose skein.yaml names the program, as a user's would, and a swarm with one agent of it. */
export async function spawnAgent(t: TestContext, program: Program, model: Model): Promise<SpawnedAgent> {
  const home = await temporaryFolder();
  const env = await environmentOf(program, home, await startModel(t, model));
  const config = join(home, 'skein.yaml');
  const names = JSON.stringify(Object.keys(env));
  await writeFile(
    config,
    `agentTypes: {agent: {template: ${program.template}, args: ${JSON.stringify(program.more)}, env: ${names}}}`,
  );
  const { port } = await startServer(t, { env: { ...env, MCP_CONFIG: config } });
  const raw = await connectRaw(t, port);
  const { swarmId } = await raw.call('swarm_init');
  const { agentId } = await raw.call('agent_spawn', { swarmId, agentType: 'agent' });
  return {
    port,
    folder: home,
    raw,
    swarmId,
    agentId,
    done: async (description, execution = {}) => {
      const task = { description, agentType: 'agent' };
      const { taskId } = await raw.call('task_orchestrate', { swarmId, task, execution });
      for (;;) {
        const seen = await raw.call('task_wait', { swarmId, taskId, waitSeconds: 60 });
        if (seen.ended) return seen;
      }
    },
    end: async () => {
      await raw.call('swarm_destroy', { swarmId });
      await noneLeft([agentId]);
    },
  };
}
