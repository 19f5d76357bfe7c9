/** `skein doctor` on machines where something is wrong, and where nothing is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Finding } from '../../src/commands/doctor/finding.ts';
import { checkNode } from '../../src/commands/doctor/environment.ts';
import { runCliIn } from '../examples/run-cli.ts';
import { repository } from '../git-repository.ts';
import { killMarked, processesMarked } from '../processes.ts';
import { startRedis } from '../redis-server.ts';
import { startServer, temporaryFolder } from '../server-process.ts';

interface Examined {
  readonly exitCode: number | null;
  readonly findings: readonly Finding[];
  /** Of those about it, the levels and what they say. */
  about(what: string): string[];
}

/** As in an environment of nothing but what is named, with any port that is free. */
async function examine(
  t: TestContext,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
  ...args: readonly string[]
): Promise<Examined> {
  const unset = Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('MCP_'))
      .map((name) => [name, '']),
  );
  const free = { MCP_TCP_PORT: '0', MCP_HTTP_PORT: '0' };
  const ran = await runCliIn(t, cwd, { ...unset, ...free, ...env }, 'doctor', '--json', ...args);
  assert.equal(ran.stderr, '');
  const { ok, findings } = JSON.parse(ran.stdout) as { ok: boolean; findings: Finding[] };
  assert.equal(ran.exitCode, ok ? 0 : 1);
  assert.equal(
    ok,
    findings.every(({ level }) => level !== 'problem'),
  );
  for (const { level, advice } of findings) assert.equal(advice === undefined, level === 'ok');
  return {
    exitCode: ran.exitCode,
    findings,
    about: (what) => findings.filter(({ about }) => about === what).map(({ level, message }) => `${level}: ${message}`),
  };
}

async function listen(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return String((server.address() as AddressInfo).port);
}

test('where all is well it says so, ends with 0, and has changed nothing', async (t) => {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, 'skein.yaml'), 'agentTypes: {sum: {argv: [sha256sum]}, me: {runtime: external}}');
  const seen = await examine(t, folder);
  assert.deepEqual([seen.exitCode, seen.findings.filter(({ level }) => level !== 'ok')], [0, []]);
  assert.match(seen.about('type sum')[0]!, /^ok: \/.*\/sha256sum$/);
  assert.match(seen.about('type me')[0]!, /^ok: comes by itself/);
  assert.deepEqual(readdirSync(folder), ['skein.yaml']);

  const { stdout } = await runCliIn(t, folder, { MCP_TCP_PORT: '0', MCP_HTTP_PORT: '0' }, 'doctor');
  assert.match(stdout, /^✔ node {9}\d/);
  assert.match(stdout, /\nEverything is well\.\n$/);
});

test('ports: free, a skein, somebody else', async (t) => {
  const folder = await temporaryFolder();
  const server = await startServer(t);
  const here = {
    MCP_TCP_PORT: String(server.port),
    MCP_HTTP_PORT: String(server.httpPort),
    MCP_DATA_DIR: server.dataDir,
  };
  const skein = await examine(t, folder, here);
  assert.match(
    skein.about('tcp port')[0]!,
    /^ok: 127\.0\.0\.1:\d+: a skein \d+\.\d+\.\d+ answers, which was started at 20/,
  );
  assert.match(skein.about('http port')[0]!, /^ok: .* a skein answers: ok$/);
  assert.match(skein.about('data')[0]!, new RegExp(`^ok: .*, held by process ${server.pid} on host `));
  assert.equal(skein.exitCode, 0);

  const other = { MCP_DATA_DIR: server.dataDir };
  assert.match(
    (await examine(t, folder, other)).about('data')[0]!,
    /^warning: .*held by process \d+ .*; no skein answers/,
  );

  const ssh = await listen(
    t,
    createServer((socket) => void socket.on('error', () => {}).end('SSH-2.0-x\r\n')),
  );
  const web = await listen(
    t,
    createHttpServer((_, response) => response.end('{"status":"fine"}')),
  );
  const others = await examine(t, folder, { MCP_TCP_PORT: ssh, MCP_HTTP_PORT: web });
  for (const what of ['tcp port', 'http port']) {
    assert.match(
      others.about(what)[0]!,
      /^problem: 127\.0\.0\.1:\d+ is in use by something that does not answer as a skein/,
    );
  }
  const nowhere = await examine(t, folder, { MCP_BIND: '192.0.2.1' }, '--port', ssh);
  assert.match(nowhere.about('tcp port')[0]!, /^problem: 192\.0\.2\.1:\d+ is not an address of this machine/);
});

