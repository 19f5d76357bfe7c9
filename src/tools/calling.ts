/**
 * What several tools do in the same way: find the swarm that a call means, the agent as which it acts, and wait.
 */
import type { Actor, Command } from '../core/command.ts';
import { isRefusal, refuse, type Refusal } from '../core/refusal.ts';
import type { Acting, Answer, Call, Caller, Services } from './tool.ts';

interface NamesSwarm {
  readonly swarmId?: string;
}

/** The swarm named; else that of the agent or task named; else the caller's newest live one. */
export function swarmOf<A extends NamesSwarm & { readonly agentId?: string; readonly taskId?: string }>(
  { args, caller, services }: Call<A>,
  by?: 'agents' | 'tasks',
): string | Refusal {
  if (args.swarmId !== undefined) return args.swarmId;
  const id = by === 'agents' ? args.agentId : by === 'tasks' ? args.taskId : undefined;
  const found = by === undefined || id === undefined ? undefined : services.coordinator.swarmOf(by, id);
  return found ?? newestSwarm(caller, services);
}

/** What a missing swarmId means. */
export function newestSwarm(caller: Caller, { coordinator }: Services): string | Refusal {
  const own = caller.newestSwarm;
  const live = own !== null && coordinator.summary(own)?.destroyedAt === null ? own : coordinator.newestLive();
  return (
    live ?? refuse('swarm_not_found', 'swarmId was not given and there is no live swarm: create one with swarm_init')
  );
}

/** The agent as which the call acts: the one named, or the only one as which the connection has joined. */
export function actingAs(
  caller: Caller,
  agentId: string | undefined,
  token: string | undefined,
  argument = 'agentId',
): Acting | Refusal {
  if (token !== undefined) {
    const acting = [...caller.acting.values()].find((each) => each.token === token);
    if (acting !== undefined && (agentId ?? acting.actor.agentId) === acting.actor.agentId) return acting;
    return refuse(
      'not_joined',
      acting === undefined
        ? 'this connection has not joined with this token: call swarm_join on it first, with the token'
        : `the token is that of agent ${acting.actor.agentId}, and ${argument} names ${agentId}: leave one of them out`,
    );
  }
  if (agentId !== undefined) {
    return (
      caller.acting.get(agentId) ??
      refuse(
        'not_joined',
        `this connection has not joined as agent ${agentId}: call swarm_join on it first, with the agent's token`,
        { agentId },
      )
    );
  }
  const [only, another] = caller.acting.values();
  if (only === undefined) {
    return refuse(
      'not_joined',
      'this connection acts as no agent: call swarm_join on it first; where requests share no connection, give its resumeToken as token',
    );
  }
  if (another !== undefined) {
    return refuse(
      'invalid_arguments',
      `this connection has joined as several agents: say which with ${argument} (${[...caller.acting.keys()].join(', ')})`,
    );
  }
  return only;
}

/** Runs after what the connection has under way of its kind, and lets its later requests wait for all of it. */
export async function settle<T>(caller: Caller, run: () => Promise<T>): Promise<T> {
  const answer = caller.settling === null ? run() : caller.settling.then(run);
  const settling = Promise.allSettled([answer]);
  caller.settling = settling;
  try {
    return await answer;
  } finally {
    if (caller.settling === settling) caller.settling = null;
  }
}

/** Who decides: an agent of the swarm, or nobody that acts as one, which is a person. */
export function deciderIn(swarmId: string, caller: Caller): { readonly from?: string } {
  for (const [from, acting] of caller.acting) if (acting.swarmId === swarmId) return { from };
  return {};
}

/** Submits a command of the acting agent. */
export async function submitActing<
  A extends { readonly agentId?: string; readonly token?: string; readonly requestId?: string },
>(call: Call<A>, command: (actor: Actor) => Command, waitSeconds = 0): Promise<Answer> {
  const acting = actingAs(call.caller, call.args.agentId, call.args.token);
  if (isRefusal(acting)) return acting;
  return submitWaiting(call, acting.swarmId, withRequestId(command(acting.actor), call.args), waitSeconds);
}

/** Submits a command that may wait for something to answer with, for as long as is asked and its caller survives. */
export async function submitWaiting(
  call: Call<unknown>,
  swarmId: string,
  command: Command,
  asked: number,
): Promise<Answer> {
  const { coordinator } = call.services;
  const waitSeconds = waitSecondsOf(call, asked);
  if (waitSeconds === 0) return coordinator.submit(swarmId, command);
  return whileWaiting(call, waitSeconds, (until) =>
    coordinator.submit(swarmId, command, { until, signal: call.signal }),
  );
}

/** Runs what waits, in one of the caller's places for that; `until`: milliseconds since the epoch. */
export async function whileWaiting(
  { caller, services, onWait }: Call<unknown>,
  waitSeconds: number,
  run: (until: number) => Promise<Answer>,
): Promise<Answer> {
  if (!caller.beginWait()) {
    return refuse(
      'wait_limit',
      'this connection has as many waiting requests as it may: wait for one of them, or use another connection',
    );
  }
  onWait?.(waitSeconds);
  try {
    return await run(services.now() + waitSeconds * 1000);
  } finally {
    caller.endWait();
  }
}

function waitSecondsOf({ waitSecondsMax }: Call<unknown>, asked: number): number {
  return Math.min(asked, waitSecondsMax);
}

/** For how long nothing came, in an answer that is empty. */
export function waited(call: Call<unknown>, asked: number): string {
  const seconds = waitSecondsOf(call, asked);
  return seconds === 0 ? 'yet' : `within ${seconds} s`;
}

export function withRequestId<C extends Command>(command: C, { requestId }: { readonly requestId?: string }): C {
  return requestId === undefined ? command : Object.assign({ requestId }, command);
}
