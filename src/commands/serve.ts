/** `skein serve`: runs a coordinator until it is told to stop. */
import type { Command } from 'commander';
import { ConfigError, isSet, readConfig, settings, type Config, type Setting } from '../config.ts';
import { createLog } from '../observe/log.ts';

type Flags = { readonly [N in keyof Config]?: string };

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('Run a coordinator. Every flag has an environment variable of the same meaning.');
  withSettings(command);
  command.addHelpText('after', '\nExample:\n  skein serve --port 9500 --data-dir ./.skein --config ./skein.yaml');
  command.action(async () => run(flagsOf(command.opts())));
}

/** A flag for each setting of a server. */
export function withSettings(command: Command): void {
  for (const setting of Object.values(settings) as Setting[]) {
    const fallback = setting.default === null ? 'unset' : `default ${setting.default}`;
    command.option(`${setting.flag} <${setting.unit}>`, `${setting.what} [${setting.env}, ${fallback}]`);
  }
}

/** Commander names options after their flags; the table names them after what they are. */
export function flagsOf(options: Readonly<Record<string, string | undefined>>): Flags {
  const flags: Record<string, string> = {};
  for (const [name, { flag }] of Object.entries(settings) as [string, Setting][]) {
    const camel = flag.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = options[camel];
    if (value !== undefined) flags[name] = value;
  }
  return flags;
}

async function run(flags: Flags): Promise<void> {
  let config: Config;
  try {
    config = readConfig(process.env, flags);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`skein: ${error.message}`);
    process.exitCode = 2;
    return;
  }
  const log = createLog({ level: config.logLevel, file: config.logFile });
  // Here and not above: the other subcommands, workers among them, have no use for what makes up a server.
  const { serve } = await import('../main.ts');
  try {
    const running = await serve(config, { log, configFileNamed: isSet('configFile', process.env, flags) });
    process.once('SIGTERM', running.stop);
    process.once('SIGINT', running.stop);
    process.exit(await running.stopped);
  } catch (error) {
    // A person reads this: what is wrong, and no stack.
    console.error(`skein: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}
