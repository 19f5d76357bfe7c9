import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { git, GitError } from '../../src/worker/git.ts';
import { temporaryFolder } from '../server-process.ts';

test('git that is hit by the stop of its agent before it is git is started again, and not for ever', async (t) => {
  const folder = await temporaryFolder();
  const { PATH } = process.env;
  t.after(() => (process.env['PATH'] = PATH));
  process.env['PATH'] = `${folder}:${PATH}`;
  const program = join(folder, 'git');
  const put = async (hits: string): Promise<void> => {
    await writeFile(
      program,
      `#!/bin/sh\necho started >> "$0.log"\n[ $(wc -l < "$0.log") -le ${hits} ] && kill -TERM $$\necho done\n`,
    );
    await chmod(program, 0o755);
    await writeFile(`${program}.log`, '');
  };
  await put('2');
  assert.equal(await git(folder, ['status']), 'done');
  await put('100');
  await assert.rejects(git(folder, ['status']), GitError);
});
