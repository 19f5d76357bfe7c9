/** What makes processes and the journal fail: one entry a kind of fault, each at its own random times. */
import type { FaultKind } from './faults.ts';
import type { World } from './world.ts';
import type { Chance } from './chance.ts';

interface Trouble {
  readonly kind: FaultKind;
  /** The mean time between two of them. */
  readonly everyMs: number;
  /** False: there was nothing to break. */
  strike(world: World, chance: Chance): boolean;
}

const troubles: readonly Trouble[] = [
  {
    kind: 'coordinator_crash',
    everyMs: 12_000,
    strike({ servers, timeline }, chance) {
      const server = chance.pick(servers);
      if (server.process === null) return false;
      server.crash();
      timeline.in(chance.between(1, 4000), () => server.start());
      return true;
    },
  },
  {
    kind: 'coordinator_stop',
    everyMs: 30_000,
    strike({ servers, timeline }, chance) {
      const server = chance.pick(servers);
      if (!server.up) return false;
      server.stop();
      timeline.in(chance.between(500, 4000), () => server.restart());
      return true;
    },
  },
  {
    kind: 'coordinator_pause',
    everyMs: 12_000,
    strike({ servers, timeline }, chance) {
      const { process } = chance.pick(servers);
      if (process === null || process.paused) return false;
      process.pause();
      timeline.in(chance.pick([20, 500, 2000, 4000]) * (0.5 + chance.next()), () => process.resume());
      return true;
    },
  },
  {
    kind: 'worker_crash',
    everyMs: 6_000,
    strike({ workers }, chance) {
      if (workers.size === 0) return false;
      chance.pick([...workers]).kill();
      return true;
    },
  },
  {
    kind: 'worker_pause',
    everyMs: 8_000,
    strike({ workers, timeline }, chance) {
      if (workers.size === 0) return false;
      const { process } = chance.pick([...workers]);
      if (!process.alive || process.paused) return false;
      process.pause();
      timeline.in(chance.pick([500, 2000, 5000]) * (0.5 + chance.next()), () => process.resume());
      return true;
    },
  },
  {
    kind: 'connection_cut',
    everyMs: 6_000,
    strike({ workers }, chance) {
      if (workers.size === 0) return false;
      chance.pick([...workers]).cut();
      return true;
    },
  },
  {
    kind: 'journal_crash',
    everyMs: 15_000,
    strike({ journal, timeline }) {
      journal.crash().catch((error: unknown) => timeline.fail(error));
      return true;
    },
  },
  {
    kind: 'journal_failover',
    everyMs: 15_000,
    strike({ journal, timeline }) {
      journal.failover().catch((error: unknown) => timeline.fail(error));
      return true;
    },
  },
];

/** Until the faults stop. */
export function letTroubleCome(world: World): void {
  for (const { kind, everyMs, strike } of troubles) {
    if (!world.faults.may(kind)) continue;
    const chance = world.chance.fork(kind);
    const next = (): void => {
      world.timeline.in(-Math.log(1 - chance.next()) * everyMs, () => {
        if (!world.faults.may(kind)) return;
        if (strike(world, chance)) {
          world.faults.count(kind);
          world.say(kind);
        }
        next();
      });
    };
    next();
  }
}
