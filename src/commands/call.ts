/** `skein call TOOL`: calls one tool and prints its result. */
import type { Command } from 'commander';
import { nearestOf, tools } from '../spec.ts';
import { fail, withClient, withServer, type ServerFlags } from './flags.ts';

interface Flags extends ServerFlags {
  readonly arg: readonly string[];
  readonly json?: true;
}

export function addCall(program: Command): void {
  withServer(program.command('call'))
    .description('Call a tool and print its result. Exits with 1 when it is refused.')
    .argument('<tool>', 'Name of the tool; skein call --help lists them')
    .argument('[arguments]', 'All arguments as one JSON object')
    .option(
      '-a, --arg <name=value>',
      'One argument; the value is JSON, or else a string; dots in the name nest',
      collect,
      [],
    )
    .option('--json', 'One line of JSON, also on a terminal')
    .addHelpText(
      'after',
      `
Examples:
  skein call swarm_init --arg topology=mesh --arg config.maxAgents=10
  skein call task_orchestrate '{"task": {"description": "Digest it", "input": "hello"}}'
  skein call agent_list --json

Tools:
${[...tools.values()].map(({ name, title }) => `  ${name.padEnd(18)} ${title}`).join('\n')}`,
    )
    .action(call);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function call(name: string, json: string | undefined, flags: Flags): Promise<void> {
  const tool = tools.get(name);
  if (tool === undefined) {
    const nearest = nearestOf(name, [...tools.keys()]);
    return fail(`there is no tool ${name}${nearest === undefined ? '' : `: did you mean ${nearest}?`}`);
  }
  let args: object;
  try {
    args = argumentsOf(json, flags.arg);
  } catch (error) {
    return fail((error as Error).message);
  }
  await withClient(flags, async (client) => {
    const result = await client.call(tool.name as never, args as never);
    console.log(JSON.stringify(result, null, process.stdout.isTTY && flags.json !== true ? 2 : 0));
  });
}

/** @throws Error saying which argument could not be understood. */
export function argumentsOf(json: string | undefined, pairs: readonly string[]): object {
  const args = json === undefined ? {} : (parse(json) as Record<string, unknown>);
  if (typeof args !== 'object' || args === null || Array.isArray(args)) {
    throw new Error(`arguments must be one JSON object, such as '{"swarmId": "..."}'`);
  }
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new Error(`--arg ${pair}: write name=value`);
    set(args, pair.slice(0, at).split('.'), valueOf(pair.slice(at + 1)));
  }
  return args;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new Error(`arguments are not JSON: ${(error as Error).message}`);
  }
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function set(target: Record<string, unknown>, [name, ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    target[name!] = value;
    return;
  }
  const inner = Object.hasOwn(target, name!) ? target[name!] : undefined;
  const next = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {};
  target[name!] = next;
  set(next, rest, value);
}
