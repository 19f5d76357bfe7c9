/** `skein worker`: acts for one agent of a configured type until it is told to stop. Hosts start it; people can, too. */
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { loadAgentTypes } from '../agent-types.ts';
import { connect } from '../client/client.ts';
import { SkeinError } from '../client/errors.ts';
import { settingsOf } from '../client/options.ts';
import { settings } from '../config.ts';
import { createLog } from '../observe/log.ts';
import { work } from '../worker/worker.ts';
import { fail, withServer, type ServerFlags } from './flags.ts';

interface Flags extends ServerFlags {
  readonly type: string;
  readonly swarm?: string;
  readonly name?: string;
  readonly config?: string;
}

const killGraceMs = 5_000;

/** This very command line. */
const cli = [
  process.execPath,
  ...process.execArgv,
  fileURLToPath(import.meta.url).replace(/commands\/worker(\.[jt]s)$/, 'cli$1'),
] as const;

export function addWorker(program: Command): void {
  withServer(program.command('worker'))
    .description('Join a swarm as an agent of a type that skein.yaml configures, and execute its work.')
    .requiredOption('--type <name>', 'Agent type of skein.yaml')
    .option('--swarm <id>', 'Swarm to join; the newest live one when absent [SKEIN_SWARM_ID]')
    .option('--name <name>', 'Name of the agent, for people')
    .option(
      '--config <file>',
      `File of agent types [${settings.configFile.env}, default ${settings.configFile.default}]`,
    )
    .addHelpText(
      'after',
      `
With the environment variable SKEIN_JOIN_TOKEN it becomes the agent that the token was made for, else a new one.

Example:
  skein worker --type sum --host coordinator`,
    )
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { env } = process;
  const file = flags.config ?? env[settings.configFile.env] ?? settings.configFile.default;
  const loaded = loadAgentTypes(file, { required: true });
  if (!loaded.ok) return fail(loaded.problems.join('\n'));
  const type = loaded.agentTypes.get(flags.type);
  if (type === undefined)
    return fail(
      `${file} has no agent type ${flags.type}: it has ${[...loaded.agentTypes.keys()].join(', ') || 'none'}`,
    );
  if (type.runtime === 'external')
    return fail(`agent type ${flags.type} is external: it has no command that this worker could run`);

  const log = createLog({ level: env[settings.logLevel.env] || settings.logLevel.default, file: null }).child({
    worker: flags.type,
  });
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());

  const server = {
    ...(flags.host !== undefined && { host: flags.host }),
    ...(flags.port !== undefined && { port: flags.port }),
  };
  const { host, port } = settingsOf(server);
  const client = connect({ ...server, poolMin: 0 });
  try {
    const swarmId = flags.swarm ?? env['SKEIN_SWARM_ID'];
    const token = env['SKEIN_JOIN_TOKEN'];
    const session = await client.join({
      ...(swarmId !== undefined && { swarmId }),
      ...(flags.name !== undefined && { name: flags.name }),
      // A token stands for an agent that is there, with all that was decided of it.
      ...(token !== undefined
        ? { token }
        : { agentType: flags.type, capabilities: [...type.capabilities], maxConcurrent: type.maxConcurrent }),
    });
    log.info({ agentId: session.joined.agentId, swarmId: session.joined.swarmId }, 'joined');
    const why = await work(session, {
      type,
      reach: { host, port, cli },
      log,
      killGraceMs,
      signal: stopping.signal,
    });
    log.info({ why }, 'ended');
    if (!stopping.signal.aborted && why !== 'drained') process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof SkeinError)) throw error;
    fail(`${error.reason}: ${error.message}`);
  } finally {
    await client.close();
  }
}