test('settings: each that is wrong, what looks misspelt, and what is open to everyone', async (t) => {
  const env = {
    MCP_KEEPALIVE: 'x',
    MCP_POOL_SIZE: '0',
    MCP_GRASE: '5',
    MCP_TIMEOUT_OF_SOMETHING_ELSE: '1',
    MCP_BIND: '0.0.0.0',
    MCP_CLIENT_WAITS: 'cursor=soon',
  };
  const seen = await examine(t, await temporaryFolder(), env, '--log-level', 'loud');
  assert.deepEqual(seen.about('settings'), [
    'problem: MCP_KEEPALIVE is "x": it must be a whole number from 1 to 86400 (s)',
    'problem: --log-level is "loud": it must be one of trace, debug, info, warn, error, fatal, silent',
    'problem: MCP_POOL_SIZE is "0": it must be a whole number from 1 to 10000',
    'warning: MCP_GRASE is set, which skein does not read',
    'problem: MCP_CLIENT_WAITS: "cursor=soon" has to be a client\'s name, = and 1 to 600 (s), such as cursor=240; * is for all that are not known',
    'warning: listens on 0.0.0.0: whoever reaches it can do everything, there is no authentication',
  ]);
  assert.equal(
    seen.findings.find(({ message }) => message.startsWith('MCP_GRASE'))?.advice,
    'if MCP_GRACE was meant, rename it',
  );
});

test('the version of Node', () => {
  assert.deepEqual(
    ['18.20.0', '20.10.9', '20.11.0', '22.0.0'].map((version) => checkNode(version).level),
    ['problem', 'problem', 'ok', 'ok'],
  );
});

test('the store: a directory that is none, and a Redis that is there or not', async (t) => {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, 'file'), '');
  assert.match(
    (await examine(t, folder, { MCP_DATA_DIR: 'file' })).about('data')[0]!,
    /^problem: .*\/file is not a directory$/,
  );
  await mkdir(join(folder, 'open'), { mode: 0o755 });
  assert.match(
    (await examine(t, folder, { MCP_DATA_DIR: 'open' })).about('data')[1]!,
    /^warning: .* open to other users/,
  );

  const redis = await startRedis(t);
  assert.deepEqual((await examine(t, folder, { MCP_REDIS_URL: redis.url })).about('memory'), [
    `ok: ${redis.url} answers`,
  ]);
  await redis.kill();
  const gone = await examine(t, folder, { MCP_REDIS_URL: redis.url.replace('//', '//user:secret@') });
  assert.match(
    gone.about('memory')[0]!,
    /^problem: redis:\/\/\*\*\*@127\.0\.0\.1:\d+ does not answer: connect ECONNREFUSED/,
  );
});

