/** `skein ping`: is a server there? Made for people and for the health checks of containers. */
import type { Command } from 'commander';
import { withClient, withServer, type ServerFlags } from './flags.ts';

export function addPing(program: Command): void {
  withServer(program.command('ping'))
    .description('Ask the server whether it is alive. Exits with 1 when it does not answer.')
    .option('--json', 'Print the answer as JSON')
    .addHelpText('after', '\nExample:\n  skein ping --host coordinator --port 9500')
    .action(async (flags: ServerFlags & { readonly json?: true }) => {
      await withClient(flags, async (client) => {
        const before = performance.now();
        const answer = await client.ping();
        const ms = performance.now() - before;
        console.log(
          flags.json === true ? JSON.stringify({ ...answer, ms }) : `${answer.status} in ${ms.toFixed(1)} ms`,
        );
      });
    });
}
