/**
 * A trivial task, from a server to an agent's program and back: a real server on free ports with a data directory of its
 * own, an agent of the type, a task, its result. All of it is gone afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentType } from '../../agent-types.ts';
import { Client } from '../../client/client.ts';
import { SkeinError } from '../../client/errors.ts';
import { settingsOf } from '../../client/options.ts';
import { settings, type Config } from '../../config.ts';
import { sweep } from '../../hosts/sweep.ts';
import type { Running } from '../../main.ts';
import { silentLog } from '../../observe/log.ts';
import { cut, printable } from '../text.ts';
import { ok, problem, type Finding } from './finding.ts';

const task = { description: 'Reply with the single word: ready', input: 'ready' };
const trialMsMax = 180_000;
/** Between two looks at how the agent is. */
const lookSeconds = 5;
const killGraceMs = 5_000;
const excerptChars = 120;

export async function tryTypes(config: Config, types: readonly AgentType[]): Promise<Finding[]> {
  const findings = types
    .filter(({ runtime }) => runtime === 'external')
    .map(({ name }) => ok(`run ${name}`, 'not tried: it comes by itself'));
  const runnable = types.filter(({ runtime }) => runtime !== 'external');
  if (runnable.length === 0) return findings;
  const dataDir = await mkdtemp(join(tmpdir(), 'skein-doctor-'));
  const server = await startServer({ ...config, dataDir });
  if (server instanceof Error) {
    await rm(dataDir, { recursive: true, force: true });
    return [problem('run', `no server could be started: ${server.message}`, 'what is said above may be the cause')];
  }
  const client = new Client(settingsOf({ host: server.host, port: server.port }, {}));
  const takeDown = async (): Promise<void> => {
    await client.close();
    server.stop();
    await server.stopped;
    await rm(dataDir, { recursive: true, force: true });
  };
  let trial: Trial | null = null;
  const interrupted = (): void => {
    void (async () => {
      await trial?.end();
      await takeDown();
    })().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    for (const type of runnable) {
      trial = await begin(client);
      findings.push(await trial.of(type).finally(trial.end));
    }
    return findings;
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    await takeDown();
  }
}

async function startServer(config: Config): Promise<Running | Error> {
  // Of the workers; what matters of it is in the findings.
  process.env[settings.logLevel.env] = 'silent';
  const { serve } = await import('../../main.ts');
  const own = { ...config, bind: '127.0.0.1', tcpPort: 0, httpPort: 0, redisUrl: null, rateLimit: 0 };
  return serve(own, { log: silentLog(), configFileNamed: true }).catch((error: Error) => error);
}

interface Trial {
  of(type: AgentType): Promise<Finding>;
  /** Resolves when nothing of the agent runs any more. */
  end(): Promise<void>;
}

async function begin(client: Client): Promise<Trial> {
  const { swarmId } = await client.call('swarm_init', { name: 'doctor' });
  let agentId: string | null = null;
  const of = async ({ name }: AgentType): Promise<Finding> => {
    const about = `run ${name}`;
    const startedAt = performance.now();
    try {
      ({ agentId } = await client.call('agent_spawn', { swarmId, agentType: name }));
      const execution = { retryPolicy: 'none' } as const;
      const { taskId } = await client.call('task_orchestrate', {
        swarmId,
        task: { ...task, agentType: name },
        execution,
      });
      while (performance.now() - startedAt < trialMsMax) {
        const seen = await client.call('task_wait', { swarmId, taskId, waitSeconds: lookSeconds });
        if (seen.ended) {
          const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
          if (seen.status === 'completed') return ok(about, `completed in ${seconds} s: ${excerpt(seen.result)}`);
          const { reason, message } = seen.results?.[0]?.error ?? { reason: seen.reason, message: '' };
          return problem(about, `${reason}: ${printable(String(message))}`, adviceFor(name));
        }
        const agent = await client.call('agent_status', { swarmId, agentId });
        if (agent.status === 'failed' || agent.status === 'stopped') {
          return problem(about, `its agent ${agent.status}: ${agent.reason}`, adviceFor(name));
        }
      }
      return problem(about, `no result within ${trialMsMax / 1000} s`, adviceFor(name));
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error;
      return problem(about, `${error.reason}: ${error.message}`, adviceFor(name));
    }
  };
  const end = async (): Promise<void> => {
    await client.call('swarm_destroy', { swarmId });
    if (agentId !== null) await sweep({ agentId }, { killGraceMs });
  };
  return { of, end };
}

function excerpt(result: unknown): string {
  return cut(printable(typeof result === 'string' ? result : JSON.stringify(result)), excerptChars);
}

function adviceFor(name: string): string {
  return `run the command of type ${name} by hand in its folder: is it signed in, does it answer?`;
}
