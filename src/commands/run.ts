/**
 * `skein run FILE`: carries out one task from a file: makes the swarm and the agents that it names, submits it, shows
 * how it goes, prints the result, and exits with 1 when it did not complete.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parse } from 'yaml';
import type { Client } from '../client/client.ts';
import type { SwarmInitArguments, TaskOrchestrateArguments, TaskWaitResult } from '../spec.types.ts';
import { fail, withClient, withServer, type ServerFlags } from './flags.ts';
import { Progress } from './progress.ts';

interface Flags extends ServerFlags {
  readonly keep?: true;
  readonly json?: true;
  readonly input?: string;
}

/** What a file holds. `swarm` is a swarm to be made, or the id of one that is there. */
interface RunFile {
  readonly swarm?: string | Omit<SwarmInitArguments, 'initialAgents' | 'requestId'>;
  readonly agents?: readonly (AgentEntry | string)[];
  readonly task: TaskOrchestrateArguments['task'];
  readonly execution?: TaskOrchestrateArguments['execution'];
}

interface AgentEntry {
  readonly type: string;
  readonly name?: string;
  readonly count?: number;
  readonly capabilities?: string[];
  readonly config?: object;
}

/** After this time without an end, people are told what waits, and why. */
const standstillSeconds = 5;

const members = ['swarm', 'agents', 'task', 'execution'];

export function addRun(program: Command): void {
  withServer(program.command('run'))
    .description(
      'Carry out the task that a YAML or JSON file describes, and print its result. Exits with 1 when it did not complete.',
    )
    .argument('<file>', 'The file, or - for standard input')
    .option('--input <json>', "The task's input, in place of the file's; JSON, or else a string")
    .option('--keep', 'Leave the swarm and its agents running at the end')
    .option('--json', 'Print the results as JSON, and progress not at all')
    .addHelpText(
      'after',
      `
A file:
  swarm: {name: digests, config: {maxAgents: 5}}   # or the id of a swarm that is there
  agents:
    - {type: sum, count: 3}
  task:
    description: Digest the input
    input: hello
    parallelism: 3
  execution: {resultAggregation: majority_vote}

Examples:
  skein run task.yaml
  skein run task.yaml --input '"another input"' --json | jq .result
  generate-task | skein run -`,
    )
    .action(async (file: string, flags: Flags) => {
      let described: RunFile;
      try {
        described = readRunFile(file, flags.input);
      } catch (error) {
        return fail((error as Error).message);
      }
      await withClient(flags, (client) => carryOut(client, described, flags));
    });
}

/** @throws Error that names the file and what is wrong with it. */
function readRunFile(file: string, input: string | undefined): RunFile {
  const name = file === '-' ? 'standard input' : file;
  let content: unknown;
  try {
    content = parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    throw new Error(`cannot read ${name}: ${(error as Error).message}`);
  }
  if (typeof content !== 'object' || content === null || !('task' in content)) {
    throw new Error(`${name} must describe a task: {task: {description: ...}}, beside it swarm, agents and execution`);
  }
  const unknown = Object.keys(content).find((key) => !members.includes(key));
  if (unknown !== undefined)
    throw new Error(`${name} has ${unknown}, which means nothing: there are ${members.join(', ')}`);
  const described = content as RunFile;
  checkAgents(name, described.agents ?? []);
  if (input === undefined) return described;
  const task = typeof described.task === 'string' ? { description: described.task } : described.task;
  return { ...described, task: { ...task, input: jsonOrText(input) } };
}

/** Of the agents, what the server never sees: that they are a list, and how many there are of each. */
function checkAgents(name: string, agents: unknown): void {
  const example = 'such as [{type: sum, count: 3}]';
  if (!Array.isArray(agents)) throw new Error(`${name}: agents must be a list, ${example}`);
  for (const agent of agents as readonly (Partial<AgentEntry> | string | null)[]) {
    const { type, count = 1 } = typeof agent === 'string' ? { type: agent } : (agent ?? {});
    if (typeof type !== 'string') throw new Error(`${name}: an agent must have a type, ${example}`);
    if (!Number.isInteger(count) || count < 1) {
      throw new Error(`${name}: count of agent ${type} must be a whole number above 0; it is ${JSON.stringify(count)}`);
    }
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function carryOut(client: Client, described: RunFile, flags: Flags): Promise<void> {
  const { swarm = {} } = described;
  const made = typeof swarm !== 'string';
  const swarmId = made ? (await client.call('swarm_init', swarm)).swarmId : swarm;
  // A swarm that was there before has a history that is none of ours.
  const from = made ? 0 : (await client.call('swarm_status', { swarmId })).version;
  const spawned: string[] = [];
  let taskId: string | null = null;
  const interrupted = (): void => {
    void (async () => {
      if (taskId !== null && !made) await client.call('task_cancel', { taskId, reason: 'skein run was interrupted' });
      await takeDown(client, made ? swarmId : null, spawned);
    })().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  try {
    for (const { count = 1, ...agent } of (described.agents ?? []).map(agentEntry)) {
      for (let copy = 0; copy < count; copy += 1) {
        spawned.push((await client.call('agent_spawn', { swarmId, ...agent } as never)).agentId);
      }
    }
    ({ taskId } = await client.call('task_orchestrate', {
      swarmId,
      task: described.task,
      ...(described.execution !== undefined && { execution: described.execution }),
    }));
    const progress = flags.json === true ? null : new Progress(process.stderr, taskId);
    const following = progress === null ? null : follow(client, swarmId, from, progress);
    const ended = await waitFor(client, swarmId, taskId, progress);
    await following?.stop();
    progress?.ended(ended);
    if (flags.json === true) console.log(JSON.stringify(ended));
    else if (ended.status === 'completed') print(ended.result);
    if (ended.status !== 'completed') process.exitCode = 1;
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    if (flags.keep === true) console.error(`the swarm is kept: ${swarmId}`);
    else await takeDown(client, made ? swarmId : null, spawned);
  }
}

/** What we made goes again: the swarm, or our agents in one that was there before. */
async function takeDown(client: Client, made: string | null, spawned: readonly string[]): Promise<void> {
  if (made !== null) await client.call('swarm_destroy', { swarmId: made });
  else for (const agentId of spawned) await client.call('agent_stop', { agentId, reason: 'skein run is over' });
}

function agentEntry(entry: AgentEntry | string): AgentEntry {
  return typeof entry === 'string' ? { type: entry } : entry;
}

async function waitFor(
  client: Client,
  swarmId: string,
  taskId: string,
  progress: Progress | null,
): Promise<TaskWaitResult> {
  for (;;) {
    const seen = await client.call('task_wait', { swarmId, taskId, waitSeconds: standstillSeconds });
    if (seen.ended) return seen;
    progress?.waiting(seen);
  }
}

/** Shows the swarm's events until told to stop. */
function follow(client: Client, swarmId: string, from: number, progress: Progress): { stop(): Promise<void> } {
  const events = client.subscribe(swarmId, { from });
  const shown = (async () => {
    for await (const event of events) progress.event(event);
  })().catch(() => {
    // How it goes is a courtesy; what counts comes from task_wait.
  });
  return {
    stop: async () => {
      await events.return();
      await shown;
    },
  };
}

/** Text as it is, for pipes; anything else as JSON. */
function print(result: unknown): void {
  console.log(typeof result === 'string' ? result : JSON.stringify(result, null, 2));
}
