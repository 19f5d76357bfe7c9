/** Reviewer: can somebody else live with this release, use it, and repair it? */
import { answer } from './job.mjs';
import { objections, verdict } from './reviewing.mjs';

/** More open ends than this share of the files, and the work is not done. */
const todosPerFile = 0.2;

await answer(({ dependencies }) => {
  const { inventory, leftovers } = dependencies;
  const reasons = objections(dependencies, {
    secret: 'it has to be revoked before anything else',
    'conflict-marker': 'the file does not work',
    'no-tests': 'nobody can tell whether a repair breaks something',
    'no-readme': 'nobody can tell what it is for',
    'no-changelog': 'nobody can tell what an update changes',
    'no-license': 'nobody may repair it',
    uncommitted: 'what lies in the folder cannot be found again',
  });
  if (leftovers.todos > todosPerFile * inventory.files) {
    reasons.push(`todos: ${leftovers.todos} to-do marks in ${inventory.files} files`);
  }
  return verdict('maintenance', reasons);
});
