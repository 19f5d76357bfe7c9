/** Whose approvals there are, and which of them wait for a person. */
import type { Approval, State } from '../state.ts';
import { agentEntry } from './agents.ts';

export function refreshApproval(state: State, { id, agentId, answer }: Approval): void {
  agentEntry(state, state.agents.get(agentId)!).approvals.add(id);
  if (answer === null) state.indexes.waitingApprovals.add(id);
  else settled(state, id);
}

export function forgetApproval(state: State, { id, agentId }: Approval): void {
  state.indexes.agents.get(agentId)?.approvals.delete(id);
  settled(state, id);
}

function settled({ indexes }: State, id: string): void {
  if (indexes.waitingApprovals.delete(id)) indexes.approvalsSettled += 1;
}
