/**
 * How the program that a worker runs reaches its swarm, as its worker's agent: by variables of its environment, and, where
 * it is of a known command line, by having `skein bridge` among its MCP servers.
 *
 * What is secret is in its environment only, where no other user of the machine sees it.
 */
import type { McpServerStdio } from '@agentclientprotocol/sdk';
import type { AcpType, CommandType } from '../agent-types.ts';
import { serverName, templates, type McpServer, type McpSetup } from '../templates/index.ts';

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
  const own = variablesOf(access);
  if (type.template === undefined) return { args: [], env: own };
  const setup = templates[type.template].addServer(serverOf(access), env);
  return { ...setup, env: Object.assign(own, setup.env) };
}

/** What an agent of the Agent Client Protocol is told of its MCP servers; `env` is its environment. */
export function serversFor(type: AcpType, access: Access | null, env: NodeJS.ProcessEnv): McpServerStdio[] {
  if (type.mcp !== true || access === null) return [];
  const { command, args } = serverOf(access);
  const values: NodeJS.ProcessEnv = { ...env, ...variablesOf(access) };
  return [
    { name: serverName, command, args: [...args], env: variables.map((name) => ({ name, value: values[name]! })) },
  ];
}

function variablesOf({ host, port, leaseToken }: Access): Record<string, string> {
  return { MCP_HOST: host, MCP_TCP_PORT: String(port), SKEIN_LEASE_TOKEN: leaseToken };
}

function serverOf({ cli }: Access): McpServer {
  const [command, ...args] = cli;
  return { command, args: [...args, 'bridge', '--profile', 'agent'], variables };
}
