/**
 * A git worktree for each attempt of an agent type with `cwd: worktree`.
 *
 * - An attempt works on a branch of its own, `skein/TASK-PHASE-COPY-ATTEMPT`, in the folder `.skein/worktrees/` of the
 *   repository, which git ignores. Nothing else of the repository is touched: no branch, no work tree, no index.
 * - Nothing that was changed is lost. What the program has not committed is committed when it has ended, well or not;
 *   the branch stays. What cannot be committed stays in its folder. Files that git ignores go with the folder.
 * - Nothing that was not changed stays: the folder goes, and the branch with it.
 * - One worktree of a repository is made or removed at a time, whoever does it: git's own bookkeeping does not bear more.
 * - A worker holds what it has made (`lock.ts`). What a killed one has left is therefore known, and treated by the next
 *   worker that starts as if its attempt had failed.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ProgramType, Worktree } from '../agent-types.ts';
import { HeldError, lockHolder, takeLock } from '../lock.ts';
import { processIds, procfsSupported, startedWith } from '../procfs.ts';
import { git, GitError, gitSays } from './git.ts';
import type { Job } from './job.ts';
import { failed, type Outcome } from './outcome.ts';
import { neverRan } from './program.ts';

/** How long a worktree may wait until those of others have been made: each may be a large checkout. */
const turnMsMax = 10 * 60_000;
const turnPollMs = 25;
const subjectCharsMax = 72;
/** How often it is looked who uses a worktree, as long as that cannot be told of some process yet. */
const looksMax = 40;

/** What became of an attempt's worktree. */
export type WorktreeReport = {
  /** Where the work is; null: on no branch, because there is none, or because the program had left every branch. */
  readonly branch: string | null;
  readonly commit: string;
  /** Whether `commit` is another one than the attempt started from. */
  readonly changed: boolean;
  /** null: the folder is gone. */
  readonly path: string | null;
};

interface Place {
  /** The folder of skein.yaml's type: in a work tree, or a repository without any. */
  readonly repository: string;
  readonly folder: string;
}

interface Tree {
  readonly place: Place;
  readonly branch: string;
  readonly path: string;
  /** What is known of it while it is in use, and locked by who uses it. */
  readonly record: string;
  readonly base: string;
}

