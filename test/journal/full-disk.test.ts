/**
 * A disk that is full, for real: a small tmpfs. What fails runs in a process of its own, so that a signal (LMDB maps
 * its file) or a crash would be seen as such.
 */
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openDataDir } from '../../src/store/data-dir.ts';
import { lmdbJournal } from '../../src/journal/lmdb.ts';
import type { Report } from './appender.ts';
import { append, numbers, type NumberedEvent } from './conformance.ts';

const appender = fileURLToPath(new URL('appender.ts', import.meta.url));

test('a full disk stops the journal in good order, and nothing acknowledged is missing afterwards', async (t) => {
  const disk = mountTmpfs(t, '3m');
  const dir = join(disk, 'data');
  const first = await appendUntilFull(t, dir);
  assert.ok(first.acknowledged.size > 0);

  run('mount', '-o', 'remount,size=6m', disk);
  await assertIntact(t, dir, first.acknowledged);

  // And once more, on a file that already has free pages.
  const second = await appendUntilFull(t, dir);
  run('mount', '-o', 'remount,size=64m', disk);
  await assertIntact(t, dir, new Map([...first.acknowledged, ...second.acknowledged]));
});

test('a disk that something else fills stops the journal in good order', async (t) => {
  const disk = mountTmpfs(t, '64m');
  const dir = join(disk, 'data');
  const filler = join(disk, 'filler');
  const { acknowledged } = await appendUntilFull(t, dir, () => fill(filler));
  rmSync(filler);
  await assertIntact(t, dir, acknowledged);
});

test('on a full disk a new data directory is refused with the reason, and an old one can be read', async (t) => {
  const disk = mountTmpfs(t, '4m');
  const old = join(disk, 'old');
  const { acknowledged } = await appendUntilFull(t, old, () => fill(join(disk, 'filler')));

  const fresh = join(disk, 'new');
  const refused = spawnSync(process.execPath, ['--import', 'tsx', appender, fresh], { encoding: 'utf8' });
  assert.deepEqual([refused.status, refused.signal], [1, null]);
  assert.match(refused.stderr, new RegExp(`cannot use the data directory ${fresh}: .*no space left`, 'i'));

  // It opens and reads the heads of its swarms, and stops at the first append.
  await appendUntilFull(t, old);
  rmSync(join(disk, 'filler'));
  await assertIntact(t, old, acknowledged);
});

/** Runs until the journal fails; `onFirst` is called when something has been acknowledged. Highest n by swarm. */
async function appendUntilFull(t: TestContext, dir: string, onFirst?: () => void) {
  const child = spawn(process.execPath, ['--import', 'tsx', appender, dir], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exited = once(child, 'exit');
  const acknowledged = new Map<string, number>();
  let report: Report | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { swarm: string; n: number } | Report;
    if ('n' in said) {
      if (acknowledged.size === 0) onFirst?.();
      acknowledged.set(said.swarm, said.n);
    } else report = said;
  }
  assert.deepEqual(await exited, [0, null], stderr);
  assert.ok(report);
  assert.equal(report.failures.length, 1);
  assert.match(
    report.failures[0]!,
    /skein\.mdb has stopped, a commit failed: (No space left on device|Input\/output error).* \(\d+ bytes free\)$/,
  );
  for (const message of [...report.rejections, ...report.later]) assert.equal(message, report.failures[0]);
  assert.deepEqual(report.unhandled, []);
  return { acknowledged };
}

/** Everything acknowledged is there, without a gap, with its blob, and appending goes on. */
async function assertIntact(t: TestContext, dir: string, acknowledged: ReadonlyMap<string, number>): Promise<void> {
  const store = await openDataDir(dir);
  t.after(() => store.close());
  const journal = lmdbJournal<NumberedEvent>(store, { onFailure: (error) => assert.fail(error) });
  for (const [swarm, highest] of acknowledged) {
    const { commits, head } = await journal.read(swarm, 0, Infinity);
    assert.ok(head.version >= highest, `${swarm}: ${highest} was acknowledged, ${head.version} is there`);
    const expected = Array.from({ length: head.version }, (_, i) => i + 1);
    assert.deepEqual(numbers(commits), expected);
    for (const n of expected) assert.equal(await journal.blob(swarm, `b${n}`), `${n}`);
    await append(journal, swarm, head, `c${head.version + 1}`, [head.version + 1], {
      blobs: { [`b${head.version + 1}`]: `${head.version + 1}` },
    });
  }
  await journal.close();
  await store.close();
}

function mountTmpfs(t: TestContext, size: string): string {
  const disk = mkdtempSync(join(tmpdir(), 'skein-disk-'));
  t.after(() => {
    // Lazily, so that a process that is still there cannot keep the mount.
    spawnSync('umount', ['--lazy', disk]);
    rmSync(disk, { recursive: true });
  });
  run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk);
  return disk;
}

function fill(file: string): void {
  const { bavail, bsize } = statfsSync(join(file, '..'));
  try {
    writeFileSync(file, Buffer.alloc(bavail * bsize));
  } catch (error) {
    // The journal may have taken some of the space meanwhile: the rest has been filled all the same.
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    assert.fail(
      `this test needs the right to mount a tmpfs; \`${command} ${args.join(' ')}\`: ${error?.message ?? stderr}`,
    );
  }
}
