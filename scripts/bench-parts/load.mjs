/**
 * A load process: does one kind of work on one server, for as long as it is told at a time, and reports the rate, how
 * long an operation took, and the cpu time that the server's processes and this one spent on it.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { works } from './works.mjs';

/** Of the server, and of the load on it, whatever the work. */
const load = { connections: 8, inFlight: 32 };

const { work, client, port, pids } = JSON.parse(process.argv[2]);

/** The operations of one turn. */
class Record {
  #durations = [];
  #over = false;
  fault;

  /** `since` and `until` are those of `performance.now()`. */
  done(since, until) {
    if (!this.#over) this.#durations.push(until - since);
  }

  /** A wrong or missing answer: the measurement is void. What comes after the turn's end is not looked at. */
  failed(error) {
    if (!this.#over) this.fault ??= error;
  }

  end() {
    this.#over = true;
    return Float64Array.from(this.#durations).sort();
  }
}

async function run(seconds) {
  const record = new Record();
  const { begin, close } = await works[work]({ port, ...load }, record);
  const before = cpuSeconds();
  const start = performance.now();
  begin();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - start) / 1000;
  const durations = record.end();
  const after = cpuSeconds();
  if (record.fault !== undefined) throw record.fault;
  if (durations.length === 0) throw new Error(`no operation was finished within ${seconds} s`);
  await close();
  const cpu = Object.fromEntries(Object.keys(before).map((name) => [name, (after[name] - before[name]) / elapsed]));
  return { rate: durations.length / elapsed, p50: quantile(durations, 0.5), p99: quantile(durations, 0.99), cpu };
}

function quantile(sorted, share) {
  return sorted[Math.ceil(share * sorted.length) - 1];
}

/** Of user and system, by process; those of others are known to a hundredth of a second, and on Linux only. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  const seconds = { [client]: (user + system) / 1e6 };
  for (const [name, pid] of Object.entries(pids)) seconds[name] = cpuSecondsOf(pid);
  return seconds;
}

function cpuSecondsOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [utime, stime] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13);
    return (Number(utime) + Number(stime)) / 100;
  } catch {
    return NaN;
  }
}

process.on('message', ({ seconds }) => {
  run(seconds).then(
    (measured) => process.send(measured),
    (error) => process.send({ fault: error.message }),
  );
});
process.on('disconnect', () => process.exit());
process.send({});