test('agent types: what is wrong in the file, and what could not be started', async (t) => {
  const { folder } = await repository(t);
  const none = await examine(t, folder);
  assert.match(none.about('agent types')[0]!, /^warning: \.\/skein\.yaml names none/);
  assert.match(
    (await examine(t, folder, {}, '--config', 'x.yaml')).about('agent types')[0]!,
    /^problem: x\.yaml: there is no such file$/,
  );

  const file = join(folder, 'skein.yaml');
  writeFileSync(file, 'agentTypes: {a: {argv: x}, b: {stdin: loud, argv: [x]}}');
  const wrong = (await examine(t, folder)).about('agent types');
  assert.equal(wrong.length, 2);
  assert.match(wrong[0]!, /^problem: \.\/skein\.yaml:1:24: agentTypes\.a\.argv: must be /);
  assert.match(wrong[1]!, /^problem: \.\/skein\.yaml:1:39: agentTypes\.b\.stdin: must be /);

  writeFileSync(
    file,
    `agentTypes:
  gone: {argv: [no-such-program]}
  plain: {argv: [./plain]}
  nowhere: {argv: [cat], cwd: none}
  coder: {argv: [cat], cwd: worktree}
  branch: {argv: [cat], cwd: worktree, worktree: {base: dev}}
  keyed: {argv: [cat], env: [SURELY_UNSET, PATH]}
  claude: {argv: [claude]}
  script: {argv: [./dangerous]}
`,
  );
  writeFileSync(join(folder, 'plain'), '');
  const bin = join(folder, 'bin');
  await mkdir(bin);
  writeFileSync(join(bin, 'claude'), '#!/bin/sh\necho 2.1.0\n', { mode: 0o755 });
  // Nobody knows what it makes of --version.
  writeFileSync(join(folder, 'dangerous'), `#!/bin/sh\ntouch "${folder}/done"\n`, { mode: 0o755 });
  const seen = await examine(t, folder, { PATH: `${bin}:${process.env.PATH}` });
  assert.match(seen.about('type gone')[0]!, /^problem: there is no program no-such-program in PATH/);
  assert.match(seen.about('type plain')[0]!, /^problem: .*\/plain is not executable by this user/);
  assert.match(seen.about('type nowhere')[0]!, /^problem: the working directory .*\/none does not exist/);
  assert.deepEqual(seen.about('type coder').length, 1);
  assert.match(
    seen.about('type branch')[1]!,
    /^problem: no worktree can be made of .*: it has no commit, branch or tag "dev"$/,
  );
  assert.deepEqual(seen.about('type keyed').slice(1), ['warning: SURELY_UNSET is not set here']);
  assert.deepEqual(seen.about('type claude'), [`ok: ${bin}/claude, 2.1.0`]);
  assert.deepEqual(seen.about('type script'), [`ok: ${folder}/dangerous`]);
  assert.ok(!readdirSync(folder).includes('done'));
});

test('a trivial task, from end to end, of which nothing is left', async (t) => {
  const { folder, branches, worktrees, git } = await repository(t);
  const mark = `DOCTOR_TEST=${process.pid}`;
  writeFileSync(
    join(folder, 'skein.yaml'),
    `agentTypes:
  echo: {argv: [cat], stdin: prompt, cwd: worktree}
  grumpy: {argv: [sh, -c, 'echo "not signed in" >&2; exit 1']}
  daemon: {env: [DOCTOR_TEST], argv: [sh, -c, 'trap "" TERM; setsid sleep 1000 >/dev/null 2>&1 & echo up']}
  me: {runtime: external}
`,
  );
  t.after(() => killMarked(mark));
  git('add', 'skein.yaml');
  git('commit', '--quiet', '--message', 'types');
  const temporary = await temporaryFolder();
  const env = { TMPDIR: temporary, DOCTOR_TEST: String(process.pid) };
  const all = await examine(t, folder, env, '--run');
  assert.match(all.about('run echo')[0]!, /^ok: completed in \d+\.\d s: Reply with the single word: ready/);
  assert.deepEqual(all.about('run grumpy'), ['problem: exit_code: sh exited with code 1: not signed in']);
  assert.match(all.about('run daemon')[0]!, /^ok: completed in .*: up$/);
  assert.deepEqual(all.about('run me'), ['ok: not tried: it comes by itself']);
  assert.deepEqual(processesMarked(mark), []);
  assert.deepEqual(
    readdirSync(temporary).filter((name) => name.startsWith('skein')),
    [],
  );
  assert.deepEqual([branches(), worktrees(), git('status', '--porcelain')], [['main'], [], '']);

  assert.deepEqual((await examine(t, folder, env, '--run', 'grumpy')).about('run echo'), []);
  assert.deepEqual((await examine(t, folder, env, '--run', 'nobody')).about('run nobody'), [
    'problem: there is no such agent type',
  ]);
});
