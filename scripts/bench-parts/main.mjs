/**
 * What `scripts/bench` runs. For each measurement it starts skein and what stands beside it, lets a load process of its
 * own drive each of them, in turns (A B A B ...), and compares them turn by turn: whatever else the machine is doing
 * then hits both alike. Plain JavaScript, because nothing may stand between V8 and what is measured.
 */
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measurements } from './measurements.mjs';
import { endAll, startLoad } from './processes.mjs';
import { reportJson, reportTable } from './report.mjs';

const usage = `Usage: scripts/bench [--only NAME]... [--seconds N] [--rounds N] [--json]
       scripts/bench core [--json]     the pure core: how its commands grow with a swarm; memory of a queued task

  --only NAME    ${measurements.map(({ name }) => name).join(', ')}; all when absent
  --seconds N    of each turn (2)
  --rounds N     turns of each side, after one that does not count (5)
  --json         every turn, as JSON`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const unknown = options.only.find((name) => !measurements.some((each) => each.name === name));

if (options.help) console.log(usage);
else if (!(seconds > 0) || !(Number.isInteger(rounds) && rounds > 0) || unknown !== undefined) {
  console.error(unknown === undefined ? usage : `there is no measurement ${unknown}\n\n${usage}`);
  process.exitCode = 2;
} else await bench(measurements.filter(({ name }) => options.only.length === 0 || options.only.includes(name)));

async function bench(chosen) {
  const disk = fileSystemOf(process.cwd());
  if (disk.type === 'tmpfs') {
    console.error(`${process.cwd()} is memory (tmpfs): start it from a directory on a disk`);
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(process.cwd(), '.skein-bench-'));
  const cleanUp = async () => {
    await endAll();
    rmSync(folder, { recursive: true, force: true });
  };
  let interrupted = false;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.once(signal, () => {
      interrupted = true;
      void cleanUp().finally(() => process.exit(code));
    });
  }
  try {
    const results = [];
    for (const measurement of chosen) {
      results.push({ ...measurement, sides: await measure(measurement, () => mkdtempSync(join(folder, 'data-'))) });
      await endAll();
    }
    console.log(options.json ? reportJson(results, disk) : reportTable(results, { disk, seconds, rounds }));
  } catch (error) {
    // What was under way when it was interrupted fails, and says nothing.
    if (!interrupted) throw error;
  } finally {
    await cleanUp();
  }
}

/** The sides of a measurement with their turns; one that cannot be started here says why instead. */
async function measure({ name, start }, newFolder) {
  const started = [];
  for (const side of await start(newFolder)) {
    const load = side.missing === undefined ? await startLoad(side) : null;
    started.push({ ...side, load, turns: [] });
  }
  const present = started.filter(({ load }) => load !== null);
  for (const { load } of present) await load.run(seconds);
  for (let round = 1; round <= rounds; round += 1) {
    for (const side of present) {
      progress(`${name}: ${side.name}, turn ${round} of ${rounds}`);
      side.turns.push(await side.load.run(seconds));
    }
  }
  progress('');
  return started;
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** Of the mount that holds the path, on Linux. */
function fileSystemOf(path) {
  const real = realpathSync(path);
  let found = { mount: '', device: 'unknown', type: 'unknown' };
  let mounts = '';
  try {
    mounts = readFileSync('/proc/self/mounts', 'utf8');
  } catch {
    // Not Linux: it stays unknown.
  }
  for (const line of mounts.split('\n')) {
    const [device, mount = '', type] = line.split(' ');
    const holds = mount === '/' || real === mount || real.startsWith(`${mount}/`);
    if (mount !== '' && holds && mount.length >= found.mount.length) found = { mount, device, type };
  }
  return found;
}
