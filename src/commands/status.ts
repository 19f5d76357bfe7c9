/** `skein status`: swarms, their agents, and their open tasks with what each waits for. */
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { SkeinError } from '../client/errors.ts';
import type { SwarmStatusResult, TaskListResult, TaskStatusResult } from '../spec.types.ts';
import { listApprovals } from './approve.ts';
import { withClient, withServer, type ServerFlags } from './flags.ts';
import { cut, harmless, printable } from './text.ts';
import { show } from './watch.ts';

interface Flags extends ServerFlags {
  readonly swarm?: string;
  readonly tasks: string;
  readonly watch?: true;
  readonly json?: true;
}

/** Of a description or a ballot. */
const excerptChars = 80;

type Task = Extract<TaskStatusResult, { phases: unknown }>;

interface Seen {
  readonly status: SwarmStatusResult;
  readonly tasks: readonly Task[];
  readonly more: boolean;
}

/** A swarm that is not served. */
interface Quarantined {
  readonly swarmId: string;
  readonly reason: string;
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

async function look(client: Client, only: string | undefined, limit: number): Promise<(Seen | Quarantined)[]> {
  if (only !== undefined) return [await lookAt(client, only, limit)];
  const { swarms } = await client.call('swarm_list', {});
  const seen = await Promise.all(
    swarms.map(({ swarmId, status, reason = '' }) =>
      status === 'quarantined' ? { swarmId, reason } : unlessGone(lookAt(client, swarmId, limit)),
    ),
  );
  return seen.filter((swarm) => swarm !== null);
}

async function lookAt(client: Client, swarmId: string, limit: number): Promise<Seen> {
  const status = await client.call('swarm_status', { swarmId });
  const list: TaskListResult = await client.call('task_list', { swarmId, filter: 'active', limit });
  const tasks = await Promise.all(
    list.tasks.map(async ({ taskId }) => unlessGone(client.call('task_status', { swarmId, taskId }) as Promise<Task>)),
  );
  return { status, tasks: tasks.filter((task) => task !== null), more: list.cursor !== null };
}

/** null: it was forgotten between two questions. */
async function unlessGone<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof SkeinError && /^(swarm|task)_not_found$/.test(error.reason)) return null;
    throw error;
  }
}

function render(seen: readonly (Seen | Quarantined)[]): string {
  if (seen.length === 0) return 'no swarm: create one with  skein call swarm_init';
  return seen
    .flatMap((swarm) => [
      '',
      ...('status' in swarm ? renderSwarm(swarm) : [`${swarm.swarmId}  quarantined: ${swarm.reason}`]),
    ])
    .slice(1)
    .map(harmless)
    .join('\n');
}

function renderSwarm({ status, tasks, more }: Seen): string[] {
  const { completed, failed, cancelled, orchestrating, running, waiting } = status.tasks;
  const lines = [
    `${status.swarmId}${status.name === null ? '' : ` (${status.name})`}  ${status.topology}, ${status.status}`,
    ...(status.paused === null
      ? []
      : [`  paused since ${status.paused.since}${status.paused.reason === null ? '' : `: ${status.paused.reason}`}`]),
    `  tasks: ${orchestrating + running + waiting} open, ${completed} completed, ${failed} failed, ${cancelled} cancelled`,
  ];
  const agents = status.agents.filter((agent) => agent.status !== 'stopped');
  for (const agent of agents) {
    const health = agent.health === null ? '' : `  health ${agent.health}`;
    const why = agent.reason === undefined ? '' : `  ${agent.reason}`;
    const task = agent.currentTask === null ? '' : `  on ${agent.currentTask}`;
    lines.push(
      `  ${agent.id}  ${agent.type}${agent.name === null ? '' : ` ${agent.name}`}  ${agent.status}${health}${task}${why}`,
    );
  }
  const stopped = status.agents.length - agents.length;
  if (stopped > 0)
    lines.push(`  ${stopped} stopped: skein call agent_list --arg swarmId=${status.swarmId} --arg filter=stopped`);
  for (const { agentId, globs, mode, expiresAt } of status.reservations) {
    lines.push(`  ${agentId} has reserved ${oneLine(globs.join(', '))} (${mode}) until ${expiresAt}`);
  }
  lines.push(...listApprovals(status.approvals, '  '));
  for (const task of tasks) {
    lines.push(
      `  ${task.taskId}  ${task.status} ${task.progress.done}/${task.progress.total}  ${oneLine(task.description)}`,
    );
    if (task.deadlineAt !== null) lines.push(`    deadline: ${task.deadlineAt}`);
    for (const phase of task.phases) {
      if (phase.waitingFor !== undefined) lines.push(`    ${phase.name}: ${phase.waitingFor}`);
      for (const { assignmentId, ballot } of phase.decision?.candidates ?? []) {
        if (ballot !== null) lines.push(`      ${assignmentId} says ${oneLine(ballot)}`);
      }
    }
  }
  if (more) lines.push(`  and more tasks: skein call task_list --arg swarmId=${status.swarmId}`);
  return lines;
}

function oneLine(text: string): string {
  return cut(printable(text), excerptChars);
}
