/**
 * How the program that a worker runs reaches its swarm, as its worker's agent: by variables of its environment, and, where
 * it is of a known command line, by having `skein bridge` among its MCP servers.
 *
 * What is secret is in its environment only, where no other user of the machine sees it.
 */
import type { CommandType } from '../agent-types.ts';
import { templates, type McpSetup } from '../templates/index.ts';

/** Where the coordinator is, and the command line of this installation. */
export interface Reach {
  readonly host: string;
  readonly port: number;
  readonly cli: readonly [string, ...string[]];
}

/** For one claim. */
export interface Access extends Reach {
  readonly leaseToken: string;
}

/** What `skein bridge` needs; SKEIN_AGENT_ID, so that the host finds it too. */
const variables = ['MCP_HOST', 'MCP_TCP_PORT', 'SKEIN_AGENT_ID', 'SKEIN_ASSIGNMENT_ID', 'SKEIN_LEASE_TOKEN'];

const nothing: McpSetup = { args: [], env: {} };

/**
 * What the program is started with besides; `env` is its environment as it would be. What it says to remove is to be
 * removed after the run.
 * @throws Error when that cannot be, with why.
 */
export function setUpAccess(type: CommandType, access: Access | null, env: NodeJS.ProcessEnv): McpSetup {
  if (type.mcp !== true || access === null) return nothing;
  const { host, port, leaseToken, cli } = access;
  const own = { MCP_HOST: host, MCP_TCP_PORT: String(port), SKEIN_LEASE_TOKEN: leaseToken };
  if (type.template === undefined) return { args: [], env: own };
  const [command, ...args] = cli;
  const server = { command, args: [...args, 'bridge', '--profile', 'agent'], variables };
  const setup = templates[type.template].addServer(server, env);
  return { ...setup, env: Object.assign(own, setup.env) };
}
