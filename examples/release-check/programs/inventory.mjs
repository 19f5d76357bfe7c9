/** Examiner: what is tracked, at which commit, and what lies in the folder that is not committed. */
import { isAbsolute } from 'node:path';
import { listed } from './findings.mjs';
import { filesOf, git } from './git.mjs';
import { answer } from './job.mjs';

await answer(({ input }) => {
  if (typeof input !== 'string' || !isAbsolute(input)) {
    const given = input === undefined ? 'there is none' : `it is ${JSON.stringify(input)}`;
    throw new Error(`the input must be the absolute path of a folder, such as "/home/me/project"; ${given}`);
  }
  const root = git(input, 'rev-parse', '--show-toplevel').trimEnd();
  const commit = headOf(root);
  const [subject, committedAt] = git(root, 'show', '--no-patch', '--format=%s%n%cI', commit).split('\n');
  const files = filesOf({ root, commit });
  return {
    root,
    commit,
    // Empty when no branch is checked out.
    branch: git(root, 'branch', '--show-current').trimEnd(),
    subject,
    committedAt,
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    ...listed(uncommitted(root)),
  };
});

function headOf(root) {
  try {
    return git(root, 'rev-parse', '--verify', 'HEAD^{commit}').trimEnd();
  } catch {
    throw new Error(`${root} has no commit that could be released`);
  }
}

function uncommitted(root) {
  const entries = git(root, 'status', '--porcelain', '--no-renames', '-z').split('\0').slice(0, -1);
  return entries.map((entry) => ({
    rule: 'uncommitted',
    where: entry.slice(3),
    what: entry.startsWith('??') ? 'not tracked' : 'changed since the commit',
  }));
}
