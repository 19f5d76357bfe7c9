/**
 * `skein bridge`: the command that an MCP client's configuration names. Started by a program that a worker runs, it
 * finds the program's claim in its environment, and acts as the worker's agent.
 */
import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import { bridge } from '../bridge.ts';
import { settingsOf } from '../client/options.ts';
import { profiles } from '../spec.ts';
import { portNumber, withServer, type ServerFlags } from './flags.ts';

export function addBridge(program: Command): void {
  withServer(program.command('bridge'))
    .description('Speak MCP over standard input and output, carried to the server; connects again when it restarts.')
    .addArgument(new Argument('[host:port]', 'Where the server is, instead of --host and --port').argParser(addressIn))
    .addOption(
      new Option('--profile <profile>', 'Which tools are shown [what the server is set to]').choices(
        Object.keys(profiles),
      ),
    )
    .addHelpText(
      'after',
      '\nExample, in the configuration of an MCP client:\n  skein bridge coordinator:9500 --profile worker',
    )
    .action(async (address: ServerFlags | undefined, flags: ServerFlags & { readonly profile?: string }) => {
      const { host, port, profile } = { ...flags, ...address };
      const settings = settingsOf({ host, port });
      await bridge({
        input: process.stdin,
        output: process.stdout,
        host: settings.host,
        port: settings.port,
        profile: profile ?? null,
        claim: claimIn(process.env),
        lineBytesMax: settings.lineBytesMax,
        say: (text) => console.error(`skein: ${text}`),
      });
    });
}

function addressIn(text: string): ServerFlags {
  const [, v6, name, port] = /^(?:\[([\da-f:.]+)\]|([^\s:/@]+))(?::(\d+))?$/i.exec(text) ?? [];
  const host = v6 ?? name;
  if (host === undefined) throw new InvalidArgumentError('It must be a host, or a host and a port: coordinator:9500.');
  return port === undefined ? { host } : { host, port: portNumber(port) };
}

function claimIn({ SKEIN_ASSIGNMENT_ID: assignmentId, SKEIN_LEASE_TOKEN: leaseToken }: NodeJS.ProcessEnv) {
  return assignmentId && leaseToken ? { assignmentId, leaseToken } : null;
}
