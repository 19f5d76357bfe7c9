/**
 * Who stands where in a swarm, and who may therefore message, assign work and validate: pure functions of the state.
 *
 *     mesh           everyone beside everyone
 *     star           one hub, all others are its spokes
 *     hierarchical   a tree: one root, every other agent has a parent
 *     ring           live agents in the order of their arrival, the last one followed by the first
 *
 * An agent has its place as long as it lives, also while it is offline or its worker has not joined yet. To find one
 * neighbour takes constant time; to list them, as long as there are neighbours.
 */
import { refuse, type Refusal } from './refusal.ts';
import type { Agent, State } from './state.ts';

/** In the order of their arrival. */
export function liveAgents(state: State): Iterable<Agent> {
  return state.indexes.live;
}

/** Who takes the lead where nobody has it: the oldest live agent of type coordinator, else the oldest live one. */
export function leaderOf({ indexes }: State): Agent | null {
  return (indexes.liveOfType.get('coordinator')?.first ?? indexes.live.first)?.item ?? null;
}

/** Of a star; null: it has no live agent. */
export function hubOf(state: State): Agent | null {
  const hubId = state.swarm?.hubId ?? null;
  return hubId !== null && state.indexes.agents.get(hubId)?.live === true ? state.agents.get(hubId)! : null;
}

/** In a hierarchy; null: it is the root. */
export function parentOf(state: State, { parentId }: Agent): Agent | null {
  return parentId === null ? null : state.agents.get(parentId)!;
}

export function childrenOf(state: State, { id }: Agent): Iterable<Agent> {
  return state.indexes.children.get(id) ?? [];
}

export function* siblingsOf(state: State, agent: Agent): Generator<Agent> {
  const parent = parentOf(state, agent);
  if (parent !== null) for (const child of childrenOf(state, parent)) if (child !== agent) yield child;
}

/** The next live agent along the ring; of the only one, itself. */
export function successorOf({ indexes }: State, agent: Agent): Agent {
  return (indexes.agents.get(agent.id)!.place!.next ?? indexes.live.first)!.item;
}

/** All other live agents along the ring, the successor first. */
function* along(state: State, agent: Agent): Generator<Agent> {
  for (let next = successorOf(state, agent); next !== agent; next = successorOf(state, next)) yield next;
}

// ---- messaging

/** Whom an agent may message by name. */
export function* peersOf(state: State, agent: Agent): Generator<Agent> {
  switch (state.swarm!.topology) {
    case 'mesh':
      for (const other of liveAgents(state)) if (other !== agent) yield other;
      break;
    case 'star': {
      const hub = hubOf(state)!;
      if (agent !== hub) yield hub;
      else for (const other of liveAgents(state)) if (other !== agent) yield other;
      break;
    }
    case 'hierarchical': {
      const parent = parentOf(state, agent);
      if (parent !== null) yield parent;
      yield* childrenOf(state, agent);
      yield* siblingsOf(state, agent);
      break;
    }
    case 'ring': {
      const next = successorOf(state, agent);
      if (next !== agent) yield next;
      break;
    }
  }
}

/** null: it may. Who acts as no agent (`from` null) stands outside of the topology and may message anyone. */
export function mayMessage(state: State, from: Agent | null, to: Agent): Refusal | null {
  if (from === null) return null;
  switch (state.swarm!.topology) {
    case 'mesh':
      return null;
    case 'star': {
      const hub = hubOf(state);
      return from === hub || to === hub ? null : forbid(state, from, to, 'in a star, spokes message only the hub');
    }
    case 'hierarchical': {
      const related = from.id === to.parentId || to.id === from.parentId;
      const siblings = from.parentId !== null && from.parentId === to.parentId;
      return related || siblings
        ? null
        : forbid(state, from, to, 'in a hierarchy, agents message only their parent, children and siblings');
    }
    case 'ring':
      return successorOf(state, from) === to
        ? null
        : forbid(state, from, to, 'in a ring, agents message only the next one; a broadcast reaches all of them');
  }
}

/** Peers that a refusal names. */
const namedMax = 10;

function forbid(state: State, from: Agent, to: Agent, rule: string): Refusal {
  const { topology } = state.swarm!;
  const reachable: string[] = [];
  let more = 0;
  for (const { id } of peersOf(state, from)) {
    if (reachable.length < namedMax) reachable.push(id);
    else more += 1;
  }
  const named = reachable.length === 0 ? 'nobody' : reachable.join(', ');
  return refuse(
    'topology_forbids',
    `agent ${from.id} may not message agent ${to.id}: ${rule}. It may message ${named}${more === 0 ? '' : ` and ${more} more`}`,
    { topology, from: from.id, to: to.id, reachable },
  );
}

