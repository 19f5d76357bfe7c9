/**
 * What an agent is answered that asks for permission. Pure.
 */
import type { RequestPermissionOutcome } from '@agentclientprotocol/sdk';
import type { PermissionOption } from './messages.ts';

/** Best first: a permission for this once says nothing about other tasks, and an agent may keep the other kind. */
const kinds = {
  allow: ['allow_once', 'allow_always'],
  deny: ['reject_once', 'reject_always'],
} as const;

/** When no option fits: the answer that the protocol has for a turn that is given up. */
export const none: RequestPermissionOutcome = { outcome: 'cancelled' };

export function choose(options: readonly PermissionOption[], decision: keyof typeof kinds): RequestPermissionOutcome {
  for (const kind of kinds[decision]) {
    const option = options.find((offered) => offered.kind === kind);
    if (option !== undefined) return { outcome: 'selected', optionId: option.optionId };
  }
  return none;
}
