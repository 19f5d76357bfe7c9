/**
 * The commands of scenarios: a table that is easy to extend. An entry reads its arguments, asks the swarm, and says
 * what of the reply is worth telling beside the events.
 */
import type { CommandBody, PhaseRequest, TaskRequest, Worker } from '../../src/core/command.ts';
import type { Topology, Usage } from '../../src/core/state.ts';
import type { Arguments, Claim, Stage, Tell } from './scenario.ts';
import { parseDuration } from './scenario-text.ts';
import { agentRequest, phase, SwarmUnderTest, taskRequest } from './swarm-under-test.ts';

type Run = (stage: Stage, args: Arguments, parts: readonly Arguments[]) => void;

export const commands: Readonly<Record<string, Run>> = {
  // ---- the world

  /** `swarm [topology=] [maxAgents=] [consensusThreshold=] [LIMIT=]...` with any limit of src/core/limits.ts */
  swarm(stage, args) {
    const options = {
      topology: args.or<Topology>('topology', 'mesh'),
      maxAgents: args.or('maxAgents', 100),
      consensusThreshold: args.or('consensusThreshold', 0.7),
    };
    stage.swarm = SwarmUnderTest.withSwarm({ ...options, limits: args.limits() });
    stage.showEvents(stage.swarm.events);
  },
  /** `advance DURATION` */
  advance(stage, args) {
    stage.advance(parseDuration(args.word('how long')));
  },
  /** `chance NUMBER`: what is drawn from now on, in [0, 1); 0.5 until it is said */
  chance(stage, args) {
    const draw = Number(args.word('what is drawn'));
    stage.swarm.draw = () => draw;
  },
  /** `recover`: another coordinator has taken over */
  recover(stage, args) {
    stage.ask({ type: 'recover' }, args);
  },
  destroy(stage, args) {
    stage.ask({ type: 'swarm_destroy' }, args);
  },
  /** `pause [reason=]` */
  pause(stage, args) {
    stage.ask({ type: 'swarm_pause', reason: args.or('reason', null) }, args);
  },
  resume(stage, args) {
    stage.ask({ type: 'swarm_resume' }, args);
  },
  /** `topology`: who stands where, whom each may message, and who may validate what it did */
  topology(stage, args) {
    stage.ask({ type: 'swarm_status', topology: true, performance: false }, args, ({ hub, members }) => [
      ...(hub === undefined ? [] : [`hub ${hub}`]),
      ...members.map((member: any) => told(stage, member, ['agentId', 'parent', 'peers', 'validators'])),
    ]);
  },

  // ---- agents

  /** `join NAME [type=] [capabilities=[]] [maxConcurrent=] [lease=] [parent=]` */
  join(stage, args) {
    const name = args.word('who joins');
    join(stage, args, name, { token: null, name });
  },
  /** `rejoin NAME`: with its resume token, or its join token when it has been spawned */
  rejoin(stage, args) {
    const name = args.word('who joins');
    const { life } = stage.swarm.state.agents.get(stage.agentId(name))!;
    const token = life.status === 'spawning' ? life.joinToken : 'resumeToken' in life ? life.resumeToken : 'void';
    join(stage, args, name, { token, name: null });
  },
  /** `spawn NAME [type=] [capabilities=[]] [runtime=command|external] [maxConcurrent=] [parent=] [config={}]` */
  spawn(stage, args) {
    const name = args.word('who is spawned');
    const agent = agentRequest({
      name,
      agentType: args.or('type', 'worker'),
      capabilities: args.or('capabilities', []),
      runtime: args.or('runtime', 'command'),
      maxConcurrent: args.or('maxConcurrent', 1),
      config: args.or('config', {}),
      ...parentOf(stage, args),
    });
    stage.ask({ type: 'agent_spawn', agent, limitsAsked: false }, args, (reply) => {
      stage.name(reply.agentId, name);
      return [];
    });
  },
  /** `lose NAME`: the connection that acts as it breaks */
  lose(stage, args) {
    const name = args.word('who is lost');
    stage.disconnected(name);
    stage.ask({ type: 'worker_lost', actor: stage.actor(name) as Worker, reason: 'connection closed' }, args);
  },
  /** `dies NAME`: its host sees its worker end */
  dies(stage, args) {
    const name = args.word('whose worker dies');
    stage.disconnected(name);
    const agentId = stage.agentId(name);
    const { restarts } = stage.swarm.state.agents.get(agentId)!;
    stage.ask({ type: 'worker_failed', agentId, restarts, reason: args.or('reason', 'exit code 1') }, args);
  },
  /** `stop NAME [reason=] [drain]`: drain is to let it finish what it holds first */
  stop(stage, args) {
    const drain = args.flag('drain');
    const agentId = stage.agentId(args.word('who is stopped'));
    stage.ask({ type: 'agent_stop', agentId, reason: args.or('reason', null), drain }, args);
  },
  leave(stage, args) {
    stage.ask(
      { type: 'swarm_leave', actor: stage.actor(args.word('who leaves')), reason: args.or('reason', null) },
      args,
    );
  },
  agents(stage, args) {
    stage.ask({ type: 'agent_list', filter: args.or('filter', 'all'), metadata: false }, args, ({ agents }) => [
      ...(agents.length === 0 ? ['no agents'] : []),
      ...agents.map(({ agentId, status, reason, health, currentTask }: any) =>
        stage.fields({ agentId, status, reason, health, currentTask }),
      ),
    ]);
  },

  // ---- who submits

  /**
   * `task DESCRIPTION [from=NAME] [plan=agent] [OPTION=]... [detail]`, and a line `phase NAME [after=[]] [OPTION=]...` for each
   * phase that is given
   */
  task(stage, args, parts) {
    const submitter = args.value('from');
    const budget = { maxTokens: args.or('maxTokens', null), maxCostUsd: args.or('maxCostUsd', null) };
    const task = taskRequest({
      description: args.word('what is to be done'),
      ...given<TaskRequest>(args, [
        'priority',
        'strategy',
        'input',
        'items',
        'parallelism',
        'aggregation',
        'agentType',
        'voteKey',
      ]),
      ...given<TaskRequest>(args, ['consensusRequired', 'consensusThreshold', 'failureThreshold']),
      ...given<TaskRequest>(args, ['votingMechanism', 'conflictResolution', 'maxVotes']),
      lead: args.or('aheadBy', null),
      planned: args.value('plan') === 'agent',
      budget: budget.maxTokens === null && budget.maxCostUsd === null ? null : budget,
      requiredCapabilities: args.or('capabilities', []),
      retry: {
        kind: args.or('retry', 'exponential_backoff'),
        maxAttempts: args.or('attempts', 3),
        initialMs: args.ms('initial', 100),
        maxMs: args.ms('max', 30_000),
      },
      timeoutMs: args.ms('timeout', 300_000),
      deadlineMs: args.ms('deadline', 86_400_000),
      phases: parts.length === 0 ? null : parts.map(phaseOf),
    });
    const detail = args.flag('detail');
    const from = submitter === undefined ? {} : { from: stage.agentId(submitter) };
    stage.ask({ type: 'task_orchestrate', task, ...from }, args, (reply) => [
      ...(reply.coordination.votingMechanism === null
        ? []
        : [told(stage, reply.coordination, ['requiredVotes', 'maxFailures'])]),
      ...reply.orchestrationPlan.phases.flatMap(({ name, waitingFor }: any) =>
        waitingFor === undefined || /^(offered|waits for phase)/.test(waitingFor) ? [] : [`${name}: ${waitingFor}`],
      ),
      ...(detail ? describeAccepted(stage, reply) : []),
    ]);
  },
  cancel(stage, args) {
    stage.ask({ type: 'task_cancel', taskId: args.word('which task'), reason: args.or('reason', null) }, args);
  },
  /** `decide TASK ASSIGNMENT [phase=]`: a person chooses its result */
  decide(stage, args) {
    const taskId = args.word('which task');
    decide(stage, args, taskId, args.word('for which assignment'));
  },
  /** `reject TASK [phase=] [reason=]`: a person finds none good enough */
  reject(stage, args) {
    decide(stage, args, args.word('which task'), null);
  },
  /** `status TASK`: its phases, their assignments, what is waited for, and what it has used of its budget */
  status(stage, args) {
    stage.ask({ type: 'task_status', taskId: args.word('which task') }, args, (task) => [
      headline(task),
      ...(task.budget === null ? [] : [`  ${told(stage, task, ['budget', 'usage'])}`]),
      ...task.phases.flatMap((of: any) => [
        `  ${stage.fields({ phaseId: of.name, after: of.dependencies, status: of.status, reason: of.reason, waitingFor: of.waitingFor })}`,
        ...of.assignments.map(
          ({ assignmentId, agentId, status, attempt, failures, progress, lastError }: any) =>
            `    ${stage.fields({ assignmentId, agentId, status, attempt, failures, progress, lastError })}`,
        ),
        ...(of.decision?.candidates ?? []).map((candidate: any) => `    candidate ${stage.fields(candidate)}`),
      ]),
    ]);
  },
  /** `results TASK [audit]`: what came out, who contributed what, and its votes, with all that their audit has */
  results(stage, args) {
    const audit = args.flag('audit');
    stage.ask({ type: 'task_results', taskId: args.word('which task') }, args, (task) => [
      `${headline(task)} ${stage.fields({ result: task.result })}`.trimEnd(),
      ...task.results.map(
        ({ assignmentId, agentId, status, result, error }: any) =>
          `  ${stage.fields({ assignmentId, agentId, status, result, error })}`,
      ),
      ...(task.votes ?? [task.consensus]).flatMap((vote: any) =>
        vote === null ? [] : describeVote(stage, vote, audit),
      ),
    ]);
  },
  /** `tasks [filter=] [limit=] [cursor=]` */
  tasks(stage, args) {
    const { filter, limit, cursor } = {
      filter: args.or('filter', 'all'),
      limit: args.or('limit', 50),
      cursor: args.or('cursor', null),
    };
    stage.ask({ type: 'task_list', filter, limit, cursor }, args, ({ tasks, cursor: more }) => [
      ...(tasks.length === 0 ? ['no tasks'] : []),
      ...tasks.map((task: any) => `${headline(task)} ${JSON.stringify(task.description)}`),
      ...(more === null ? [] : [`cursor ${more}`]),
    ]);
  },
  /** `await TASK [wait]`, as task_wait does */
  await(stage, args) {
    const taskId = args.word('which task');
    stage.ask({ type: 'task_wait', taskId }, args, (task) => [headline(task)], `who submitted ${taskId}`);
  },

  // ---- who works

  /** `next NAME [wait]` */
  next(stage, args) {
    const name = args.word('whose next task');
    const tell: Tell = ({ assignment, pending }) => [
      ...(assignment === null ? ['no work'] : [describeClaim(stage, name, assignment)]),
      ...describePending(stage, pending),
    ];
    stage.ask({ type: 'task_next', actor: stage.actor(name) }, args, tell, name);
  },
  /** `accompany NAME HOLDER [CLAIM]`: the program that the holder's worker runs, on a connection of its own */
  accompany(stage, args) {
    const name = args.word('who accompanies');
    const { assignmentId, leaseToken } = stage.claim(args.word('whose claim'), args.optionalWord());
    stage.ask({ type: 'swarm_accompany', assignmentId, leaseToken }, args, ({ agentId, resumeToken, held }) => {
      stage.accompanies(name, { agentId, claim: { assignmentId, leaseToken } });
      return [stage.fields({ agentId, resumeToken, held })];
    });
  },
  /** `update NAME [CLAIM] [progress=] [usage={}] [wait]` */
  update(stage, args) {
    asHolder(stage, args, 'task_update', { progress: args.value('progress'), usage: usageIn(args) });
  },
  /** `complete NAME [CLAIM] [result=] [vote=] [usage={}]` */
  complete(stage, args) {
    const { result, vote } = { result: args.or('result', null), vote: args.value('vote') };
    asHolder(stage, args, 'task_complete', { result, vote, usage: usageIn(args) });
  },
  /** `plan NAME [CLAIM]`: completes it with the phases that are named in lines as those of `task` */
  plan(stage, args, parts) {
    const plan = parts.map(phaseOf);
    const phases = plan.map(({ name }) => name);
    asHolder(stage, args, 'task_complete', { result: { phases }, vote: undefined, plan, usage: null });
  },
  /** `fail NAME [CLAIM] [reason=] [message=] [usage={}] [final]`: final is not to be tried again */
  fail(stage, args) {
    const { reason, message } = { reason: args.or('reason', 'exit_code'), message: args.or('message', null) };
    const retryable = !args.flag('final');
    asHolder(stage, args, 'task_fail', { reason, message, details: null, retryable, usage: usageIn(args) });
  },
  /** `release NAME [CLAIM] [reason=]` */
  release(stage, args) {
    asHolder(stage, args, 'task_release', { reason: args.or('reason', null) });
  },
  /** `undelivered NAME [CLAIM]`: the reply with the claim did not reach it */
  undelivered(stage, args) {
    const { assignmentId, leaseToken } = stage.claim(args.word('whose claim'), args.optionalWord());
    stage.ask({ type: 'claim_undelivered', assignmentId, leaseToken }, args);
  },

  // ---- messages

  /** `message NAME JSON [from=] [replyTo=] [ttl=]` */
  message(stage, args) {
    send(stage, args, stage.agentId(args.word('to whom')));
  },
  /** `broadcast JSON [from=] [ttl=]` */
  broadcast(stage, args) {
    send(stage, args, null);
  },
  /** `inbox NAME [after=] [limit=] [wait]` */
  inbox(stage, args) {
    const name = args.word('whose messages');
    const { after, limit } = { after: args.or('after', 0), limit: args.or('limit', 50) };
    const tell: Tell = ({ messages, cursor }) => [
      ...messages.map(({ seq, from, message, hops, replyTo }: any) =>
        `${seq} from ${from ?? 'nobody'}: ${JSON.stringify(message)} ${stage.fields({ hops, replyTo })}`.trimEnd(),
      ),
      `cursor ${cursor}`,
    ];
    stage.ask({ type: 'message_next', actor: stage.actor(name), after, limit }, args, tell, name);
  },
  /** `ack NAME CURSOR` */
  ack(stage, args) {
    const actor = stage.actor(args.word('who acknowledges'));
    stage.ask({ type: 'message_ack', actor, upTo: Number(args.word('up to which')) }, args);
  },

  // ---- files

  /** `reserve NAME [GLOBS] [mode=] [ttl=] [claim=] [wait]` */
  reserve(stage, args) {
    const name = args.word('who reserves');
    const globs = args.json('what');
    const claimed = args.or('claim', null);
    const command: CommandBody = {
      type: 'file_reserve',
      actor: stage.actor(name),
      claim: claimed === null ? null : stage.claim(name, claimed),
      globs,
      mode: args.or('mode', 'exclusive'),
      ttlMs: args.ms('ttl', 3_600_000),
      wait: args.waits,
    };
    stage.ask(command, args, () => [], name);
  },
  /** `release_files NAME [GLOBS]` */
  release_files(stage, args) {
    const actor = stage.actor(args.word('who releases'));
    const globs = args.optionalJson() ?? null;
    stage.ask({ type: 'file_release', actor, reservationId: args.or('reservation', null), globs }, args);
  },

  // ---- approvals

  /** `approve NAME TOOL [INPUT] [use=] [claim=]`: may it use that? */
  approve(stage, args) {
    const actor = stage.actor(args.word('who asks'));
    const [tool, input] = [args.word('what it wants to use'), args.optionalJson() ?? {}];
    const [assignmentId, toolUseId] = [args.or('claim', null), args.or('use', null)];
    stage.ask({ type: 'approve', actor, assignmentId, tool, input, toolUseId }, args, tellAnswer(stage));
  },
  /** `await_approval NAME APPROVAL [wait]` */
  await_approval(stage, args) {
    const name = args.word('who waits');
    const approvalId = args.word('for which approval');
    stage.ask({ type: 'approval_wait', actor: stage.actor(name), approvalId }, args, tellAnswer(stage), name);
  },
  /** `allow APPROVAL [input={}] [from=]` */
  allow(stage, args) {
    answer(stage, args, 'allow');
  },
  /** `deny APPROVAL [message=] [from=]` */
  deny(stage, args) {
    answer(stage, args, 'deny');
  },
  /** `approvals`: what people are asked */
  approvals(stage, args) {
    stage.ask({ type: 'swarm_status', topology: false, performance: false }, args, ({ approvals }) =>
      approvals.length === 0 ? ['nobody is asked'] : approvals.map((of: object) => stage.fields(of)),
    );
  },
};

