/** Real repositories, and programs that change what is in them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { CommandType, Worktree } from '../../src/agent-types.ts';
import { execute } from '../../src/worker/execute.ts';
import type { Job } from '../../src/worker/job.ts';
import type { Outcome } from '../../src/worker/outcome.ts';
import { inWorktree, sweepWorktrees } from '../../src/worker/worktree.ts';
import { repository, type Repository } from '../git-repository.ts';
import { killMarked } from '../processes.ts';
import { temporaryFolder } from '../server-process.ts';

const sh = (script: string): CommandType['argv'] => ['/bin/sh', '-c', script];

function typeIn(cwd: string, script: string, worktree: Partial<Worktree> = {}): CommandType {
  return {
    name: 'coder',
    runtime: 'command',
    argv: sh(script),
    stdin: 'none',
    parse: 'text',
    cwd,
    worktree: { base: 'HEAD', keep: 'failure', ...worktree },
    env: [],
    setEnv: {},
    maxOutputBytes: 1024 * 1024,
    capabilities: [],
    maxConcurrent: 1,
  };
}

function jobOf(copy: number, attempt = 1, more: Partial<Job> = {}): Job {
  return {
    assignmentId: `task_1/work/${copy}`,
    taskId: 'task_1',
    swarmId: 'swarm_1',
    agentId: `agent_worktree_${process.pid}_${copy}`,
    phase: 'work',
    role: 'worker',
    attempt,
    description: 'Make it better\nin every way',
    dependencies: {},
    timeoutMs: 60_000,
    ...more,
  };
}

const signal = new AbortController().signal;
const logged: [facts: any, message: string][] = [];
const log = {
  debug() {},
  info: (facts: object, message: string) => void logged.push([facts, message]),
  warn: (facts: object, message: string) => void logged.push([facts, message]),
} as never;

function run(type: CommandType, job: Job = jobOf(1)): Promise<Outcome> {
  return inWorktree(type, job, { signal, log }, (placed) => execute(placed, job, signal, { killGraceMs: 1_000, log }));
}

/** Nothing that stands in the user's work tree or on the user's branches is another one than before. */
function untouched({ git, folder, atEnd }: Repository): void {
  const before = [git('rev-parse', 'main'), git('status', '--porcelain'), readFileSync(join(folder, 'a.txt'), 'utf8')];
  atEnd(() => {
    assert.deepEqual(
      [git('rev-parse', 'main'), git('status', '--porcelain'), readFileSync(join(folder, 'a.txt'), 'utf8')],
      before,
    );
    assert.equal(git('symbolic-ref', 'HEAD'), 'refs/heads/main');
    git('fsck', '--strict');
  });
}

const inUse = (folder: string): string[] => readdirSync(join(folder, '.skein/worktrees/.in-use'));

