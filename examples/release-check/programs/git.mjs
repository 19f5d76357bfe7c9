/**
 * Reads a repository through git. Everything is read from one commit, so that the examiners, which run at the same time,
 * see the same files, and see what would be released. Nothing is written, not even git's index.
 */
import { spawnSync } from 'node:child_process';

const outputBytesMax = 256 * 1024 * 1024;

/** @throws Error in git's own words. */
export function git(folder, ...args) {
  return run(folder, args, [0]);
}

/** The tracked files, without symbolic links and submodules: `{path, bytes}`. */
export function filesOf({ root, commit }) {
  return git(root, 'ls-tree', '-r', '-l', '-z', '--full-tree', commit)
    .split('\0')
    .map((entry) => /^100\d{3} blob \S+ +(\d+)\t([^]+)$/.exec(entry))
    .filter((match) => match !== null)
    .map(([, bytes, path]) => ({ path, bytes: Number(bytes) }));
}

export function contentOf({ root, commit }, path) {
  return git(root, 'cat-file', 'blob', `${commit}:${path}`);
}

/** Lines of tracked text files that match one of the extended regular expressions: `{path, line, text}`. */
export function grep({ root, commit }, ...patterns) {
  const expressions = patterns.flatMap((pattern) => ['-e', pattern]);
  // Exit code 1: nothing found.
  const output = run(root, ['grep', '-z', '-n', '-I', '-E', '--full-name', ...expressions, commit], [0, 1]);
  return [...output.matchAll(/([^\0]+)\0(\d+)\0([^\n]*)\n/g)].map(([, path, line, text]) => ({
    path: path.slice(commit.length + 1),
    line: Number(line),
    text,
  }));
}

function run(folder, args, exitCodes) {
  const { status, stdout, stderr, error } = spawnSync('git', ['-C', folder, ...args], {
    encoding: 'utf8',
    maxBuffer: outputBytesMax,
    env: { ...process.env, GIT_OPTIONAL_LOCKS: '0' },
  });
  if (error !== undefined) throw error;
  if (!exitCodes.includes(status)) throw new Error(stderr.trim() || `git ${args[0]} exited with code ${status}`);
  return stdout;
}
