/**
 * Asks a person, through the swarm, whether a program may do something, and waits for as long as it takes.
 */
import { isDeepStrictEqual } from 'node:util';
import { nanoid } from 'nanoid';
import type { AgentSession } from '../client/agent.ts';
import { SkeinError } from '../client/errors.ts';

/** Of one request: it is asked again until there is an answer. */
const waitSeconds = 300;
/** Of JSON: far more than a person is shown. */
const inputCharsMax = 256 * 1024;

export type Decision = { readonly allow: true } | { readonly allow: false; readonly message: string };

/** Never rejects for what can be expected: without an answer of a person it is not allowed, and says why. */
export type Ask = (tool: string, input: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<Decision>;

export function askPeople(session: AgentSession, assignmentId: string): Ask {
  return async (tool, input, signal) => {
    const { length } = JSON.stringify(input);
    if (length > inputCharsMax) return no(`it takes ${length} characters, which nobody can judge`);
    const question = { tool_name: tool, input, tool_use_id: nanoid(), assignmentId, waitSeconds };
    try {
      for (;;) {
        const { behavior, message = 'denied', updatedInput } = await session.call('approve', question, { signal });
        if (behavior === 'deny') return no(message);
        if (behavior === 'waiting') continue;
        if (isDeepStrictEqual(updatedInput, input)) return { allow: true };
        return no('it was allowed with another input, which such an agent cannot be given');
      }
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error;
      return no(error.message);
    }
  };
}

function no(message: string): Decision {
  return { allow: false, message };
}
