/** Linux, for /proc. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { startedWith } from '../src/procfs.ts';

function started(t: TestContext, env: NodeJS.ProcessEnv, program: string, ...args: readonly string[]): number {
  const child = spawn(program, args, { env, stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  return child.pid!;
}

test('of a process that is just becoming another program it is not said that it lacks its variables', (t) => {
  const again = 'exec /bin/sh -c "$0" "$0"';
  const pid = started(t, { MARK: 'here' }, '/bin/sh', '-c', again, again);
  // It is that for some hundred of these looks.
  for (let looks = 0; looks < 10_000; looks += 1) assert.notEqual(startedWith(pid, 'MARK=here'), false);
});

test('a process without any variables has none, for good', (t) => {
  const pid = started(t, {}, '/bin/sleep', '1000');
  while (startedWith(pid, 'MARK=here') === undefined);
  assert.equal(startedWith(pid, 'MARK=here'), false);
});
