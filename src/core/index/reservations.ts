/** The globs that are reserved, ready to be compared, and when their time is over. */
import { parseGlob } from '../glob.ts';
import type { Reservation, State } from '../state.ts';
import { agentEntry } from './agents.ts';
import { setTimer } from './timers.ts';

export function refreshReservation(state: State, reservation: Reservation): void {
  const { indexes } = state;
  const before = indexes.reservedGlobsOf.get(reservation.id)?.length ?? 0;
  indexes.reservedGlobsOf.set(reservation.id, reservation.globs.map(parseGlob));
  countReserved(state, reservation.globs.length - before);
  agentEntry(state, state.agents.get(reservation.agentId)!).reservations.add(reservation.id);
  setTimer(state, { kind: 'reservation', id: reservation.id }, reservation.until);
}

export function forgetReservation(state: State, reservation: Reservation): void {
  const { indexes } = state;
  indexes.reservedGlobsOf.delete(reservation.id);
  countReserved(state, -reservation.globs.length);
  indexes.agents.get(reservation.agentId)?.reservations.delete(reservation.id);
  setTimer(state, { kind: 'reservation', id: reservation.id }, null);
}

function countReserved({ indexes }: State, more: number): void {
  indexes.reservedGlobs += more;
  if (more < 0) indexes.filesFreed += 1;
}
