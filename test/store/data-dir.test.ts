/** The data directory and its lock, which real processes compete for. */
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openDataDir } from '../../src/store/data-dir.ts';

const holderFile = fileURLToPath(new URL('holder.ts', import.meta.url));

test('a data directory is made, private to its user, and can be opened again once it is closed', async (t) => {
  const dir = join(temporaryDirectory(t), 'deep', 'data');
  for (let i = 0; i < 3; i++) {
    const store = await openDataDir(dir);
    assert.equal(statSync(dir).mode & 0o777, 0o700);
    for (const file of ['skein.mdb', 'skein.mdb-lock']) assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600);
    await store.close();
    await store.close();
    assert.deepEqual(readdirSync(dir).sort(), ['skein.mdb', 'skein.mdb-lock']);
  }
});

test('what is written last is committed before the directory is let go', async (t) => {
  const dir = temporaryDirectory(t);
  const store = await openDataDir(dir);
  const database = store.texts('d');
  const writing = store.write('w', () => void database.put('key', 'value'));
  await store.close();
  await writing;
  await assert.rejects(
    store.write('w', () => assert.fail('not to be called')),
    /is closed/,
  );
  const again = await openDataDir(dir);
  t.after(() => again.close());
  assert.equal(again.texts('d').get('key'), 'value');
});

test('a second opener is refused, and told who holds the directory since when', async (t) => {
  const dir = temporaryDirectory(t);
  const before = Date.now();
  const holder = await startHolder(t, dir);
  assert.equal(await holder.tryToHold(), 'held');
  const after = Date.now();

  const error = await rejection(openDataDir(dir));
  const named = /^cannot use the data directory (.*): it is held by process (\d+) on host (.*) since (.*): /.exec(
    error,
  );
  assert.ok(named, error);
  const [, path, pid, host, since] = named;
  assert.deepEqual([path, pid, host], [dir, `${holder.child.pid}`, hostname().slice(0, 32)]);
  assert.ok(Date.parse(since!) >= before && Date.parse(since!) <= after, since);

  const second = await startHolder(t, dir);
  assert.equal(await second.tryToHold(), error);
});

test('a second opener in the same process is refused as well', async (t) => {
  const dir = temporaryDirectory(t);
  const store = await openDataDir(dir);
  t.after(() => store.close());
  assert.match(await rejection(openDataDir(dir)), new RegExp(`held by process ${process.pid} `));
  // The refusal took nothing away from the holder.
  assert.match(await rejection(openDataDir(dir)), new RegExp(`held by process ${process.pid} `));
});

test('a holder that does not run at the moment still holds', async (t) => {
  const dir = temporaryDirectory(t);
  const holder = await startHolder(t, dir);
  assert.equal(await holder.tryToHold(), 'held');
  holder.child.kill('SIGSTOP');
  assert.match(await rejection(openDataDir(dir)), new RegExp(`held by process ${holder.child.pid} `));
  holder.child.kill('SIGCONT');
});

test('holding keeps no process alive, and ends with it', { timeout: 60_000 }, async (t) => {
  const dir = temporaryDirectory(t);
  const holder = await startHolder(t, dir);
  assert.equal(await holder.tryToHold(), 'held');
  const exited = once(holder.child, 'exit');
  holder.child.stdin.end();
  assert.deepEqual(await exited, [0, null]);
  await (await openDataDir(dir)).close();
});

test('a holder that was killed is succeeded at once', async (t) => {
  const dir = temporaryDirectory(t);
  for (let i = 0; i < 2; i++) {
    const holder = await startHolder(t, dir);
    assert.equal(await holder.tryToHold(), 'held');
    await holder.kill();
  }
  const store = await openDataDir(dir);
  assert.equal(readdirSync(join(dir, 'lock')).length, 1);
  await store.close();
});

test('of ten that start at once exactly one holds, also when they succeed one that was killed', async (t) => {
  const dir = temporaryDirectory(t);
  for (let round = 0; round < 2; round++) {
    const holders = await Promise.all(Array.from({ length: 10 }, () => startHolder(t, dir)));
    const answers = await Promise.all(holders.map((holder) => holder.tryToHold()));
    const winner = holders[answers.indexOf('held')];
    assert.ok(winner, answers.join('\n'));
    const refused = answers.filter((answer) => answer.includes(`held by process ${winner.child.pid} `));
    assert.equal(refused.length, 9, answers.join('\n'));
    await Promise.all(holders.map((holder) => holder.kill()));
  }
  // The losers have tidied up after themselves.
  assert.deepEqual(readdirSync(dir).sort(), ['lock', 'skein.mdb', 'skein.mdb-lock']);
});

test('a directory whose path does not fit into a socket address is locked like any other', async (t) => {
  const dir = join(temporaryDirectory(t), ...Array.from({ length: 5 }, () => 'd'.repeat(200)));
  const holder = await startHolder(t, dir);
  assert.equal(await holder.tryToHold(), 'held');
  assert.match(await rejection(openDataDir(dir)), new RegExp(`held by process ${holder.child.pid} `));
  await holder.kill();
  await (await openDataDir(dir)).close();
});

test('an empty lock, and what is no socket in it, hold nobody off', async (t) => {
  const dir = temporaryDirectory(t);
  mkdirSync(join(dir, 'lock'));
  await (await openDataDir(dir)).close();
  mkdirSync(join(dir, 'lock'));
  writeFileSync(join(dir, 'lock', 'stray'), '');
  await (await openDataDir(dir)).close();
});

test('a format that this version does not know is refused, and left alone', async (t) => {
  const dir = temporaryDirectory(t);
  const store = await openDataDir(dir);
  const about = store.texts('about');
  assert.equal(about.get('format'), '1');
  await store.write('format', () => void about.put('format', '2'));
  await store.close();
  for (let i = 0; i < 2; i++) {
    assert.equal(
      await rejection(openDataDir(dir)),
      `cannot use the data directory ${dir}: its format is 2, this version of skein reads and writes format 1`,
    );
  }
});

test('what cannot be a data directory is refused with the reason', async (t) => {
  const dir = temporaryDirectory(t);
  writeFileSync(join(dir, 'skein.mdb'), 'x'.repeat(100_000));
  // Twice: a refusal must not keep the lock.
  for (let i = 0; i < 2; i++) {
    assert.match(await rejection(openDataDir(dir)), /^cannot use the data directory .*skein\.mdb is not an LMDB file/);
  }
  const file = join(dir, 'file');
  writeFileSync(file, '');
  assert.match(await rejection(openDataDir(file)), /^cannot use the data directory .*\/file: EEXIST/);
  assert.match(await rejection(openDataDir(join(file, 'below'))), /^cannot use the data directory .*: ENOTDIR/);
});

interface Holder {
  readonly child: ReturnType<typeof spawnHolder>;
  /** What the process says when it has tried. */
  tryToHold(): Promise<string>;
  /** Without a chance to clean up. */
  kill(): Promise<void>;
}

/** Resolves when the process is about to open the directory. */
async function startHolder(t: TestContext, dir: string): Promise<Holder> {
  const child = spawnHolder(dir);
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  t.after(kill);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'ready');
  return {
    child,
    async tryToHold() {
      child.stdin.write('go\n');
      return (await lines.next()).value as string;
    },
    kill,
  };
}

function spawnHolder(dir: string) {
  return spawn(process.execPath, ['--import', 'tsx', holderFile, dir], { stdio: ['pipe', 'pipe', 'inherit'] });
}

function temporaryDirectory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'skein-data-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

async function rejection(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail('it was opened');
}
