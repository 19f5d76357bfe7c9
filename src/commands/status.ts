/** `skein status`: swarms, their agents, and their open tasks with what each waits for. */
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import type { SwarmStatusResult, TaskListResult, TaskStatusResult } from '../spec.types.ts';
import { withClient, withServer, type ServerFlags } from './flags.ts';
import { show } from './watch.ts';

interface Flags extends ServerFlags {
  readonly swarm?: string;
  readonly tasks: string;
  readonly watch?: true;
  readonly json?: true;
}

type Task = Extract<TaskStatusResult, { phases: unknown }>;

interface Seen {
  readonly status: SwarmStatusResult;
  readonly tasks: readonly Task[];
  readonly more: boolean;
}

const tasksShown = '20';

export function addStatus(program: Command): void {
  withServer(program.command('status'))
    .description('Show the swarms of a server: agents, open tasks, and why what waits is waiting.')
    .option('--swarm <id>', 'Only this swarm')
    .option('--tasks <n>', 'Open tasks of each swarm to show, 1,000 at most', tasksShown)
    .option('--watch', 'Show it again whenever something has changed, until interrupted')
    .option('--json', 'Print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  skein status\n  skein status --swarm swarm_1757880683494_yl81sece5x0q --watch',
    )
    .action(async (flags: Flags) => {
      const limit = Number(flags.tasks);
      await withClient(flags, async (client) => {
        await show(flags.watch === true, async () => {
          const seen = await look(client, flags.swarm, limit);
          return { text: flags.json === true ? JSON.stringify(seen) : render(seen), over: false };
        });
      });
    });
}

async function look(client: Client, only: string | undefined, limit: number): Promise<Seen[]> {
  const swarmIds =
    only === undefined ? (await client.call('swarm_list', {})).swarms.map((swarm) => swarm.swarmId) : [only];
  return Promise.all(
    swarmIds.map(async (swarmId) => {
      const status = await client.call('swarm_status', { swarmId });
      const list: TaskListResult = await client.call('task_list', { swarmId, filter: 'active', limit });
      const tasks = await Promise.all(
        list.tasks.map(async ({ taskId }) => (await client.call('task_status', { swarmId, taskId })) as Task),
      );
      return { status, tasks, more: list.cursor !== null };
    }),
  );
}

function render(seen: readonly Seen[]): string {
  if (seen.length === 0) return 'no swarm: create one with  skein call swarm_init';
  return seen.map(renderSwarm).join('\n\n');
}

function renderSwarm({ status, tasks, more }: Seen): string {
  const { completed, failed, cancelled, orchestrating, running, waiting } = status.tasks;
  const lines = [
    `${status.swarmId}${status.name === null ? '' : ` (${status.name})`}  ${status.topology}, ${status.status}`,
    ...(status.paused === null
      ? []
      : [`  paused since ${status.paused.since}${status.paused.reason === null ? '' : `: ${status.paused.reason}`}`]),
    `  tasks: ${orchestrating + running + waiting} open, ${completed} completed, ${failed} failed, ${cancelled} cancelled`,
  ];
  for (const agent of status.agents) {
    const health = agent.health === null ? '' : `  health ${agent.health}`;
    const why = agent.reason === undefined ? '' : `  ${agent.reason}`;
    const task = agent.currentTask === null ? '' : `  on ${agent.currentTask}`;
    lines.push(
      `  ${agent.id}  ${agent.type}${agent.name === null ? '' : ` ${agent.name}`}  ${agent.status}${health}${task}${why}`,
    );
  }
  for (const { agentId, globs, mode, expiresAt } of status.reservations) {
    lines.push(`  ${agentId} has reserved ${oneLine(globs.join(', '))} (${mode}) until ${expiresAt}`);
  }
  for (const task of tasks) {
    lines.push(
      `  ${task.taskId}  ${task.status} ${task.progress.done}/${task.progress.total}  ${oneLine(task.description)}`,
    );
    if (task.deadlineAt !== null) lines.push(`    deadline: ${task.deadlineAt}`);
    for (const phase of task.phases) {
      if (phase.waitingFor !== undefined) lines.push(`    ${phase.name}: ${phase.waitingFor}`);
    }
  }
  if (more) lines.push(`  and more tasks: skein call task_list --arg swarmId=${status.swarmId}`);
  return lines.join('\n');
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= 80 ? line : `${line.slice(0, 79)}…`;
}
