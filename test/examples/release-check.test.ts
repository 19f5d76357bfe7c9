/** examples/release-check, on real repositories: one that is fit to release, one that is not, and none at all. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { loadAgentTypes } from '../../src/agent-types.ts';
import { temporaryFolder } from '../server-process.ts';
import { example, noWorkerLeft, runCli, runTask, startExample } from './run-cli.ts';

type Files = Readonly<Record<string, string>>;
interface Review {
  readonly verdict: string;
  readonly reasons: readonly string[];
}

const license = 'Permission is hereby granted, free of charge, to any person obtaining a copy\n';
const fit: Files = {
  LICENSE: license,
  'README.md': '# demo\n',
  'CHANGELOG.md': '# 1.0.0\n',
  'package.json': '{"name": "demo", "version": "1.0.0", "license": "MIT"}\n',
  'src/index.js': 'export const answer = 42;\n',
  'test/index.test.js': "import '../src/index.js';\n",
};
const task = example('release-check/task.yaml');

function git(folder: string, ...args: readonly string[]): void {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgSign=false'];
  execFileSync('git', ['-C', folder, ...identity, ...args], { stdio: 'pipe' });
}

async function repository(files: Files): Promise<string> {
  const folder = await temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  git(folder, 'init', '--quiet');
  git(folder, 'add', '--all', '--force');
  git(folder, 'commit', '--quiet', '--message', 'everything');
  return folder;
}

test('a repository is examined, reviewed and reported on', async (t) => {
  const server = await startExample(t, 'release-check/skein.yaml');

  await t.test('one that is fit to release', async (t) => {
    const ended = await runTask(t, server, task, '--input', await repository(fit));
    assert.match(String(ended.result), /^Verdict: GO\n/);
    assert.match(String(ended.result), /license MIT in LICENSE, package demo 1\.0\.0/);
    assert.match(String(ended.result), /The examiners found nothing\./);
    assert.equal(ended.consensus?.reached, true);
    for (const { ballot } of ended.consensus.ballots) assert.ok(ballot === null || ballot === 'go');
  });

  await t.test('one with a private key, a conflict and something not committed', async (t) => {
    const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const folder = await repository({
      ...fit,
      'deploy.key': key,
      'src/index.js': `const a = 1;\n${'<'.repeat(7)} ours\nb();\n=======\nc();\n${'>'.repeat(7)} theirs\n`,
    });
    writeFileSync(join(folder, 'notes.txt'), 'not tracked\n');
    const ended = await runTask(t, server, task, '--input', folder);

    const report = String(ended.result);
    assert.match(report, /^Verdict: NO-GO\n/);
    assert.match(report, /secrets: secret: deploy\.key:1: private key/);
    assert.match(report, /leftovers: conflict-marker: src\/index\.js:2: /);
    assert.match(report, /leftovers: conflict-marker: src\/index\.js:6: /);
    assert.match(report, /inventory: uncommitted: notes\.txt: not tracked/);
    assert.ok(!JSON.stringify(ended).includes(key.split('\n')[1]!), 'the secret itself is nowhere');

    assert.equal(ended.consensus?.reached, true);
    for (const { ballot } of ended.consensus.ballots) assert.ok(ballot === null || ballot === 'no-go');
    const reviews = (ended.results ?? []).filter((each) => each.phase === 'review' && each.status === 'succeeded');
    assert.ok(reviews.length >= 2);
    for (const { result } of reviews) {
      const { reasons } = result as unknown as Review;
      for (const rule of ['secret', 'conflict-marker', 'uncommitted']) {
        assert.ok(
          reasons.some((reason) => reason.startsWith(`${rule}: `)),
          `${rule} is among ${reasons.join('; ')}`,
        );
      }
    }
  });

  await t.test('a folder that is no repository', async (t) => {
    const ran = await runCli(t, server, 'run', task, '--input', await temporaryFolder());
    assert.equal(ran.exitCode, 1);
    assert.equal(ran.stdout, '');
    assert.match(ran.stderr, /inventory: exit_code: node exited with code 1: .*not a git repository/);
    await noWorkerLeft(server);
  });
});

/** What an examiner or a reviewer makes of a job, without a server. */
function runProgram(args: readonly string[], job: object): { readonly result?: any; readonly error?: string } {
  try {
    const stdout = execFileSync(process.execPath, [example(`release-check/programs/${args[0]}`), ...args.slice(1)], {
      input: JSON.stringify(job),
      stdio: 'pipe',
      encoding: 'utf8',
    });
    return { result: JSON.parse(stdout) };
  } catch (error) {
    return { error: (error as { readonly stderr: string }).stderr.trim() };
  }
}

