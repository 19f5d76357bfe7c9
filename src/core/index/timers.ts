/** When something is to happen of itself: each thing has at most one timer. */
import type { State } from '../state.ts';
import type { Timer, TimerSubject } from './indexes.ts';

export function setTimer(state: State, subject: TimerSubject, due: number | null): void {
  const { timers, timerOf } = state.indexes;
  const timer = timerOf.get(subject.id);
  if (due === null) {
    if (timer === undefined) return;
    timers.remove(timer);
    timerOf.delete(subject.id);
  } else if (timer === undefined) {
    const added: Timer = { due, subject, slot: -1 };
    timerOf.set(subject.id, added);
    timers.push(added);
  } else if (timer.due !== due) {
    timer.due = due;
    timers.moved(timer);
  }
}

/** When the swarm next wants a `timers_due`; null: never, as things stand. */
export function nextDue(state: State): number | null {
  return state.indexes.timers.peek()?.due ?? null;
}
