/**
 * What an agent is answered that asks for permission. Pure.
 */
import type { RequestPermissionOutcome } from '@agentclientprotocol/sdk';
import type { AcpType } from '../../agent-types.ts';
import type { PermissionOption } from './messages.ts';

/** Best first: a permission for this once says nothing about other tasks, and an agent may keep the other kind. */
const kinds: Readonly<Record<AcpType['permissions'], readonly string[]>> = {
  allow: ['allow_once', 'allow_always'],
  deny: ['reject_once', 'reject_always'],
};

/** When no option fits: the answer that the protocol has for a turn that is given up. */
const none: RequestPermissionOutcome = { outcome: 'cancelled' };

export function choose(
  options: readonly PermissionOption[],
  decision: AcpType['permissions'],
): RequestPermissionOutcome {
  for (const kind of kinds[decision]) {
    const option = options.find((offered) => offered.kind === kind);
    if (option !== undefined) return { outcome: 'selected', optionId: option.optionId };
  }
  return none;
}
