/**
 * How agents stand to new work, and which of those that are free is the best for it.
 *
 * Work is offered to the least loaded of the free agents that fit. Among equally loaded ones the order is
 *
 *     1. affinity: proven at this kind of work, the higher share first
 *     2. health: the share of successes among its newest attempts
 *     3. speed: the moving average of its successful attempts, one without any first
 *     4. the longest in the swarm
 *
 * A kind of work is what a phase requires: its agent type and capabilities; a phase that requires nothing is of no kind.
 * An agent's share for a kind is 0.5 before its first attempt and then 0.7 x share + 0.3 for a success (+ 0 for a
 * failure); above 0.5 it is proven. Its record has the 8 kinds that it did last.
 */
import { createHeap, type Heap, type Slotted } from '../heap.ts';
import type { Agent, KindRecord, State } from '../state.ts';
import { idleMax, type AgentEntry, type Proven, type Standing } from './indexes.ts';

/** Least loaded, then healthiest, then fastest recently, then longest here: the order but for affinity. */
export function isBetterCandidate(a: AgentEntry, b: AgentEntry): boolean {
  if (a.work.size !== b.work.size) return a.work.size < b.work.size;
  const byHealth = successShare(b.agent) - successShare(a.agent);
  if (byHealth !== 0) return byHealth < 0;
  // One that was not measured yet comes first: that is how it gets measured.
  const bySpeed = (a.agent.record.averageMs ?? 0) - (b.agent.record.averageMs ?? 0);
  if (bySpeed !== 0) return bySpeed < 0;
  return a.agent.seq < b.agent.seq;
}

/** Of the newest attempts; 1 when there were none. */
export function successShare(agent: Agent): number {
  const { recent } = agent.record;
  if (recent.length === 0) return 1;
  let successes = 0;
  for (const outcome of recent) if (outcome === 'success') successes += 1;
  return successes / recent.length;
}

export function refreshStanding(state: State, entry: AgentEntry): void {
  setStanding(state, entry, standingOf(entry));
}

function standingOf({ agent, work, live }: AgentEntry): Standing | null {
  if (!live) return null;
  if (agent.life.status === 'spawning' || agent.life.status === 'offline') return agent.life.status;
  if (agent.draining !== null) return 'draining';
  if (work.size >= agent.maxConcurrent) return 'busy';
  return agent.attentive ? 'free' : 'silent';
}

export function setStanding(state: State, entry: AgentEntry, standing: Standing | null): void {
  const { profile, standing: before } = entry;
  if (profile === null) return;
  if (standing !== before) {
    if (before !== null) profile.standing[before] -= 1;
    if (standing !== null) profile.standing[standing] += 1;
    entry.standing = standing;
  }
  list(profile.free, entry, standing === 'free');
  refreshProven(state, entry, standing === 'free');
}

function refreshProven(state: State, entry: AgentEntry, free: boolean): void {
  const { kinds } = entry.agent.record;
  if (kinds.length === 0) return;
  const { proven } = state.indexes;
  for (const [kind, listed] of entry.proven) {
    if (free && kinds.some((of) => of.kind === kind && isProven(of))) continue;
    const heap = proven.get(kind)!;
    heap.remove(listed);
    entry.proven.delete(kind);
    if (heap.size === 0 && proven.size > idleMax) proven.delete(kind);
  }
  if (!free) return;
  for (const of of kinds) {
    if (!isProven(of)) continue;
    const { kind, share } = of;
    let heap = proven.get(kind);
    if (heap === undefined) proven.set(kind, (heap = createHeap(isMoreProven)));
    let listed = entry.proven.get(kind);
    if (listed === undefined) entry.proven.set(kind, (listed = { entry, share, slot: -1 }));
    listed.share = share;
    list(heap, listed, true);
  }
}

function isProven({ share }: KindRecord): boolean {
  return share > 0.5;
}

function isMoreProven(a: Proven, b: Proven): boolean {
  if (a.entry.work.size !== b.entry.work.size) return a.entry.work.size < b.entry.work.size;
  if (a.share !== b.share) return a.share > b.share;
  return isBetterCandidate(a.entry, b.entry);
}

/** Whether a heap has an item, and if so at its right place. */
function list<T extends Slotted>(heap: Heap<T>, item: T, wanted: boolean): void {
  if (wanted && item.slot === -1) heap.push(item);
  else if (wanted) heap.moved(item);
  else if (item.slot !== -1) heap.remove(item);
}
