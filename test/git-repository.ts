/** A real repository with one commit, in a folder of the test's own; git's settings of who runs the test do not count. */
import { execFileSync } from 'node:child_process';
import { realpathSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from './server-process.ts';

export interface Repository {
  readonly folder: string;
  /** What git writes. */
  git(...args: readonly string[]): string;
  branches(): string[];
  /** Folders of worktrees beside the main one. */
  worktrees(): string[];
  /** Runs when the test has ended, while the repository is still there. */
  atEnd(check: () => void): void;
}

export async function repository(t: TestContext): Promise<Repository> {
  const checks: (() => void)[] = [];
  t.after(() => checks.forEach((check) => check()));
  const folder = join(realpathSync(await temporaryFolder()), 'repo');
  await mkdir(folder);
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=T', '-c', 'user.email=t@localhost', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  git('init', '--quiet', '--initial-branch=main');
  writeFileSync(join(folder, 'a.txt'), 'one\n');
  writeFileSync(join(folder, '.gitignore'), '*.log\n');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'first');
  const listed = (text: string): string[] => text.split('\n').filter((line) => line !== '');
  return {
    folder,
    git,
    branches: () => listed(git('for-each-ref', '--format=%(refname:short)', 'refs/heads')),
    worktrees: () =>
      listed(git('worktree', 'list', '--porcelain'))
        .filter((line) => line.startsWith('worktree '))
        .map((line) => line.slice('worktree '.length))
        .slice(1),
    atEnd: (check) => void checks.push(check),
  };
}
