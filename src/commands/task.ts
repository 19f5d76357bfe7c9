/** `skein task ID`: one task, with who works on what, what waits for what, and why; `--graph` draws its phases. */
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import type { TaskStatusResult } from '../spec.types.ts';
import { listApprovals } from './approve.ts';
import { withClient, withServer, type ServerFlags } from './flags.ts';
import { countStates, drawGraph, listPhases, type Look } from './graph.ts';
import { cut, printable } from './text.ts';
import { show } from './watch.ts';

interface Flags extends ServerFlags {
  readonly graph?: true;
  readonly all?: true;
  readonly watch?: true;
  readonly json?: true;
}

type Task = Extract<TaskStatusResult, { phases: unknown }>;

/** Of lines that go to no terminal. */
const anyWidth = 100_000;

export function addTask(program: Command): void {
  withServer(program.command('task'))
    .description('Show a task: its phases, who works on them, what they wait for, and what came of them.')
    .argument('<id>', 'Its taskId')
    .option('--graph', 'Draw the graph of its phases; those that are alike are one line')
    .option('--all', 'With --graph: a line for every phase')
    .option('--watch', 'Show it again whenever something has changed, until it has ended')
    .option('--json', 'Print task_status as JSON')
    .addHelpText('after', '\nExamples:\n  skein task task_1757967065850_abc123de45fg --graph --watch')
    .action(async (taskId: string, flags: Flags) => {
      await withClient(flags, async (client) => {
        await show(flags.watch === true, async () => {
          const task = (await client.call('task_status', { taskId })) as Task;
          const text = flags.json === true ? JSON.stringify(task) : await render(client, task, flags);
          return { text, over: task.endedAt !== null };
        });
      });
    });
}

async function render(client: Client, task: Task, { graph, all }: Flags): Promise<string> {
  const { isTTY, columns } = process.stdout;
  const look: Look = {
    // A terminal that does not know its size says 0.
    width: isTTY ? columns || 80 : anyWidth,
    colours: isTTY && process.env['NO_COLOR'] === undefined,
    all: all === true,
    nameOf: await namesOf(client, task),
  };
  const { phases, swarmId, taskId } = task;
  const lines = graph === true ? drawGraph(phases, look) : listPhases(phases, look);
  const asked = listApprovals(
    phases.flatMap(({ approvals = [] }) => approvals),
    '',
  );
  const shown = [...headOf(task, look), '', ...lines, '', countStates(phases, look)];
  if (asked.length > 0) shown.push('', ...asked);
  if (graph !== true && task.endedAt !== null) {
    const { result } = await client.call('task_results', { swarmId, taskId });
    if (result !== null) shown.push('', cut(`result: ${printable(JSON.stringify(result))}`, look.width));
  }
  return shown.join('\n');
}

/** What people call the agents that the task has had. */
async function namesOf(client: Client, { swarmId }: Task): Promise<(agentId: string) => string> {
  const { agents } = await client.call('agent_list', { swarmId, filter: 'all' });
  const names = new Map(agents.map(({ id, name, type }) => [id, name ?? `${type} ${id.slice(-4)}`]));
  return (agentId) => names.get(agentId) ?? agentId;
}

function headOf(task: Task, { width }: Look): string[] {
  const { taskId, status, reason, progress, description, createdAt, startedAt, endedAt, deadlineAt } = task;
  const times = [
    `accepted ${createdAt}`,
    ...(startedAt === null ? [] : [`started after ${elapsed(createdAt, startedAt)}`]),
    ...(endedAt === null ? [] : [`ended after ${elapsed(createdAt, endedAt)}`]),
    ...(endedAt === null && deadlineAt !== null ? [`deadline ${deadlineAt}`] : []),
  ];
  return [
    `${taskId}  ${status}${reason === null ? '' : `: ${printable(reason)}`}`,
    `  ${printable(description)}`,
    `  ${progress.done} of ${progress.total} phases settled; ${times.join(', ')}`,
  ].map((line) => cut(line, width));
}

function elapsed(from: string, to: string): string {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
