/** How a task goes, for people: a few lines that change in place on a terminal, one line an event elsewhere. */
import type { WriteStream } from 'node:tty';
import type { TaskWaitResult } from '../spec.types.ts';

interface Event {
  readonly type: string;
  readonly at: string;
  readonly [field: string]: unknown;
}

interface AttemptError {
  readonly reason: string;
  readonly message: string | null;
  readonly agentId: string;
}

type Vote = NonNullable<NonNullable<TaskWaitResult['consensus']>>;

/** Where nobody has voted, the results were candidates: the share is null. */
function describeVote({ phase, reached, share, required, planned, decidedBy }: Vote): string {
  if (share === null) return `best of ${phase}: ${decidedBy === null ? 'not decided' : `decided by ${decidedBy}`}`;
  const by = decidedBy === null ? '' : `, decided by ${decidedBy}`;
  const counted = `, share ${share.toFixed(2)}${needed(required, planned, decidedBy)}`;
  return `vote of ${phase}: ${reached ? 'reached' : 'not reached'}${counted}${by}`;
}

/** Votes of those planned. A weight, or a lead, is told by what decided. */
function needed(required: number | null, planned: number, decidedBy: string | null): string {
  const isCount = decidedBy !== 'weighted_vote' && decidedBy !== 'ahead_by_k';
  return required !== null && isCount ? `, ${required} of ${planned} needed` : '';
}

export class Progress {
  readonly #stream: NodeJS.WriteStream | WriteStream;
  readonly #taskId: string;
  readonly #names = new Map<string, string>();
  /** What there is to say right now, by what it is about: an assignment, a settled or waiting phase, an agent in trouble. */
  readonly #states = new Map<string, string>();
  #drawn = 0;

  constructor(stream: NodeJS.WriteStream, taskId: string) {
    this.#stream = stream;
    this.#taskId = taskId;
  }

  /** Of the agents, and of this task; others may share the swarm. */
  event(event: Event): void {
    const about = event['taskId'] ?? event['assignmentId'];
    if (typeof about === 'string' && about.split('/')[0] !== this.#taskId) return;
    const line = this.#describe(event);
    if (line !== null) this.#show(event.at, line);
  }

  /** What could go on and does not, and why; once for each reason. */
  waiting({ phases }: Pick<TaskWaitResult, 'phases'>): void {
    for (const { name, status, waitingFor } of phases) {
      if (status !== 'running' || waitingFor === undefined) continue;
      const state = `waits: ${waitingFor}`;
      if (this.#states.get(name) === state) continue;
      this.#show(new Date().toISOString(), this.#now(name, state));
    }
  }

  ended(task: TaskWaitResult): void {
    if (this.#stream.isTTY) this.#draw();
    const reason = task.reason === null ? '' : `: ${task.reason}`;
    this.#stream.write(`${task.taskId} ${task.status}${reason}\n`);
    for (const result of task.results ?? []) {
      if (result.error === null || result.status !== 'failed') continue;
      const { reason: why, message } = result.error;
      this.#stream.write(`  ${result.phase}: ${why}${message === null ? '' : `: ${message}`}\n`);
    }
    for (const vote of task.votes ?? [task.consensus ?? null]) {
      // A phase that never began has no voters.
      if (vote === null || vote.ballots.length === 0) continue;
      this.#stream.write(`  ${describeVote(vote)}\n`);
      for (const { agentId, ballot, status } of vote.ballots) {
        const said = ballot ?? (vote.share === null ? `candidate (${status})` : `no ballot (${status})`);
        this.#stream.write(`    ${this.#nameOf(agentId)}: ${said}\n`);
      }
    }
  }

  #show(at: string, line: string): void {
    if (this.#stream.isTTY) this.#draw();
    else this.#stream.write(`${at.slice(11, 19)} ${line}\n`);
  }

  #describe(event: Event): string | null {
    const text = (field: string): string => String(event[field] ?? '');
    const agent = this.#nameOf(text('agentId'));
    const assignment = text('assignmentId').split('/').slice(1).join('/');
    switch (event.type) {
      case 'agent_spawned':
        this.#names.set(
          text('agentId'),
          event['name'] === null ? `${text('agentType')} ${text('agentId').slice(-4)}` : text('name'),
        );
        if (event['runtime'] === 'external') {
          return this.#now(this.#nameOf(text('agentId')), 'external: a process has to join as it');
        }
        return `${this.#nameOf(text('agentId'))}: spawning`;
      case 'agent_joined':
        this.#states.delete(agent);
        return `${agent}: active`;
      case 'agent_offline':
        return this.#now(agent, `offline: ${text('reason')}`);
      case 'agent_failed':
        return this.#now(agent, `failed: ${text('reason')}`);
      case 'agent_restarted':
        return this.#now(agent, `is started again: ${text('reason')}`);
      case 'task_accepted':
        return `task accepted: ${text('taskId')}`;
      case 'assignment_claimed':
        // The phase itself waits no longer.
        this.#states.delete(assignment.slice(0, assignment.lastIndexOf('/')));
        return this.#now(
          assignment,
          `${agent} works${Number(event['attempt']) > 1 ? ` (attempt ${text('attempt')})` : ''}`,
        );
      case 'progress_reported':
        return this.#now(assignment, `progress ${JSON.stringify(event['progress'])}`);
      case 'attempt_succeeded':
        return this.#now(assignment, `done by ${agent}`);
      case 'attempt_failed': {
        const { reason, message, agentId } = event['error'] as AttemptError;
        return this.#now(
          assignment,
          `failed by ${this.#nameOf(agentId)}: ${reason}${message === null ? '' : `: ${message}`}${event['retryAt'] === null ? '' : '; to be tried again'}`,
        );
      }
      case 'assignment_released':
        return this.#now(assignment, `given back: ${text('reason')}`);
      case 'phase_settled':
        return this.#now(text('phase'), `${text('status')}${event['reason'] === null ? '' : `: ${text('reason')}`}`);
      default:
        return null;
    }
  }

  #now(what: string, state: string): string {
    this.#states.set(what, state);
    return `${what}: ${state}`;
  }

  #nameOf(agentId: string | null): string {
    return agentId === null || agentId === '' ? 'nobody' : (this.#names.get(agentId) ?? agentId);
  }

  #draw(): void {
    // A terminal that does not know its size says 0.
    const width = (this.#stream.columns || 80) - 1;
    const lines = [...this.#states].map(([what, state]) => `  ${what}: ${state}`.slice(0, width));
    lines.unshift(this.#taskId.slice(0, width));
    if (lines.length === 0) return;
    this.#stream.write(`${this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A\x1b[J`}${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }
}
