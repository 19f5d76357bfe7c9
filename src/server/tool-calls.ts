/** Calls of tools, whatever the dialect: arguments are validated, the handler is called, and what it refuses is logged. */
import { Abandoned } from '../coordinator/swarm-queue.ts';
import { isRefusal } from '../core/refusal.ts';
import type { TurnedDown } from '../dialects/dialect.ts';
import { excerpt } from '../dialects/excerpt.ts';
import type { Log } from '../observe/log.ts';
import { nearestOf, tools, validate } from '../spec.ts';
import { identifying, toolHandlers, type Answer, type Call, type Caller, type Services } from '../tools/index.ts';

/** One call on its way: who asks and for how long, and what becomes of an answer that cannot be sent. */
export interface Passage {
  readonly caller: Caller;
  readonly log: Log;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly onWait: ((seconds: number) => void) | null;
  /** Infinity: plain clients choose for themselves. */
  readonly waitSecondsMax: number;
  undelivered: (() => void) | null;
}

/** The tool's fields, or why it was turned down; rejects for a bug. */
export async function callTool(
  services: Services,
  name: string,
  args: object,
  passage: Passage,
): Promise<object | TurnedDown> {
  const tool = tools.get(name);
  const handler = toolHandlers.get(name);
  if (tool === undefined || handler === undefined) return unknownTool(name);
  const problem = validate(tool.input, args);
  if (problem !== null) {
    return {
      refused: 'invalid_arguments',
      message: `${name}: ${problem.message}`,
      data: { tool: name, path: problem.path },
    };
  }
  if (!identifying.has(name)) await settled(passage.caller);
  const call: Call<never> = {
    args: args as never,
    caller: passage.caller,
    services,
    signal: passage.signal,
    onWait: passage.onWait,
    waitSecondsMax: passage.waitSecondsMax,
    undelivered: null,
  };
  let answer: Answer;
  try {
    answer = await handler(call);
  } catch (error) {
    // Nobody is there to hear the answer, so it does not matter what it is.
    if (error instanceof Abandoned) return internalError;
    throw error;
  }
  passage.undelivered = call.undelivered;
  if (isRefusal(answer)) {
    passage.log.debug({ tool: name, reason: answer.refused, detail: answer.message }, 'refused');
  }
  return answer;
}

/** Requests that came after a `swarm_init` or `swarm_join` of their connection rest on what it brings. */
export async function settled(caller: Caller): Promise<void> {
  while (caller.settling !== null) await caller.settling;
}

export const internalError: TurnedDown = {
  refused: 'internal_error',
  message: 'the server has a bug here, and its log has the details: whether the request took effect is not known',
};

function unknownTool(name: string): TurnedDown {
  const nearest = nearestOf(name, [...tools.keys()]);
  const hint = nearest === undefined ? 'tools/list shows those that there are' : `did you mean ${nearest}?`;
  return {
    refused: 'unknown_tool',
    message: `there is no tool ${excerpt(name)}: ${hint}`,
    data: { tool: excerpt(name) },
  };
}