describe('a run in a worktree', () => {
  test('what it has changed is on its branch, and the folder is gone', async (t) => {
    const repo = await repository(t);
    writeFileSync(join(repo.folder, 'a.txt'), 'not committed by the user\n');
    untouched(repo);
    const outcome = await run(
      typeIn(
        repo.folder,
        'cat a.txt; echo two > a.txt; echo new > b.txt; echo x > c.log; echo "$SKEIN_BRANCH" "$SKEIN_WORKTREE"; pwd',
      ),
    );
    assert.ok(outcome.ok, JSON.stringify(outcome));
    const path = join(repo.folder, '.skein/worktrees/task_1-work-1-1');
    assert.equal(outcome.result, `one\nskein/task_1-work-1-1 ${path}\n${path}`);
    const branch = 'skein/task_1-work-1-1';
    assert.deepEqual(outcome.worktree, { branch, commit: repo.git('rev-parse', branch), changed: true, path: null });
    assert.equal(repo.git('show', `${branch}:a.txt`), 'two');
    assert.equal(repo.git('show', `${branch}:b.txt`), 'new');
    assert.equal(repo.git('rev-parse', `${branch}^`), repo.git('rev-parse', 'main'));
    assert.match(
      repo.git('log', '-1', '--format=%an|%s|%b', branch),
      /^skein\|Make it better\|task_1\/work\/1, attempt 1, by agent_worktree_\d+_1 \(coder\)$/,
    );
    assert.throws(() => repo.git('show', `${branch}:c.log`), 'what git ignores is not committed');
    assert.deepEqual(repo.worktrees(), []);
    assert.equal(existsSync(path), false);
    assert.deepEqual(inUse(repo.folder), []);
  });

  test('what the program has committed by itself stands, and nothing is added to it', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const commit = 'git -c user.name=A -c user.email=a@localhost commit -q -a -m own';
    const outcome = await run(typeIn(repo.folder, `echo two > a.txt && ${commit}`));
    assert.ok(outcome.ok && outcome.worktree?.changed, JSON.stringify(outcome));
    assert.equal(repo.git('log', '--format=%s', 'skein/task_1-work-1-1'), 'own\nfirst');
    assert.deepEqual(repo.worktrees(), []);
  });

  test('without changes nothing stays, whether it succeeded or failed', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const base = repo.git('rev-parse', 'HEAD');
    for (const script of ['touch a.txt; echo fine', 'echo x > c.log; exit 3']) {
      const outcome = await run(typeIn(repo.folder, script));
      assert.deepEqual(outcome.worktree, { branch: null, commit: base, changed: false, path: null });
      assert.deepEqual([repo.branches(), repo.worktrees()], [['main'], []]);
    }
  });

  test('after a failure the folder stays for inspection, with everything committed', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const outcome = await run(typeIn(repo.folder, 'echo half > a.txt; echo why > c.log; exit 3'));
    assert.ok(!outcome.ok && outcome.reason === 'exit_code');
    const { branch, path, changed } = outcome.worktree!;
    assert.deepEqual([branch, changed], ['skein/task_1-work-1-1', true]);
    assert.deepEqual(repo.worktrees(), [path]);
    assert.equal(readFileSync(join(path!, 'c.log'), 'utf8'), 'why\n');
    assert.equal(repo.git('show', `${branch}:a.txt`), 'half');
    // A kept one is nobody's: the next sweep leaves it alone, whatever is done in it.
    writeFileSync(join(path!, 'a.txt'), 'looked at\n');
    await sweepWorktrees(typeIn(repo.folder, ''), { signal, log });
    assert.equal(readFileSync(join(path!, 'a.txt'), 'utf8'), 'looked at\n');
    assert.ok((await run(typeIn(repo.folder, 'cat a.txt'), jobOf(1, 2))).ok);
  });

  test('one of which the program has left no worktree is not said to be secured', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const scripts = ['rm .git; echo x > new.txt', 'cd ..; mv "$SKEIN_WORKTREE" moved; ln -s ../.. "$SKEIN_WORKTREE"'];
    for (const [index, script] of scripts.entries()) {
      const outcome = await run(typeIn(repo.folder, script), jobOf(index));
      assert.ok(!outcome.ok && outcome.reason === 'worktree_failed', JSON.stringify(outcome));
      assert.ok(
        outcome.message.includes(join(repo.folder, `.skein/worktrees/task_1-work-${index}-1`)),
        outcome.message,
      );
    }
    assert.equal(readFileSync(join(repo.folder, '.skein/worktrees/task_1-work-0-1/new.txt'), 'utf8'), 'x\n');
  });

  test('keep: never and keep: always', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const failed = await run(typeIn(repo.folder, 'echo half > a.txt; exit 3', { keep: 'never' }), jobOf(1));
    assert.equal(failed.worktree!.path, null);
    assert.equal(repo.git('show', `${failed.worktree!.branch}:a.txt`), 'half');
    const kept = await run(typeIn(repo.folder, 'true', { keep: 'always' }), jobOf(2));
    assert.deepEqual(repo.worktrees(), [kept.worktree!.path]);
    assert.equal(kept.worktree!.changed, false);
  });

  test('it starts from the base that is named', async (t) => {
    const repo = await repository(t);
    repo.git('branch', 'stable');
    repo.git('commit', '--quiet', '--allow-empty', '--message', 'second');
    untouched(repo);
    const outcome = await run(typeIn(repo.folder, 'git log --format=%s', { base: 'stable' }));
    assert.ok(outcome.ok);
    assert.equal(outcome.result, 'first');
  });

  test('a folder within the repository, and a linked worktree of it, stand for the repository', async (t) => {
    const repo = await repository(t);
    mkdirSync(join(repo.folder, 'deep'));
    const linked = join(repo.folder, '../linked');
    repo.git('worktree', 'add', '--quiet', '-b', 'linked', linked);
    for (const [index, folder] of [join(repo.folder, 'deep'), linked].entries()) {
      const outcome = await run(typeIn(folder, 'pwd'), jobOf(index));
      assert.ok(outcome.ok);
      assert.equal(outcome.result, join(repo.folder, `.skein/worktrees/task_1-work-${index}-1`));
    }
    assert.equal(repo.git('status', '--porcelain'), '');
  });

  test('what the environment says about a repository does not count', async (t) => {
    const [repo, other] = [await repository(t), await repository(t)];
    process.env.GIT_DIR = join(other.folder, '.git');
    t.after(() => delete process.env.GIT_DIR);
    const outcome = await run(typeIn(repo.folder, 'echo two > a.txt'));
    delete process.env.GIT_DIR;
    assert.ok(outcome.ok);
    assert.deepEqual([repo.branches().length, other.branches().length], [2, 1]);
  });

  test('names that git and the file system would take for something else', async (t) => {
    const repo = await repository(t);
    const job = jobOf(1, 1, { assignmentId: 'task_1/...lock/../1', description: '#\0\x1b \n' });
    const outcome = await run(typeIn(repo.folder, 'echo two > a.txt; echo "$SKEIN_BRANCH"'), job);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.equal(outcome.result, 'skein/task_1---.lock--.-1-1');
  });
});

