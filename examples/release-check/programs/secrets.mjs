/** Examiner: credentials in the tracked files. It says where they are, and never what they are. */
import { listed } from './findings.mjs';
import { filesOf, grep } from './git.mjs';
import { answer } from './job.mjs';

/** By what they look like: expressions that git (extended) and JavaScript read in the same way. */
const shapes = [
  ['private key', '-----BEGIN ([A-Z]+ )*PRIVATE KEY-----'],
  ['AWS access key id', '(^|[^A-Z0-9])(AKIA|ASIA)[A-Z0-9]{16}([^A-Z0-9]|$)'],
  ['GitHub token', '(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})'],
  ['GitLab token', 'glpat-[A-Za-z0-9_-]{20}'],
  ['npm token', 'npm_[A-Za-z0-9]{36}'],
  ['Slack token', 'xox[abprs]-[A-Za-z0-9-]{20,}'],
  ['Google API key', 'AIza[A-Za-z0-9_-]{35}'],
  ['Stripe live key', '[rs]k_live_[A-Za-z0-9]{20,}'],
  ['Anthropic API key', 'sk-ant-[A-Za-z0-9_-]{20,}'],
];

/** By where they are usually kept. */
const names = /(^|\/)(\.env(\.local|\.production)?|\.netrc|\.pgpass|id_(rsa|dsa|ecdsa|ed25519)|[^/]+\.(p12|pfx|jks))$/;

await answer(({ dependencies: { inventory } }) => {
  const inContents = grep(inventory, ...shapes.map(([, pattern]) => pattern)).map(({ path, line, text }) => ({
    rule: 'secret',
    where: `${path}:${line}`,
    what: shapes.find(([, pattern]) => new RegExp(pattern).test(text))[0],
  }));
  const byName = filesOf(inventory)
    .filter(({ path }) => names.test(path))
    .map(({ path }) => ({ rule: 'secret-file', where: path, what: 'a file of this name usually holds credentials' }));
  return listed([...inContents, ...byName]);
});
