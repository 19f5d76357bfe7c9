/**
 * Runs git, in a folder that is named and never guessed: what the environment says about a repository (as in a hook)
 * does not count, nor does git ask anybody for anything. It carries no mark of the agent: what is being written down
 * when the agent is stopped is written to its end.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A hook of the repository may install what a work tree needs. */
const gitMsMax = 10 * 60_000;
const outputBytesMax = 1024 * 1024;
const messageCharsMax = 500;

const startsMax = 3;

interface Failure extends Error {
  readonly code?: unknown;
  readonly stderr?: string;
  readonly signal?: string | null;
  /** By us, since it took too long. */
  readonly killed?: boolean;
}

/** `message` is git's own, or why it did not run. */
export class GitError extends Error {
  /** null: it did not end by itself. */
  readonly exitCode: number | null;

  constructor(message: string, exitCode: number | null) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Resolves with what it wrote, without the newline at the end. @throws GitError */
export function git(folder: string, args: readonly string[]): Promise<string> {
  return attempt(folder, args, startsMax);
}

async function attempt(folder: string, args: readonly string[], starts: number): Promise<string> {
  try {
    const { stdout } = await run('git', ['-C', folder, ...args], {
      env: environment(),
      timeout: gitMsMax,
      maxBuffer: outputBytesMax,
    });
    return stdout.replace(/\n$/, '');
  } catch (error) {
    const { code, stderr = '', message, signal, killed } = error as Failure;
    // Until it has become git it is a copy of the worker, mark included: who stops the agent then has hit it.
    if (signal === 'SIGTERM' && killed === false && starts > 1) return attempt(folder, args, starts - 1);
    if (code === 'ENOENT') throw new GitError('there is no program git in PATH', null);
    const said = stderr.trim().replace(/\s*\n\s*/g, '; ') || message;
    throw new GitError(
      `git ${args.find((arg) => /^[a-z]/.test(arg))}: ${said.slice(-messageCharsMax)}`,
      typeof code === 'number' ? code : null,
    );
  }
}

/** For commands that answer with their exit code: 0 is yes, 1 is no. @throws GitError for any other. */
export async function gitSays(folder: string, args: readonly string[]): Promise<boolean> {
  try {
    await git(folder, args);
    return true;
  } catch (error) {
    if (error instanceof GitError && error.exitCode === 1) return false;
    throw error;
  }
}

function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(SKEIN_|GIT_(?!CONFIG_|EXEC_PATH|SSL_))/.test(name));
  return { ...Object.fromEntries(own), LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0' };
}
