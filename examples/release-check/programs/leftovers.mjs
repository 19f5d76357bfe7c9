/** Examiner: what should not be in a release (conflict markers, large and generated files), and what should: tests. */
import { listed } from './findings.mjs';
import { filesOf, grep } from './git.mjs';
import { answer } from './job.mjs';

const largeBytes = 1024 * 1024;
const generated =
  /(^|\/)(node_modules|__pycache__|\.venv)\/|(^|\/)(\.DS_Store|Thumbs\.db)$|\.(pyc|class|o|log|tgz|orig|rej|swp)$/;
const tests = /(^|\/)(tests?|specs?|__tests__)\/|[._](test|spec)\.\w+$|_test\.\w+$|(^|\/)test_[^/]+$/;

await answer(({ dependencies: { inventory } }) => {
  const files = filesOf(inventory);
  const testFiles = files.filter(({ path }) => tests.test(path)).length;
  const findings = [
    ...grep(inventory, '^(<{7}|>{7}) ').map(({ path, line }) => ({
      rule: 'conflict-marker',
      where: `${path}:${line}`,
      what: 'a merge that was not finished',
    })),
    ...files
      .filter(({ bytes }) => bytes > largeBytes)
      .map(({ path, bytes }) => ({ rule: 'large-file', where: path, what: `${(bytes / 1024 ** 2).toFixed(1)} MiB` })),
    ...files
      .filter(({ path }) => generated.test(path))
      .map(({ path }) => ({ rule: 'generated-file', where: path, what: 'made by a tool, and tracked' })),
  ];
  if (testFiles === 0) findings.push({ rule: 'no-tests', where: '/', what: 'no file looks like a test by its path' });
  const todos = grep(inventory, '(^|[^A-Za-z_])(TODO|FIXME)([^A-Za-z_]|$)').length;
  return { testFiles, todos, ...listed(findings) };
});
