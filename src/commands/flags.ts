/** What the client commands have in common: where the server is, and how their output looks. */
import { InvalidArgumentError, type Command } from 'commander';
import { connect, type Client } from '../client/client.ts';
import { SkeinError } from '../client/errors.ts';

export interface ServerFlags {
  readonly host?: string;
  readonly port?: number;
}

export function withServer(command: Command): Command {
  return command
    .option('--host <host>', 'Host of the server [MCP_HOST, default 127.0.0.1]')
    .option('--port <port>', 'Port of the server [MCP_TCP_PORT, default 9500]', portNumber);
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 65535.');
  }
  return port;
}

/** Runs with a client and closes it; an expected failure is a line on standard error and an exit code of 1. */
export async function withClient(flags: ServerFlags, run: (client: Client) => Promise<void>): Promise<void> {
  try {
    const client = connect({
      ...(flags.host !== undefined && { host: flags.host }),
      ...(flags.port !== undefined && { port: flags.port }),
      poolMin: 0,
    });
    try {
      await run(client);
    } finally {
      await client.close();
    }
  } catch (error) {
    if (!(error instanceof SkeinError)) throw error;
    fail(error.reason === undefined ? error.message : `${error.reason}: ${error.message}`);
  }
}

/** For the person at the terminal: no stack, and the process ends with 1. */
export function fail(message: string): void {
  console.error(`skein: ${message}`);
  process.exitCode = 1;
}