// ---- asking

function answer(stage: Stage, args: Arguments, behavior: 'allow' | 'deny'): void {
  const approvalId = args.word('which approval');
  const { message, updatedInput } = { message: args.or('message', null), updatedInput: args.or('input', null) };
  const from = args.value('from');
  const decider = from === undefined ? {} : { from: stage.agentId(from) };
  stage.ask({ type: 'approval_decide', approvalId, behavior, message, updatedInput, ...decider }, args);
}

function tellAnswer(stage: Stage): Tell {
  return ({ approvalId, behavior, message, updatedInput }) => [
    stage.fields({ approvalId, behavior, message, updatedInput }),
  ];
}

/** `to` null: to everyone that the sender may reach. */
function send(stage: Stage, args: Arguments, to: string | null): void {
  const sender = args.value('from');
  const from = sender === undefined ? null : stage.actor(sender);
  const { replyTo, ttlMs } = { replyTo: args.or('replyTo', null), ttlMs: args.ms('ttl', null) };
  stage.ask({ type: 'agent_message', from, to, message: args.json('what'), replyTo, ttlMs }, args);
}

function join(stage: Stage, args: Arguments, name: string, as: { token: string | null; name: string | null }): void {
  const command: CommandBody = {
    type: 'swarm_join',
    ...as,
    agentType: args.or('type', null),
    capabilities: args.or('capabilities', null),
    maxConcurrent: args.or('maxConcurrent', null),
    leaseMs: args.ms('lease', null),
    ...parentOf(stage, args),
  };
  stage.ask(command, args, (reply) => {
    stage.joined(name, reply);
    return [
      ...reply.held.map((held: Claim & { attempt: number }) => `it still holds ${stage.claimed(name, held)}`),
      ...describePending(stage, reply.pending),
    ];
  });
}

