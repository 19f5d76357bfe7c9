/** `skein init` where it is run: in a folder, with what is in PATH. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { loadAgentTypes } from '../../src/agent-types.ts';
import { versionOf } from '../../src/commands/command-lines.ts';
import { runCliIn, type Ran } from '../examples/run-cli.ts';
import { repository } from '../git-repository.ts';
import { temporaryFolder } from '../server-process.ts';

/** A PATH with these programs, scripts of sh, and with those that scripts need. */
async function searchPath(programs: Readonly<Record<string, string>>): Promise<string> {
  const bin = join(await temporaryFolder(), 'bin');
  await mkdir(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return bin;
}

const init = (t: TestContext, cwd: string, PATH: string, ...args: readonly string[]): Promise<Ran> =>
  runCliIn(t, cwd, { PATH, MCP_CONFIG: '' }, 'init', ...args);

const PATH = process.env.PATH!;

test('what is installed is written, and what is there already stays', async (t) => {
  const { folder } = await repository(t);
  const bin = await searchPath({ claude: 'echo "2.1.0 (Claude Code)"', codex: 'echo oops >&2; exit 1' });
  const file = join(folder, 'skein.yaml');
  const ran = await init(t, folder, `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`);
  assert.deepEqual([ran.exitCode, ran.stderr], [0, '']);
  assert.match(ran.stdout, new RegExp(`^Found\\n  claude    2\\.1\\.0 \\(Claude Code\\)  ${bin}/claude\\n`));
  assert.match(ran.stdout, /codex {5}did not tell its version/);
  assert.match(ran.stdout, /Wrote \.\/skein\.yaml with the agent types claude, codex\.\n/);

  const text = readFileSync(file, 'utf8');
  assert.match(text, /\n {4}template: codex\n/);
  const loaded = loadAgentTypes(file, { required: true });
  assert.ok(loaded.ok, JSON.stringify(loaded));
  assert.deepEqual([...loaded.agentTypes.keys()], ['claude', 'codex']);
  const claude = loaded.agentTypes.get('claude')!;
  assert.deepEqual(claude.capabilities, ['code']);
  assert.ok(claude.runtime === 'command' && claude.worktree !== undefined);

  writeFileSync(file, 'mine');
  const again = await init(t, folder, PATH);
  assert.equal(again.exitCode, 1);
  assert.match(again.stderr, /^skein: \.\/skein\.yaml is there already: /);
  assert.equal(readFileSync(file, 'utf8'), 'mine');
  assert.equal((await init(t, folder, PATH, '--force')).exitCode, 0);
  assert.match(readFileSync(file, 'utf8'), /^# What "skein serve"/);
});

test('where nothing is installed the file says so, loads, and its examples do once they are none', async (t) => {
  const folder = await temporaryFolder();
  const ran = await init(t, folder, `${await searchPath({})}:/usr/bin:/bin`, '--config', 'other.yaml');
  assert.equal(ran.exitCode, 0, ran.stderr);
  assert.match(
    ran.stdout,
    /^Found none of claude, codex, gemini, opencode in PATH\.\nWrote other\.yaml: it starts nothing/,
  );
  assert.equal(existsSync(join(folder, 'skein.yaml')), false);
  const file = join(folder, 'other.yaml');
  assert.deepEqual(loadAgentTypes(file, { required: true }), { ok: true, agentTypes: new Map() });

  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/^#(?=  )/gm, ''));
  const loaded = loadAgentTypes(file, { required: true });
  assert.deepEqual(loaded.ok && [...loaded.agentTypes.keys()], ['claude', 'sum'], JSON.stringify(loaded));
});

test('a folder that cannot be written to is a line', async (t) => {
  const ran = await init(t, await temporaryFolder(), PATH, '--config', 'no/such/skein.yaml');
  assert.deepEqual([ran.exitCode, ran.stdout], [1, '']);
  assert.match(ran.stderr, /^skein: cannot write no\/such\/skein\.yaml: ENOENT/);
});

test('a version is asked for with a limit, and no program that hangs holds it up', async () => {
  const bin = await searchPath({
    hangs: 'exec sleep 1000',
    colourful: 'printf "\\033[1mv1\\033[0m\\nmore\\n"',
    mute: '',
  });
  assert.equal(await versionOf(join(bin, 'hangs'), 100), null);
  assert.equal(await versionOf(join(bin, 'colourful')), 'v1');
  assert.equal(await versionOf(join(bin, 'mute')), null);
});