interface Options {
  readonly signal: AbortSignal;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** What a run needs to know of its type: any runtime that starts a program in a folder has it. */
type Located = Pick<ProgramType, 'name' | 'cwd' | 'setEnv' | 'worktree'>;

/**
 * Runs with the type as it is, or, with `cwd: worktree`, in a worktree that is made before and put in order after. The
 * program learns of it by SKEIN_WORKTREE and SKEIN_BRANCH. A run whose work could not be secured has failed.
 */
export async function inWorktree<T extends Located>(
  type: T,
  job: Job,
  { signal, log }: Options,
  run: (type: T) => Promise<Outcome>,
): Promise<Outcome> {
  const { worktree } = type;
  if (worktree === undefined) return run(type);
  const startedAt = performance.now();
  const fail = (what: string, error: unknown, ran: Outcome | null): Outcome => {
    if (!(error instanceof GitError) && !isSystemError(error)) throw error;
    const failure = { reason: 'worktree_failed', message: `${what}: ${error.message}` } as const;
    const { details } = ran === null || ran.ok ? neverRan(failure) : ran;
    return failed(failure, details, ran?.usage ?? null, startedAt);
  };

  let tree: Tree;
  let release: () => Promise<void>;
  try {
    ({ tree, release } = await create(type.cwd, worktree, nameOf(job), signal));
  } catch (error) {
    const failure = fail(`no worktree could be made of ${type.cwd}`, error, null);
    return error instanceof Unusable ? Object.assign(failure, { retryable: false }) : failure;
  }
  try {
    const outcome = await run({
      ...type,
      cwd: tree.path,
      setEnv: { ...type.setEnv, SKEIN_WORKTREE: tree.path, SKEIN_BRANCH: tree.branch },
    });
    try {
      const report = await putInOrder(tree, worktree.keep, outcome.ok, commitMessage(type, job));
      log.info(report, 'worktree');
      return { ...outcome, worktree: report };
    } catch (error) {
      return fail(`what was done could not be committed; look at ${tree.path}`, error, outcome);
    }
  } finally {
    await release();
  }
}

/** Puts in order what workers have left that were killed. What cannot be, is left to the next sweep, and said. */
export async function sweepWorktrees({ cwd, worktree }: Located, { signal, log }: Options): Promise<void> {
  if (worktree === undefined) return;
  try {
    const place = await placeOf(cwd);
    if ((await abandoned(place)).length === 0) return;
    await inTurn(place, signal, async () => {
      // Others may have swept meanwhile.
      for (const name of await abandoned(place)) {
        const tree = treeNamed(place, name, await readFile(recordOf(place, name, 'base'), 'utf8').catch(() => ''));
        if (await isInUse(tree)) continue;
        try {
          if (existsSync(tree.path)) {
            const secured = await secure(tree, 'What a worker left that was killed');
            log.warn(await clear(tree, secured, worktree.keep, false), 'worktree of a worker that was killed');
          } else if (tree.base !== '') await dropBranch(tree);
          await rm(tree.record, { recursive: true, force: true });
        } catch (error) {
          log.warn({ path: tree.path, err: error }, 'a worktree is left as it is');
        }
      }
    });
  } catch (error) {
    log.warn({ err: error }, 'worktrees were not swept');
  }
}

/** What keeps the type from having worktrees; null: nothing, or it needs none. Changes nothing. */
export async function worktreeProblem({ cwd, worktree }: Pick<Located, 'cwd' | 'worktree'>): Promise<string | null> {
  if (worktree === undefined) return null;
  try {
    await placeOf(cwd);
    await commitNamed(cwd, worktree.base);
    return null;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return `no worktree can be made of ${cwd}: ${error.message}`;
  }
}

/** The repository cannot have worktrees until somebody changes something. */
class Unusable extends GitError {}

async function placeOf(folder: string): Promise<Place> {
  let common: string;
  try {
    common = resolve(folder, await git(folder, ['rev-parse', '--git-common-dir']));
  } catch (error) {
    throw new Unusable((error as Error).message, null);
  }
  // Of the main work tree, so that none lies in one that can be removed; a repository may have no work tree at all.
  const ours = basename(common) === '.git' ? join(dirname(common), '.skein') : join(common, 'skein');
  return { repository: folder, folder: join(ours, 'worktrees') };
}

async function commitNamed(repository: string, base: string): Promise<string> {
  try {
    return await git(repository, ['rev-parse', '--verify', '--quiet', `${base}^{commit}`]);
  } catch (error) {
    if (!(error instanceof GitError) || error.exitCode !== 1) throw error;
    throw new Unusable(
      base === 'HEAD' ? 'it has no commit yet' : `it has no commit, branch or tag ${JSON.stringify(base)}`,
      1,
    );
  }
}

async function create(
  folder: string,
  { base }: Worktree,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly tree: Tree; readonly release: () => Promise<void> }> {
  const place = await placeOf(folder);
  const tree = treeNamed(place, name, await commitNamed(folder, base));
  // Private like the data directory, which may be the same folder.
  await mkdir(recordOf(place), { recursive: true, mode: 0o700 });
  await writeFile(join(place.folder, '.gitignore'), '*\n');
  return inTurn(place, signal, async () => {
    await mkdir(tree.record);
    const unlock = await takeLock(tree.record);
    const release = async (): Promise<void> => {
      await unlock();
      await rm(tree.record, { recursive: true, force: true });
    };
    try {
      if (existsSync(tree.path)) throw new GitError(`${tree.path} is there already`, null);
      await writeFile(join(tree.record, 'base'), tree.base);
      const as = ['-b', tree.branch, tree.path, tree.base];
      await git(folder, ['worktree', 'add', '--quiet', '--no-track', ...as]).catch(async (error: unknown) => {
        // Git takes the folder back, but not if it was a hook that failed; and never the branch.
        await git(folder, ['worktree', 'remove', '--force', tree.path]).catch(() => {});
        await dropBranch(tree);
        throw error;
      });
      return { tree, release };
    } catch (error) {
      await release();
      throw error;
    }
  });
}

async function putInOrder(tree: Tree, keep: Worktree['keep'], ok: boolean, message: string): Promise<WorktreeReport> {
  const secured = await secure(tree, message);
  return inTurn(tree.place, undefined, () => clear(tree, secured, keep, ok));
}

interface Secured {
  /** The branch on which the worktree is; null: on none. */
  readonly branch: string | null;
  readonly commit: string;
}

/** Commits what is not committed, if the worktree is still on its branch: others are the program's, or the user's. */
async function secure({ place, path, branch: own }: Tree, message: string): Promise<Secured> {
  // Without its `.git`, or behind a link, git would speak of another work tree: that of the repository, in which it lies.
  const here = join(await realpath(place.folder), basename(path));
  if ((await git(path, ['rev-parse', '--show-toplevel'])) !== here) {
    throw new GitError('it is no worktree of git any more', null);
  }
  const ref = await git(path, ['symbolic-ref', '--quiet', 'HEAD']).catch((error: unknown) => {
    if (error instanceof GitError && error.exitCode === 1) return null;
    throw error;
  });
  const branch = ref?.replace(/^refs\/heads\//, '') ?? null;
  if (branch === own) {
    await git(path, ['add', '--all']);
    if (!(await gitSays(path, ['diff', '--cached', '--quiet', '--no-ext-diff']))) {
      const asSkein = ['-c', 'user.name=skein', '-c', 'user.email=skein@localhost'];
      // It is a record of what was there, and not what the repository's rules are about.
      const asItIs = ['-c', 'core.hooksPath=/dev/null', '-c', 'gc.auto=0', '-c', 'commit.gpgSign=false'];
      await git(path, [...asSkein, ...asItIs, 'commit', '--quiet', '--no-verify', '--message', message]);
    }
  }
  return { branch, commit: await git(path, ['rev-parse', 'HEAD']) };
}

/** Removes what may go. Git refuses to remove a folder in which something is not committed. */
async function clear(
  tree: Tree,
  { branch, commit }: Secured,
  keep: Worktree['keep'],
  ok: boolean,
): Promise<WorktreeReport> {
  const changed = commit !== tree.base;
  const unwanted = keep !== 'always' && (!changed || ok || keep === 'never');
  const reachable = branch !== null || !changed;
  const gone = unwanted && reachable && (await removed(tree));
  if (gone) await dropBranch(tree);
  return { branch: gone && !changed ? null : branch, commit, changed, path: gone ? null : tree.path };
}

async function removed({ place, path }: Tree): Promise<boolean> {
  try {
    await git(place.repository, ['worktree', 'remove', path]);
    return true;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return false;
  }
}

/** Only if it is still where it started. */
async function dropBranch({ place, branch, base }: Tree): Promise<void> {
  const ref = `refs/heads/${branch}`;
  const at = await git(place.repository, ['rev-parse', '--verify', '--quiet', ref]).catch(() => null);
  if (at === base) await git(place.repository, ['update-ref', '-d', ref, base]);
}

/** Alone among all who make or remove worktrees of the repository. */
async function inTurn<T>(place: Place, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const release = await takeTurn(place.folder, signal);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function takeTurn(folder: string, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
  const deadline = performance.now() + turnMsMax;
  for (;;) {
    try {
      return await takeLock(folder);
    } catch (error) {
      if (!(error instanceof HeldError)) throw error;
      if (signal?.aborted) throw new GitError('it is not needed any more', null);
      if (performance.now() > deadline)
        throw new GitError(`for ${turnMsMax} ms its turn did not come: ${error.message}`, null);
      await sleep(turnPollMs);
    }
  }
}

/** Of the worktrees that nobody has put in order, those that nobody uses. */
async function abandoned(place: Place): Promise<string[]> {
  const records = recordOf(place);
  if (!existsSync(records)) return [];
  const names = await readdir(records);
  const held = await Promise.all(names.map((name) => lockHolder(join(records, name))));
  return names.filter((_, index) => held[index] === null);
}

/** A program may outlive its worker for a moment, until it is found and ended. */
async function isInUse({ path }: Tree): Promise<boolean> {
  if (!procfsSupported) return false;
  // The bytes of the path, as they are read from /proc.
  const mark = Buffer.from(`SKEIN_WORKTREE=${path}`).toString('latin1');
  for (let looks = 1; ; looks += 1) {
    const told = processIds().map((pid) => startedWith(pid, mark));
    if (told.includes(true)) return true;
    if (!told.includes(undefined) || looks === looksMax) return false;
    await sleep(turnPollMs);
  }
}

function treeNamed(place: Place, name: string, base: string): Tree {
  return { place, branch: `skein/${name}`, path: join(place.folder, name), record: recordOf(place, name), base };
}

function recordOf(place: Place, ...names: string[]): string {
  return join(place.folder, '.in-use', ...names);
}

/** One name for the folder and for the branch, in which two dots have another meaning. */
function nameOf({ assignmentId, attempt }: Job): string {
  return `${assignmentId}-${attempt}`.replace(/[^A-Za-z0-9_.-]/g, '-').replace(/\.(?=\.)/g, '-');
}

function commitMessage({ name }: Located, { description, assignmentId, attempt, agentId }: Job): string {
  const [first = ''] = description.trim().split('\n', 1);
  const subject = first.replace(/[\0-\x1f\x7f]/g, ' ').slice(0, subjectCharsMax);
  return `${subject}\n\n${assignmentId}, attempt ${attempt}, by ${agentId} (${name})`;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
