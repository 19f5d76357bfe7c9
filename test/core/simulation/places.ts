/** The oracle's own reading of who stands where in a topology, from the records alone: slow and simple. */
import assert from 'node:assert/strict';
import type { Agent, State } from '../../../src/core/state.ts';

/** In the order of their arrival. */
function live({ agents }: State): readonly Agent[] {
  return [...agents.values()].filter(({ life }) => life.status !== 'failed' && life.status !== 'stopped');
}

/** A star has a hub, and everybody in a hierarchy but one has a parent; both are live. */
export function assertLed(state: State): void {
  const { topology, hubId, destroyedAt } = state.swarm!;
  if (destroyedAt !== null || topology === 'mesh' || topology === 'ring') return;
  const members = live(state);
  const ids = new Set(members.map(({ id }) => id));
  if (topology === 'star') assert.ok(ids.size === 0 || ids.has(hubId!), `${hubId} is over, and still the hub`);
  else {
    const roots = members.filter(({ parentId }) => parentId === null);
    assert.equal(roots.length, Math.min(1, ids.size), 'a hierarchy has one root');
    for (const { id, parentId } of members)
      assert.ok(parentId === null || ids.has(parentId), `${parentId} is over, and still the parent of ${id}`);
  }
}

/** Those that a message to one of them, or to all, may go to. `from` null stands outside of the topology. */
export function reachable(state: State, from: string | null, to: 'one' | 'all'): readonly string[] {
  const members = live(state);
  const sender = members.find(({ id }) => id === from);
  const { topology, hubId } = state.swarm!;
  const reached = members.filter((member, index) => {
    if (sender === undefined) return true;
    // Who writes to itself crosses nobody's lines.
    if (member === sender) return to === 'one';
    switch (topology) {
      case 'mesh':
        return true;
      case 'star':
        return sender.id === hubId || member.id === hubId;
      case 'hierarchical':
        return (
          member.id === sender.parentId ||
          member.parentId === sender.id ||
          (member.parentId !== null && member.parentId === sender.parentId)
        );
      case 'ring':
        return to === 'all' || members[(index + members.length - 1) % members.length] === sender;
    }
  });
  return reached.map(({ id }) => id);
}
