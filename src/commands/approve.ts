/** `skein approve ID` and `skein deny ID`: a person answers what an agent asks, as `skein status` shows it. */
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import type { ApprovalDecideArguments, SwarmStatusResult } from '../spec.types.ts';
import { isObject } from '../wire/jsonrpc.ts';
import { fail, withClient, withServer, type ServerFlags } from './flags.ts';
import { printable } from './text.ts';

type Approval = SwarmStatusResult['approvals'][number];
type Answer = Omit<ApprovalDecideArguments, 'approvalId'>;

/** Of an input, as it is shown beside others. */
const inputCharsMax = 1_000;

const whole = /^approval_\d+_[0-9a-z]+$/;

export function addApprove(program: Command): void {
  withServer(program.command('approve'))
    .description('Allow what an agent asks to do: skein status shows what is asked.')
    .argument('<id>', 'Its approvalId, or how it begins or ends')
    .option('--input <json>', 'What to use instead of the input that the agent asked for: a JSON object')
    .addHelpText('after', '\nExamples:\n  skein approve approval_1757967065850_k3v9x0aq2m1c\n  skein approve 2m1c')
    .action(async (id: string, flags: ServerFlags & { readonly input?: string }) => {
      const updatedInput = flags.input === undefined ? undefined : objectIn(flags.input);
      if (updatedInput === null) return fail(`--input is not a JSON object: write '{"command": "..."}'`);
      await answer(id, { behavior: 'allow', ...(updatedInput !== undefined && { updatedInput }) }, flags);
    });
  withServer(program.command('deny'))
    .description('Deny what an agent asks to do: skein status shows what is asked.')
    .argument('<id>', 'Its approvalId, or how it begins or ends')
    .option('--message <text>', 'What the agent is told')
    .addHelpText('after', '\nExamples:\n  skein deny approval_1757967065850_k3v9x0aq2m1c --message "use npm run clean"')
    .action(async (id: string, flags: ServerFlags & { readonly message?: string }) => {
      await answer(id, { behavior: 'deny', ...(flags.message !== undefined && { message: flags.message }) }, flags);
    });
}

function objectIn(json: string): ApprovalDecideArguments['updatedInput'] | null {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

async function answer(id: string, how: Answer, flags: ServerFlags): Promise<void> {
  await withClient(flags, async (client) => {
    const meant = whole.test(id) ? [id] : await waitingLike(client, id);
    if (meant.length > 1) return fail(`${id} may be ${meant.join(' or ')}: write more of it`);
    const approval = await client.call('approval_decide', { approvalId: meant[0] ?? id, ...how });
    console.log(`${how.behavior === 'allow' ? 'allowed' : 'denied'} ${approval.approvalId}`);
    console.log(`  agent ${asks(approval)}`);
    if (how.updatedInput !== undefined) console.log(`  with ${printable(JSON.stringify(how.updatedInput))}`);
  });
}

async function waitingLike(client: Client, part: string): Promise<string[]> {
  const { swarms } = await client.call('swarm_list', {});
  const live = swarms.filter(({ status }) => status === 'active');
  const seen = await Promise.all(live.map(({ swarmId }) => client.call('swarm_status', { swarmId })));
  const ids = seen.flatMap(({ approvals }) => approvals.map(({ approvalId }) => approvalId));
  return ids.filter((id) => id.startsWith(part) || id.endsWith(part));
}

/** What people are asked, and how they answer. */
export function listApprovals(approvals: readonly Approval[], indent: string): string[] {
  return approvals.flatMap((approval) => [
    `${indent}${asks(approval)}, since ${approval.since}`,
    `${indent}  skein approve ${approval.approvalId}   or   skein deny ${approval.approvalId}`,
  ]);
}

function asks({ agentId, tool, input, taskId }: Omit<Approval, 'since'>): string {
  const text = printable(JSON.stringify(input));
  const rest = text.length - inputCharsMax;
  const shown =
    rest <= 0 ? text : `${text.slice(0, inputCharsMax)}… and ${rest} characters more (skein status --json shows them)`;
  const where = taskId === null ? '' : ` in ${taskId}`;
  return `${agentId} asks to use ${printable(tool)}${where}: ${shown}`;
}
