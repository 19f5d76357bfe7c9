/**
 * Rules of file reservations, for agents that share a work tree: who may change which paths, and for how long.
 *
 * An exclusive reservation conflicts with every overlapping one of another agent, a shared one with exclusive ones; an
 * agent never conflicts with itself. A reservation ends when it is released, at its time, with the claim that it was
 * made for, and with its agent. It is an agreement: skein touches no files and holds back nobody who does not ask.
 */
import { actingAgent } from './acting.ts';
import type { CommandOf } from './command.ts';
import { faultOf, overlap, parseGlob, plainGlob } from './glob.ts';
import { holding, onlyClaim } from './lease.ts';
import { pendingFor } from './pending.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { happened, iso, type Decision, type Rule, type World } from './rule.ts';
import type { Agent, Reservation, State } from './state.ts';

/** Conflicts that a refusal names; one is enough to be refused. */
const conflictsShown = 10;

export const fileReserve: Rule<'file_reserve'> = (state, command, world) => {
  const { actor, globs, mode, ttlMs } = command;
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  const claim = claimOf(state, agent, command, world.now);
  if (isRefusal(claim)) return claim;
  const refused = refuseGlobs(globs) ?? refuseMore(state, agent, globs.length);
  if (refused !== null) return refused;
  const taken = refuseTaken(state, agent, command);
  if (taken !== null) {
    // Who waits is told the same, should its time be up before the files are free.
    return command.wait ? { idle: 'files', reply: () => taken } : taken;
  }
  const reservationId = world.id('reservation');
  return {
    events: [
      happened(world, {
        type: 'files_reserved',
        reservationId,
        agentId: agent.id,
        assignmentId: claim.assignmentId,
        globs,
        mode,
        until: world.now + ttlMs,
      }),
    ],
    reply: (after) =>
      Object.assign(describeReservation(after.reservations.get(reservationId)!), {
        pending: pendingFor(after.agents.get(agent.id)!, world.now),
      }),
  };
};

/** What is not reserved (any more) needs no release; the reply says what was. */
export const fileRelease: Rule<'file_release'> = (state, { actor, reservationId, globs }, world) => {
  const agent = actingAgent(state, actor);
  if (isRefusal(agent)) return agent;
  // As they are compared when they are reserved: whatever their case.
  const given = globs === null ? null : new Set(globs.map(plainGlob));
  const released = reservationsOf(state, agent)
    .filter(({ id }) => reservationId === null || id === reservationId)
    // What the agent has reserved for its other claims is none of a companion's business.
    .filter(({ assignmentId }) => !('claim' in actor) || assignmentId === actor.claim.assignmentId)
    .map((reservation) => ({
      reservationId: reservation.id,
      globs: reservation.globs.filter((glob) => given === null || given.has(plainGlob(glob))),
    }))
    .filter((of) => of.globs.length > 0);
  return {
    events: released.map((of) =>
      happened(world, { type: 'files_released', agentId: agent.id, ...of, reason: 'released' }),
    ),
    reply: (after) => ({
      agentId: agent.id,
      released,
      pending: pendingFor(after.agents.get(agent.id)!, world.now),
    }),
  };
};

/** Its time is over. */
export function reservationDue(state: State, reservationId: string, world: World): Decision {
  const { agentId, globs } = state.reservations.get(reservationId)!;
  return {
    events: [happened(world, { type: 'files_released', agentId, reservationId, globs, reason: 'expired' })],
  };
}

/** With which it ends: the claim that is named, else the caller's own, else the only one that the agent holds, else none. */
function claimOf(
  state: State,
  agent: Agent,
  { actor, claim: named }: CommandOf<'file_reserve'>,
  now: number,
): { readonly assignmentId: string | null } | Refusal {
  const claim = named ?? ('claim' in actor ? actor.claim : null);
  if (claim !== null) {
    const held = holding(state, { actor, ...claim }, now, actingAgent);
    return isRefusal(held) ? held : claim;
  }
  const only = onlyClaim(state, agent, 'assignmentId and leaseToken for which of them the files are');
  return only === null || typeof only === 'string' ? { assignmentId: only } : only;
}

function refuseGlobs(globs: readonly string[]): Refusal | null {
  for (const glob of globs) {
    const fault = faultOf(glob);
    if (fault !== null) return refuse('invalid_arguments', `globs: ${JSON.stringify(glob)}: ${fault}`, { glob });
  }
  return null;
}

function refuseMore(state: State, agent: Agent, globs: number): Refusal | null {
  const { reservationsMax, reservedGlobsMax } = state.limits;
  const own = reservationsOf(state, agent).length;
  if (own >= reservationsMax) {
    return refuse(
      'reservation_limit',
      `agent ${agent.id} has ${own} reservations, which is the most: release some with file_release, or name several globs in one`,
      { reservationsMax },
    );
  }
  const { reservedGlobs } = state.indexes;
  if (reservedGlobs + globs > reservedGlobsMax) {
    return refuse(
      'reservation_limit',
      `the swarm has ${reservedGlobs} reserved globs, and ${reservedGlobsMax} are the most: reserve fewer and wider ones, or wait until some are released`,
      { reservedGlobsMax, reservedGlobs },
    );
  }
  return null;
}

function refuseTaken(state: State, agent: Agent, { globs, mode }: CommandOf<'file_reserve'>): Refusal | null {
  const asked = globs.map((glob) => ({ glob, parsed: parseGlob(glob) }));
  const conflicts = [];
  for (const reservation of state.reservations.values()) {
    if (reservation.agentId === agent.id || (mode === 'shared' && reservation.mode === 'shared')) continue;
    const parsed = state.indexes.reservedGlobsOf.get(reservation.id)!;
    const clashes = asked.flatMap((of) =>
      reservation.globs.flatMap((held, index) =>
        overlap(of.parsed, parsed[index]!) ? [{ asked: of.glob, held }] : [],
      ),
    );
    if (clashes.length === 0) continue;
    conflicts.push({
      ...describeHolder(state, reservation),
      globs: reservation.globs.filter((glob) => clashes.some(({ held }) => held === glob)),
      asked: [...new Set(clashes.map((clash) => clash.asked))],
    });
    if (conflicts.length === conflictsShown) break;
  }
  const [first] = conflicts;
  if (first === undefined) return null;
  const holder = first.name === null ? first.agentId : `${first.agentId} (${first.name})`;
  return refuse(
    'file_reserved',
    `${first.asked.join(', ')}: agent ${holder} has reserved ${first.globs.join(', ')} (${first.mode}) until ${first.expiresAt} at the latest. Nothing was reserved: name other files, wait with waitSeconds, or write to the holder with agent_message`,
    { conflicts },
  );
}

function describeHolder(state: State, { id, agentId, mode, until }: Reservation) {
  const { name } = state.agents.get(agentId)!;
  return { reservationId: id, agentId, name, mode, expiresAt: iso(until) };
}

// ---- replies

export function describeReservation({ id, agentId, assignmentId, globs, mode, until }: Reservation): object {
  return { reservationId: id, agentId, assignmentId, globs, mode, expiresAt: iso(until) };
}

export function reservationsOf(state: State, agent: Agent): Reservation[] {
  const ids = state.indexes.agents.get(agent.id)?.reservations ?? [];
  return [...ids].map((id) => state.reservations.get(id)!);
}