test('the reviewers differ in what they object to', async () => {
  const { LICENSE: _, 'test/index.test.js': __, ...files } = fit;
  const input = await repository(files);
  const inventory = runProgram(['inventory.mjs'], { input, dependencies: {} }).result;
  const examined = ['secrets', 'metadata', 'leftovers'].map((name) => [
    name,
    runProgram([`${name}.mjs`], { dependencies: { inventory } }).result,
  ]);
  const dependencies = { inventory, ...Object.fromEntries(examined) };
  const verdicts = ['security', 'packaging', 'maintenance'].map(
    (reviewer) => runProgram([`review-${reviewer}.mjs`], { dependencies }).result,
  );
  assert.deepEqual(
    verdicts.map(({ verdict, reasons }) => [verdict, reasons.map((reason: string) => reason.split(':')[0])]),
    [
      ['go', []],
      ['no-go', ['no-license']],
      ['no-go', ['no-tests', 'no-license']],
    ],
  );
});

test('what is wrong with a manifest is found', async () => {
  const input = await repository({
    LICENSE: license,
    'package.json':
      '{"name": "demo", "version": "1.0.0", "license": "GPL-3.0", "dependencies": {"a": "*", "b": "^1.0.0"}}',
  });
  git(input, 'tag', 'v1.0.0');
  git(input, 'commit', '--quiet', '--allow-empty', '--message', 'after the release');
  const inventory = runProgram(['inventory.mjs'], { input, dependencies: {} }).result;
  const { findings } = runProgram(['metadata.mjs'], { dependencies: { inventory } }).result;
  assert.deepEqual(
    findings.map(({ rule }: { readonly rule: string }) => rule),
    ['no-readme', 'no-changelog', 'license-unclear', 'no-lock-file', 'loose-dependency', 'version-taken'],
  );
});

test('the examiners say what they need', async () => {
  const relative = runProgram(['inventory.mjs'], { input: 'here', dependencies: {} });
  assert.match(relative.error ?? '', /must be the absolute path of a folder.*it is "here"/);
  const empty = await temporaryFolder();
  git(empty, 'init', '--quiet');
  assert.match(runProgram(['inventory.mjs'], { input: empty, dependencies: {} }).error ?? '', /has no commit/);
});

test('a plain answer of a model becomes a verdict, and none is guessed', () => {
  const job = { description: 'Judge.', dependencies: {} };
  // Stands for the program of a model: it reads all of its prompt, as those do, and answers the same every time.
  const model = (answer: string): string[] => [
    process.execPath,
    '-e',
    `process.stdin.resume().on('end', () => process.stdout.write(${JSON.stringify(answer)}))`,
  ];
  const ask = (...argv: string[]) => runProgram(['ask-model.mjs', 'security', '--', ...argv], job);
  assert.deepEqual(ask(...model('verdict: no-go\n- a key\n- a conflict\n')).result, {
    reviewer: 'security',
    verdict: 'no-go',
    reasons: ['a key', 'a conflict'],
  });
  assert.match(ask(...model('I would go.')).error ?? '', /has no line "verdict: go" or "verdict: no-go".*I would go/);
  assert.match(ask(...model('verdict: go\nverdict: no-go\n')).error ?? '', /two verdicts/);
  assert.match(ask(process.execPath, '-e', 'process.exit(3)').error ?? '', /exit code 3/);
  assert.match(ask('no-such-program').error ?? '', /there is no program no-such-program/);
});

test('the configuration with language models has the same agents, and skein accepts it', () => {
  const [plain, models] = ['skein.yaml', 'skein.llm.yaml'].map((file) => {
    const loaded = loadAgentTypes(example(`release-check/${file}`), { required: true });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    return [...loaded.agentTypes.values()].map(({ name, capabilities }) => ({ name, capabilities }));
  });
  assert.deepEqual(models, plain);
});