describe('a program that leaves its branch', () => {
  test('for one of its own, with everything committed: the folder goes, its branch is told', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const commit = 'git -c user.name=A -c user.email=a@localhost commit -q -a -m own';
    const outcome = await run(typeIn(repo.folder, `git checkout -q -b feature && echo two > a.txt && ${commit}`));
    const { branch, path } = outcome.worktree!;
    assert.deepEqual([branch, path], ['feature', null]);
    assert.deepEqual(repo.branches(), ['feature', 'main']);
  });

  test("for a user's, with something uncommitted: nothing is committed there, and the folder stays", async (t) => {
    const repo = await repository(t);
    repo.git('branch', 'theirs');
    untouched(repo);
    const outcome = await run(typeIn(repo.folder, 'git checkout -q theirs && echo two > a.txt'));
    const { branch, path } = outcome.worktree!;
    assert.equal(branch, 'theirs');
    assert.equal(readFileSync(join(path!, 'a.txt'), 'utf8'), 'two\n');
    assert.equal(repo.git('rev-parse', 'theirs'), repo.git('rev-parse', 'main'));
  });

  test('for none: commits that no branch has stay with their folder', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const commit = 'git -c user.name=A -c user.email=a@localhost commit -q -a -m own';
    const outcome = await run(typeIn(repo.folder, `git checkout -q --detach && echo two > a.txt && ${commit}`));
    const { branch, path, changed } = outcome.worktree!;
    assert.deepEqual([branch, changed, repo.worktrees()], [null, true, [path]]);
  });

  test('a repository that it has made inside is not thrown away', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const commit = 'git -c user.name=A -c user.email=a@localhost commit -q --allow-empty -m own';
    const outcome = await run(typeIn(repo.folder, `mkdir inner && cd inner && git init -q && ${commit} && echo 1 > x`));
    assert.equal(readFileSync(join(outcome.worktree!.path!, 'inner/x'), 'utf8'), '1\n');
  });
});

describe('a worktree that cannot be had', () => {
  test('no repository, no commit, no such base: a failure that another attempt would not change', async (t) => {
    const nowhere = await temporaryFolder();
    const repo = await repository(t);
    const empty = join(repo.folder, '../empty');
    repo.git('init', '--quiet', empty);
    const cases: [CommandType, RegExp][] = [
      [typeIn(nowhere, ''), /^no worktree could be made of .*: git rev-parse: fatal: not a git repository/],
      [typeIn(join(nowhere, 'none'), ''), /cannot change to .*No such file/],
      [typeIn(empty, ''), /it has no commit yet$/],
      [typeIn(repo.folder, '', { base: 'dev' }), /it has no commit, branch or tag "dev"$/],
    ];
    for (const [type, message] of cases) {
      const outcome = await run(type);
      assert.ok(!outcome.ok);
      assert.deepEqual([outcome.reason, outcome.retryable], ['worktree_failed', false]);
      assert.match(outcome.message, message);
    }
    const path = process.env.PATH;
    process.env.PATH = nowhere;
    t.after(() => (process.env.PATH = path));
    const outcome = await run(typeIn(repo.folder, ''));
    process.env.PATH = path;
    assert.match(outcome.ok ? '' : outcome.message, /there is no program git in PATH$/);
  });

  test('a branch that is in its way: nothing is left, and nothing of the other taken', async (t) => {
    const repo = await repository(t);
    repo.git('branch', 'skein');
    const outcome = await run(typeIn(repo.folder, ''));
    assert.ok(!outcome.ok && outcome.retryable);
    assert.match(outcome.message, /git worktree: .*'refs\/heads\/skein' exists/);
    assert.deepEqual([repo.branches(), repo.worktrees(), inUse(repo.folder)], [['main', 'skein'], [], []]);
  });

  test('a hook that fails: nothing is left', async (t) => {
    const repo = await repository(t);
    const hook = join(repo.folder, '.git/hooks/post-checkout');
    writeFileSync(hook, '#!/bin/sh\ntouch made-by-hook\necho no network >&2\nexit 1\n', { mode: 0o755 });
    const outcome = await run(typeIn(repo.folder, ''));
    assert.match(outcome.ok ? '' : outcome.message, /git worktree: no network$/);
    assert.deepEqual([repo.branches(), repo.worktrees(), inUse(repo.folder)], [['main'], [], []]);
  });

  test('work that cannot be committed is a failure that says where it is', async (t) => {
    const repo = await repository(t);
    const outcome = await run(typeIn(repo.folder, 'echo two > a.txt; touch "$(git rev-parse --git-dir)/index.lock"'));
    assert.ok(!outcome.ok);
    assert.equal(outcome.reason, 'worktree_failed');
    assert.match(outcome.message, /could not be committed; look at .*task_1-work-1-1: git add: .*index\.lock/);
    assert.equal(readFileSync(join(repo.worktrees()[0]!, 'a.txt'), 'utf8'), 'two\n');
  });
});