export interface Reached {
  readonly agent: Agent;
  /** How far from the sender: a broadcast goes round a ring, and is one step away everywhere else. */
  readonly hops: number;
}

/** Whom a broadcast reaches: everyone that the sender may message, and in a ring everyone. */
export function reachedBy(state: State, from: Agent | null): Reached[] {
  const ring = state.swarm!.topology === 'ring';
  const reached = from === null ? liveAgents(state) : ring ? along(state, from) : peersOf(state, from);
  return Array.from(reached, (agent, index) => ({ agent, hops: ring ? index + 1 : 1 }));
}

// ---- assigning

/** null: it may. Who acts as no live agent stands outside of the topology here, too. */
export function mayAssign(state: State, agentId: string | undefined): Refusal | null {
  const entry = agentId === undefined ? undefined : state.indexes.agents.get(agentId);
  if (entry?.live !== true) return null;
  const { agent } = entry;
  const superior = superiorOf(state, agent);
  if (superior === null) return null;
  const { topology } = state.swarm!;
  const rule = topology === 'star' ? 'in a star, only the hub does' : 'in a hierarchy, only parents and the root do';
  return refuse(
    'topology_forbids',
    `agent ${agent.id} may not submit tasks: ${rule}. It may ask agent ${superior.id} with agent_message`,
    { topology, from: agent.id, reachable: [superior.id] },
  );
}

/** Who assigns work in the place of an agent that may not. */
function superiorOf(state: State, agent: Agent): Agent | null {
  switch (state.swarm!.topology) {
    case 'star': {
      const hub = hubOf(state);
      return hub === agent ? null : hub;
    }
    case 'hierarchical':
      return state.indexes.children.has(agent.id) ? null : parentOf(state, agent);
    default:
      return null;
  }
}

// ---- validating

/** Who is no author, and named by the topology; anyone who is no author where those that it names are authors, or gone. */
export function mayValidate(state: State, agent: Agent, authors: ReadonlySet<string>): boolean {
  if (authors.has(agent.id)) return false;
  let isNobodyNamed = true;
  for (const named of namedFor(state, authors)) {
    if (named === agent) return true;
    isNobodyNamed = false;
  }
  return isNobodyNamed;
}

/** Whether the topology names the agent to validate what others do. */
export function isNamedToJudge(state: State, agent: Agent): boolean {
  switch (state.swarm!.topology) {
    case 'star':
      return agent === hubOf(state);
    case 'hierarchical':
      return state.indexes.children.has(agent.id);
    default:
      return false;
  }
}

/** Live agents that may judge what these agents did. */
export function* validatorsFor(state: State, authors: ReadonlySet<string>): Generator<Agent> {
  const named = new Set(namedFor(state, authors));
  if (named.size > 0) yield* named;
  else for (const agent of liveAgents(state)) if (!authors.has(agent.id)) yield agent;
}

/** Whom the topology names to judge what these agents did, none of whom is one of them; in a mesh nobody in particular. */
function* namedFor(state: State, authors: ReadonlySet<string>): Generator<Agent> {
  // Who has never joined may never do so.
  for (const agent of placedToJudge(state, authors)) if (!authors.has(agent.id) && agent.joins > 0) yield agent;
}

function* placedToJudge(state: State, authors: ReadonlySet<string>): Generator<Agent> {
  switch (state.swarm!.topology) {
    case 'mesh':
      break;
    case 'star': {
      const hub = hubOf(state);
      if (hub !== null) yield hub;
      break;
    }
    case 'hierarchical':
      for (const id of authors) {
        const author = state.agents.get(id);
        const parent = author === undefined ? null : parentOf(state, author);
        if (parent !== null && state.indexes.agents.get(parent.id)!.live) yield parent;
      }
      yield* state.indexes.liveOfType.get('validator') ?? [];
      break;
    case 'ring':
      for (const author of liveAmong(state, authors)) yield successorOf(state, author);
      break;
  }
}

function liveAmong(state: State, agentIds: Iterable<string>): Agent[] {
  return [...agentIds].flatMap((id) => {
    const entry = state.indexes.agents.get(id);
    return entry?.live === true ? entry.agent : [];
  });
}
