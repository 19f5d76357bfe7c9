/**
 * What an agent is answered that asks for permission, and what it was denied.
 *
 * What it asks of skein's own MCP server is allowed: it was given that to use.
 */
import type { RequestPermissionOutcome, RequestPermissionResponse } from '@agentclientprotocol/sdk';
import type { AcpType } from '../../agent-types.ts';
import { serverName } from '../../templates/index.ts';
import type { Params } from '../../wire/jsonrpc.ts';
import type { Ask, Decision } from '../approval.ts';
import { isPermissionRequest, type PermissionOption, type PermissionRequest } from './messages.ts';
import type { Answer } from './peer.ts';
import { shortened } from './shortened.ts';

const invalidParams = -32602;
/** How many of the denied permissions are named. */
const denialsMax = 5;

export interface Permission {
  answer(params: Params | undefined): Promise<Answer>;
  /** The turn is given up: who is asked is asked no longer. */
  giveUp(): void;
  /** What was denied, in words; null: nothing. */
  denial(): string | null;
}

export interface PermissionOptions {
  readonly policy: AcpType['permissions'];
  /** Whether the agent was given skein's own MCP server. */
  readonly hasOwnTools: boolean;
  readonly ask: Ask;
  /** The time of the run stands still until the function that this gives is called. */
  readonly pause: () => () => void;
}

export function permission({ policy, hasOwnTools, ask, pause }: PermissionOptions): Permission {
  const denied = new Set<string>();
  const givenUp = new AbortController();

  const decide = async (tool: string, input: PermissionRequest['toolCall']): Promise<Decision> => {
    if (policy === 'allow' || (hasOwnTools && isOwnTool(input))) return { allow: true };
    if (policy === 'deny') return { allow: false, message: 'permissions: deny' };
    const resume = pause();
    try {
      const { title: _title, toolCallId: _id, _meta, ...shown } = input;
      return await ask(tool, shown, givenUp.signal);
    } finally {
      resume();
    }
  };

  return {
    async answer(params) {
      if (!isPermissionRequest(params)) {
        return { error: { code: invalidParams, message: 'params must have toolCall and a list of options' } };
      }
      const tool = shortened(params.toolCall.title || 'a tool without a title');
      const decision = await decide(tool, params.toolCall);
      if (givenUp.signal.aborted) return result(none);
      const outcome = choose(params.options, decision.allow ? 'allow' : 'deny');
      if (!decision.allow) denied.add(`${tool}: ${decision.message}`);
      else if (outcome === none) denied.add(`${tool}: it offered no answer that allows it`);
      return result(outcome);
    },
    giveUp: () => givenUp.abort(),
    denial: () => (denied.size === 0 ? null : [...denied].slice(0, denialsMax).map(shortened).join('; ')),
  };
}

/** Best first: a permission for this once says nothing about other tasks, and an agent may keep the other kind. */
const kinds = {
  allow: ['allow_once', 'allow_always'],
  deny: ['reject_once', 'reject_always'],
} as const;

/** When no option fits: the answer that the protocol has for a turn that is given up. */
const none: RequestPermissionOutcome = { outcome: 'cancelled' };

function choose(options: readonly PermissionOption[], decision: keyof typeof kinds): RequestPermissionOutcome {
  for (const kind of kinds[decision]) {
    const option = options.find((offered) => offered.kind === kind);
    if (option !== undefined) return { outcome: 'selected', optionId: option.optionId };
  }
  return none;
}

function result(outcome: RequestPermissionOutcome): Answer {
  return { result: { outcome } satisfies RequestPermissionResponse };
}

/** How Claude Code and Gemini CLI call a tool of our server. */
const ownTools = [new RegExp(`^mcp__${serverName}__[a-z_]+$`), new RegExp(`^[a-z_]+ \\(${serverName} MCP Server\\)$`)];

function isOwnTool({ title, kind, rawInput }: PermissionRequest['toolCall']): boolean {
  // A title may be what a model says, a command for instance; but what is run, read or written is of another kind.
  if (kind === 'other') return ownTools.some((name) => name.test(title ?? ''));
  // codex-acp says it in what it adds itself.
  const { server_name: server } = (rawInput ?? {}) as { readonly server_name?: unknown };
  return title === 'Approve MCP tool call' && (kind ?? null) === null && server === serverName;
}