describe('many at once', () => {
  const workerFile = fileURLToPath(new URL('in-worktree.ts', import.meta.url));

  async function worker(t: TestContext, folder: string, copies: string, script: string) {
    const child = spawn(process.execPath, ['--import', 'tsx', workerFile, folder, copies, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    return { child, ended: once(child, 'exit') };
  }

  test('two processes with eight attempts each, all at the same time', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    const script = 'echo "$SKEIN_BRANCH" > a.txt; test -e b && exit 1; touch b';
    // Git runs it while it makes a worktree: no two are made at the same time.
    const hook = join(repo.folder, '.git/hooks/post-checkout');
    const busy = JSON.stringify(join(repo.folder, '../busy'));
    writeFileSync(hook, `#!/bin/sh\nmkdir ${busy} || touch ${busy}/overlap\ngit version >&2\nrmdir ${busy}\n`, {
      mode: 0o755,
    });
    const workers = await Promise.all(
      ['1,2,3,4,5,6,7,8', '11,12,13,14,15,16,17,18'].map((copies) => worker(t, repo.folder, copies, script)),
    );
    for (const { ended } of workers) assert.deepEqual(await ended, [0, null]);
    const branches = repo.branches().filter((branch) => branch !== 'main');
    assert.equal(branches.length, 16);
    assert.equal(existsSync(join(repo.folder, '../busy')), false);
    for (const branch of branches) assert.equal(repo.git('show', `${branch}:a.txt`), branch);
    assert.deepEqual([repo.worktrees(), inUse(repo.folder)], [[], []]);
  });

  test('what a killed worker has left: the changed is kept on its branch, the unchanged goes', async (t) => {
    const repo = await repository(t);
    untouched(repo);
    // By c.log each says that it is there: the second one when it has lost its mark.
    const script = `case "$SKEIN_BRANCH" in *-1-1) echo half > a.txt; echo > c.log; exec sleep 1000;; esac
      exec env -u SKEIN_WORKTREE sh -c 'echo > c.log; exec sleep 1000'`;
    const { child, ended } = await worker(t, repo.folder, '1,2', script);
    t.after(() => stopPrograms(child.pid!));
    const paths = [1, 2].map((copy) => join(repo.folder, `.skein/worktrees/task_1-work-${copy}-1`));
    while (!paths.every((path) => existsSync(join(path, 'c.log')))) await new Promise(setImmediate);

    // Alive: none of anybody's business.
    await sweepWorktrees(typeIn(repo.folder, ''), { signal, log });
    assert.equal(repo.worktrees().length, 2);
    child.kill('SIGKILL');
    await ended;
    logged.length = 0;
    // Dead, but one of its programs can be seen to run.
    await sweepWorktrees(typeIn(repo.folder, ''), { signal, log });
    assert.deepEqual(repo.worktrees(), [paths[0]]);
    await stopPrograms(child.pid!);

    await Promise.all([1, 2, 3].map(() => sweepWorktrees(typeIn(repo.folder, ''), { signal, log })));
    const branch = 'skein/task_1-work-1-1';
    assert.deepEqual(repo.branches(), ['main', branch]);
    assert.equal(repo.git('show', `${branch}:a.txt`), 'half');
    assert.deepEqual(repo.worktrees(), [paths[0]]);
    assert.deepEqual(inUse(repo.folder), []);
    assert.deepEqual(logged.map(([{ changed, path }, message]) => [changed, path, message]).sort(), [
      [false, null, 'worktree of a worker that was killed'],
      [true, paths[0], 'worktree of a worker that was killed'],
    ]);
  });
});

/** Those of a worker of ours. */
async function stopPrograms(worker: number): Promise<void> {
  for (const copy of [1, 2]) await killMarked(`SKEIN_AGENT_ID=agent_in_worktree_${worker}_${copy}`);
}
