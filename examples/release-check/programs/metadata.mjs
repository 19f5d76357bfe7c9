/** Examiner: the license, the read-me, the change log, and the manifest of an npm package where there is one. */
import { listed } from './findings.mjs';
import { contentOf, filesOf, git } from './git.mjs';
import { answer } from './job.mjs';

/** Words that tell a license's text, the more special first. */
const licenses = [
  ['MIT', /Permission is hereby granted, free of charge/],
  ['ISC', /Permission to use, copy, modify, and(\/or)? distribute this software/],
  ['Apache-2.0', /Apache License\s+Version 2\.0/],
  ['MPL-2.0', /Mozilla Public License,? version 2\.0/i],
  ['AGPL-3.0', /GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3/],
  ['LGPL-3.0', /GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3/],
  ['GPL-3.0', /GNU GENERAL PUBLIC LICENSE\s+Version 3/],
  ['GPL-2.0', /GNU GENERAL PUBLIC LICENSE\s+Version 2/],
  ['BSD-3-Clause', /Redistribution and use in source and binary forms[^]+endorse or promote/],
  ['BSD-2-Clause', /Redistribution and use in source and binary forms/],
  ['Unlicense', /This is free and unencumbered software/],
];
const lockFiles = /^(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?)$/;
const version = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

await answer(({ dependencies: { inventory } }) => {
  const paths = filesOf(inventory).map(({ path }) => path);
  const findings = [];
  const found = (rule, where, what) => findings.push({ rule, where, what });

  const licenseFile = paths.find((path) => /^(LICEN[CS]E|COPYING|UNLICENSE)([.-][^/]*)?$/i.test(path)) ?? null;
  if (licenseFile === null) found('no-license', '/', 'there is no LICENSE or COPYING');
  const license = licenseFile === null ? null : recognized(contentOf(inventory, licenseFile));
  if (!paths.some((path) => /^readme(\.[^/]*)?$/i.test(path))) found('no-readme', '/', 'there is no README');
  if (!paths.some((path) => /^(changelog|changes|history|news)(\.[^/]*)?$/i.test(path))) {
    found('no-changelog', '/', 'there is no CHANGELOG');
  }
  const manifest = paths.includes('package.json') ? manifestOf(inventory, found) : null;
  if (manifest !== null) {
    if (license !== null && manifest.license !== undefined && !String(manifest.license).startsWith(license)) {
      found('license-unclear', 'package.json', `it says ${manifest.license}, and ${licenseFile} reads like ${license}`);
    }
    checkDependencies(manifest, paths, found);
    if (manifest.private !== true) checkVersion(manifest, inventory, found);
  }
  const { name = null, version: number = null } = manifest ?? {};
  return { licenseFile, license, package: manifest && { name, version: number }, ...listed(findings) };
});

/** null: a text that is not known here. */
function recognized(text) {
  return licenses.find(([, words]) => words.test(text))?.[0] ?? null;
}

function manifestOf(inventory, found) {
  try {
    const manifest = JSON.parse(contentOf(inventory, 'package.json'));
    if (typeof manifest === 'object' && manifest !== null && !Array.isArray(manifest)) return manifest;
    found('manifest-invalid', 'package.json', 'it is no JSON object');
  } catch (error) {
    found('manifest-invalid', 'package.json', error.message.replace(/\s+/g, ' '));
  }
  return null;
}

function checkDependencies({ dependencies, devDependencies }, paths, found) {
  const needed = Object.keys({ ...dependencies, ...devDependencies }).length;
  if (needed > 0 && !paths.some((path) => lockFiles.test(path))) {
    found('no-lock-file', 'package.json', `dependencies (${needed}), and no lock file`);
  }
  for (const [name, range] of Object.entries(dependencies ?? {})) {
    if (/^(\*|latest|)$|^(git|file|https?)[+:]|\//.test(range)) {
      found('loose-dependency', 'package.json', `${name}: ${JSON.stringify(range)} can become anything`);
    }
  }
}

function checkVersion(manifest, { root, commit }, found) {
  for (const field of ['name', 'version', 'license']) {
    if (typeof manifest[field] !== 'string') found('manifest-invalid', 'package.json', `it has no ${field}`);
  }
  if (typeof manifest.version !== 'string') return;
  if (!version.test(manifest.version)) {
    found('manifest-invalid', 'package.json', `its version is ${manifest.version}, and should be like 1.2.3`);
    return;
  }
  for (const tag of git(root, 'tag', '--list', manifest.version, `v${manifest.version}`).split('\n').filter(Boolean)) {
    const tagged = git(root, 'rev-parse', `${tag}^{commit}`).trimEnd();
    if (tagged === commit) continue;
    found('version-taken', 'package.json', `the tag ${tag} stands at another commit, ${tagged.slice(0, 7)}`);
  }
}