function parentOf(stage: Stage, args: Arguments): { readonly parent?: string } {
  const parent = args.value('parent');
  return parent === undefined ? {} : { parent: stage.agentId(parent) };
}

function decide(stage: Stage, args: Arguments, taskId: string, choice: string | null): void {
  const { phase, reason } = { phase: args.or('phase', null), reason: args.or('reason', null) };
  stage.ask({ type: 'task_decide', taskId, phase, choice, reason }, args);
}

/** What it does not name is not known. */
function usageIn(args: Arguments): Usage | null {
  const usage = args.value('usage');
  return usage === undefined ? null : { inputTokens: null, outputTokens: null, costUsd: null, ...usage };
}

function phaseOf(args: Arguments): PhaseRequest {
  return phase(args.word('its name'), {
    dependencies: args.or('after', []),
    requiredCapabilities: args.or('capabilities', null),
    timeoutMs: args.ms('timeout', null),
    ...given<PhaseRequest>(args, ['parallelism', 'aggregation', 'agentType', 'input', 'select']),
  });
}

/** Options that are called as the core calls them. */
function given<T>(args: Arguments, names: readonly (keyof T & string)[]): Partial<T> {
  const values = names.map((name) => [name, args.value(name)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** With the claim that it names, which may well be another's; else with its newest. */
function asHolder(stage: Stage, args: Arguments, type: string, more: object): void {
  const name = args.word('who');
  const { assignmentId, leaseToken } = stage.claim(name, args.optionalWord());
  const command = { type, actor: stage.actor(name), assignmentId, leaseToken, ...more } as CommandBody;
  const tell: Tell = (reply) => [
    ...[told(stage, reply, ['attemptsLeft', 'taskStatus'])].filter((line) => line !== ''),
    ...describePending(stage, reply.pending),
  ];
  stage.ask(command, args, tell, name);
}

// ---- telling

function told(stage: Stage, reply: any, names: readonly string[]): string {
  return stage.fields(Object.fromEntries(names.map((name) => [name, reply[name]])));
}

function headline({ taskId, status, reason, progress }: any): string {
  const done = progress === undefined ? '' : ` ${progress.done}/${progress.total}`;
  return `${taskId} ${status}${done}${reason === null ? '' : `: ${reason}`}`;
}

function describeClaim(stage: Stage, name: string, assignment: any): string {
  const { input, item, dependencies, role } = assignment;
  const shown = { input, item, dependencies, role: role === 'worker' ? null : role };
  return `${name} has ${stage.claimed(name, assignment)} ${stage.fields(shown)}`.trimEnd();
}

function describePending(stage: Stage, pending: object): string[] {
  const text = stage.fields(pending);
  return text === '' ? [] : [`pending ${text}`];
}

function describeAccepted(stage: Stage, { assignedAgents, orchestrationPlan, estimatedCompletion }: any): string[] {
  return [
    ...assignedAgents.map((agent: any) => `assigned ${told(stage, agent, ['agentId', 'role'])}`),
    ...orchestrationPlan.phases.map(({ name, estimatedDuration }: any) =>
      estimatedDuration === null ? `${name}: nobody knows how long` : `${name}: about ${estimatedDuration} s`,
    ),
    `completed ${estimatedCompletion ?? 'nobody knows when'}`,
  ];
}

/** An audit has the version at which each ballot was cast, its weight and where it was taken from. */
function describeVote(
  stage: Stage,
  { phase: name, reached, share, required, planned, decidedBy, ballots }: any,
  audit: boolean,
): string[] {
  return [
    `  vote of ${name}: ${reached ? 'reached' : 'not reached'} ${stage.fields({ share, required, planned, decidedBy })}`,
    ...ballots.map(({ agentId, ballot, status, ...cast }: any) => {
      const more = audit ? told(stage, cast, ['source', 'weight', 'version', 'round', 'judges']) : '';
      return `    ${agentId ?? 'nobody'}: ${ballot ?? `no ballot (${status})`} ${more}`.trimEnd();
    }),
  ];
}
