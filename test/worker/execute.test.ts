/** Real programs, and after each of them: nobody is left who carries the run's mark. Linux, for /proc. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { CommandType } from '../../src/agent-types.ts';
import { execute } from '../../src/worker/execute.ts';
import type { Job } from '../../src/worker/job.ts';
import type { Outcome } from '../../src/worker/outcome.ts';
import { killMarked, processesMarked } from '../processes.ts';
import { commandDefaults, jobDefaults } from './defaults.ts';

type Failure = Extract<Outcome, { ok: false }>;

interface Run {
  readonly type?: Partial<CommandType>;
  readonly job?: Partial<Job>;
  readonly signal?: AbortSignal;
  readonly killGraceMs?: number;
  readonly waitedMs?: () => Promise<number>;
}

let runs = 0;
const warnings: unknown[] = [];
const log = { debug() {}, warn: (facts: object) => void warnings.push(facts) } as never;

async function run(argv: CommandType['argv'], options: Run = {}): Promise<Outcome> {
  const agentId = options.job?.agentId ?? nextAgentId();
  const type: CommandType = { ...commandDefaults, stdin: 'input', argv, ...options.type };
  const job = { ...jobDefaults, ...options.job, agentId };
  const signal = options.signal ?? new AbortController().signal;
  warnings.length = 0;
  try {
    const { killGraceMs = 60_000, waitedMs } = options;
    const outcome = await execute(type, job, signal, { killGraceMs, log, ...(waitedMs && { waitedMs }) });
    assert.deepEqual(processesMarked(`SKEIN_AGENT_ID=${agentId}`), [], 'processes are left');
    return outcome;
  } finally {
    await killMarked(`SKEIN_AGENT_ID=${agentId}`);
  }
}

function nextAgentId(): string {
  return `agent_execute_${process.pid}_${++runs}`;
}

async function succeed(argv: CommandType['argv'], options?: Run): Promise<unknown> {
  const outcome = await run(argv, options);
  assert.ok(outcome.ok, JSON.stringify(outcome));
  return outcome.result;
}

async function fail(argv: CommandType['argv'], options?: Run): Promise<Failure> {
  const outcome = await run(argv, options);
  assert.ok(!outcome.ok, JSON.stringify(outcome));
  return outcome;
}

const sh = (script: string): CommandType['argv'] => ['/bin/sh', '-c', script];
const node = (script: string): CommandType['argv'] => [process.execPath, '-e', script];

function temporaryFolder(t: TestContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'skein-execute-')));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Resolves when a program has created the file: by then it does what the test is about. */
async function appears(path: string): Promise<void> {
  const watcher = watch(join(path, '..'));
  try {
    await new Promise<void>((resolve) => {
      watcher.on('change', () => existsSync(path) && resolve());
      if (existsSync(path)) resolve();
    });
  } finally {
    watcher.close();
  }
}

describe('a program that works', () => {
  test('the digest of random input is the true one', async () => {
    const input = randomBytes(100_000).toString('base64');
    const digest = createHash('sha256').update(input).digest('hex');
    assert.equal(await succeed(['sha256sum'], { job: { input } }), `${digest}  -`);
  });

  test('5 MiB of input arrive whole, at a program that takes its time', async () => {
    const input = 'ä'.repeat(2.5 * 1024 * 1024);
    const slowReader = node(`
      const hash = require('node:crypto').createHash('sha256');
      process.stdin.on('data', (chunk) => {
        hash.update(chunk);
        process.stdin.pause();
        setImmediate(() => process.stdin.resume());
      });
      process.stdin.on('end', () => console.log(hash.digest('hex')));`);
    assert.equal(await succeed(slowReader, { job: { input } }), createHash('sha256').update(input).digest('hex'));
  });

  test('5 MiB that go in and come out at the same time', async () => {
    const input = randomBytes(2.5 * 1024 * 1024).toString('hex');
    assert.equal(await succeed(['cat'], { job: { input }, type: { maxOutputBytes: 6 * 1024 * 1024 } }), input);
  });

  test('one newline at the end is not part of the text; the rest is kept as it is', async () => {
    assert.equal(await succeed(['printf', 'a\\n\\n']), 'a\n');
    assert.equal(await succeed(['printf', 'a\\r\\n']), 'a');
    assert.equal(await succeed(['printf', ' a\\tb ']), ' a\tb ');
    assert.equal(await succeed(['true']), '');
  });

  test('characters that arrive in two parts', async () => {
    const halves = node(
      `process.stdout.write(Buffer.from([0xe2, 0x82]), () => process.stdout.write(Buffer.from([0xac])))`,
    );
    assert.equal(await succeed(halves), '€');
  });

  test('JSON is parsed and kept as it is', async () => {
    const input = { vote: 'yes', n: [1, 2.5, null], deep: { a: true } };
    assert.deepEqual(await succeed(['cat'], { job: { input }, type: { parse: 'json' } }), input);
  });

  test('arguments are not read by a shell', async () => {
    assert.equal(await succeed(['printf', '%s', '$HOME; `id` * "']), '$HOME; `id` * "');
  });

  test('the working directory', async (t) => {
    const cwd = temporaryFolder(t);
    assert.equal(await succeed(['/bin/pwd'], { type: { cwd } }), cwd);
  });

  test('standard error does not count, however much it is', async () => {
    assert.equal(await succeed(sh('head -c 3000000 /dev/zero >&2; echo fine')), 'fine');
  });
});

describe('the environment', () => {
  test('is what the type allows and sets, and the job', async (t) => {
    process.env.SKEIN_TEST_ALLOWED = 'allowed';
    process.env.SKEIN_TEST_OTHER = 'other';
    t.after(() => {
      delete process.env.SKEIN_TEST_ALLOWED;
      delete process.env.SKEIN_TEST_OTHER;
    });
    const agentId = nextAgentId();
    const text = await succeed([process.execPath, '-p', 'JSON.stringify(process.env)'], {
      type: { env: ['SKEIN_TEST_ALLOWED', 'SKEIN_TEST_UNSET'], setEnv: { MODE: 'a b', SKEIN_TASK_ID: 'forged' } },
      job: { attempt: 3, phase: 'judge', agentId },
    });
    const env = JSON.parse(String(text)) as Record<string, string>;
    assert.equal(env.PATH, process.env.PATH);
    const beyondAlways = Object.keys(env).filter(
      (name) => !'PATH HOME USER LOGNAME SHELL LANG LC_ALL LC_CTYPE TZ TMPDIR'.includes(name),
    );
    assert.deepEqual(beyondAlways.sort(), [
      'MODE',
      'SKEIN_AGENT_ID',
      'SKEIN_ASSIGNMENT_ID',
      'SKEIN_ATTEMPT',
      'SKEIN_PHASE',
      'SKEIN_SWARM_ID',
      'SKEIN_TASK_ID',
      'SKEIN_TEST_ALLOWED',
    ]);
    assert.equal(env.MODE, 'a b');
    assert.equal(env.SKEIN_TEST_ALLOWED, 'allowed');
    assert.equal(env.SKEIN_TASK_ID, 'task_1');
    assert.equal(env.SKEIN_AGENT_ID, agentId);
    assert.equal(env.SKEIN_PHASE, 'judge');
    assert.equal(env.SKEIN_ATTEMPT, '3');
  });

  test('that no program can be started with is a failure, no exception', async () => {
    const failure = await fail(['true'], { job: { phase: 'a\0b' } });
    assert.equal(failure.reason, 'spawn_failed');
    assert.equal((await fail(['true', 'x'.repeat(3_000_000)])).reason, 'spawn_failed');
  });
});

describe('a program that fails', () => {
  test('exit code 1 carries the end of standard error', async () => {
    const failure = await fail(sh('echo partial; echo "first" >&2; echo "no such folder" >&2; exit 1'));
    assert.equal(failure.reason, 'exit_code');
    assert.equal(failure.retryable, true);
    assert.equal(failure.message, '/bin/sh exited with code 1: no such folder');
    assert.deepEqual(failure.details, {
      exitCode: 1,
      signal: null,
      stdout: 'partial\n',
      stderr: 'first\nno such folder\n',
    });
  });

  test('of a long standard error the last 4 KiB are kept, as whole characters', async () => {
    const failure = await fail(node(`process.stderr.write('€'.repeat(100_000), () => process.exit(2))`));
    // 4096 is no multiple of the three bytes of the character.
    assert.equal(failure.details.stderr, '€'.repeat(Math.floor(4096 / 3)));
  });

  test('of a standard error of single characters too', async () => {
    const failure = await fail(sh('i=0; while [ $i -lt 5000 ]; do printf "%d," $i >&2; i=$((i+1)); done; exit 1'));
    assert.equal(failure.details.stderr.length, 4096);
    assert.match(failure.details.stderr, /,4998,4999,$/);
  });

  test('without standard error the message has the end of standard output', async () => {
    assert.match((await fail(sh('echo "Invalid API key"; exit 1'))).message, /code 1: Invalid API key$/);
    assert.match((await fail(['false'])).message, /exited with code 1 and wrote nothing$/);
  });

  test('ended by a signal that was not ours', async () => {
    const failure = await fail(sh('kill -SEGV $$'));
    assert.equal(failure.reason, 'signal');
    assert.equal(failure.details.signal, 'SIGSEGV');
    assert.equal(failure.details.exitCode, null);
    assert.equal(failure.retryable, true);
  });

  test('output that is not UTF-8', async () => {
    const failure = await fail(['printf', 'ab\\377c']);
    assert.equal(failure.reason, 'bad_output');
    assert.match(failure.message, /not UTF-8.*it begins "ab\ufffdc"/);
    assert.equal((await fail(['printf', 'ab\\342\\202'])).reason, 'bad_output');
  });

  test('output that is not JSON', async () => {
    const type = { parse: 'json' } as const;
    const failure = await fail(['echo', 'hello'], { type });
    assert.equal(failure.reason, 'bad_output');
    assert.match(failure.message, /did not write one JSON value .*it begins "hello\\n"/);
    assert.match((await fail(['true'], { type })).message, /it wrote nothing/);
    assert.equal((await fail(['printf', '{} {}'], { type })).reason, 'bad_output');
  });

  test('JSON that is nested too deep for a message', async () => {
    const type = { parse: 'json' } as const;
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    assert.equal((await run(['echo', nested(56)], { type })).ok, true);
    assert.match((await fail(['echo', nested(57)], { type })).message, /nested deeper than 56/);
    assert.equal((await fail(['cat'], { type, job: { input: nested(200_000) } })).reason, 'bad_output');
  });

  test('a result that would not fit into a message', async () => {
    const type = { maxOutputBytes: 8 * 1024 * 1024 };
    const failure = await fail(sh('head -c 2000000 /dev/zero | tr "\\0" "\\1"'), { type });
    assert.equal(failure.reason, 'output_too_large');
    assert.match(failure.message, /takes 12000002 bytes as JSON/);
    assert.equal(String(await succeed(sh('head -c 8000000 /dev/zero | tr "\\0" a'), { type })).length, 8_000_000);
  });
});

describe('a program that does not start', () => {
  test('a name that is not in PATH', async () => {
    const failure = await fail(['skein-no-such-program']);
    assert.equal(failure.reason, 'not_found');
    assert.equal(failure.retryable, false);
    assert.match(failure.message, /there is no program skein-no-such-program in PATH \(.*bin.*\)/);
    assert.deepEqual(failure.details, { exitCode: null, signal: null, stdout: '', stderr: '' });
  });

  test('a path that is not there', async () => {
    const failure = await fail(['/nowhere/program']);
    assert.equal(failure.reason, 'not_found');
    assert.equal(failure.message, 'there is no program /nowhere/program');
    assert.equal((await fail(['/bin/sh/program'])).reason, 'not_found');
  });

  test('a file that is not executable, by path and by name', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'plain');
    writeFileSync(file, 'echo');
    const failure = await fail([file]);
    assert.equal(failure.reason, 'not_executable');
    assert.equal(failure.retryable, false);
    assert.match(failure.message, /plain is not executable by this user/);
    const byName = await fail(['plain'], { type: { setEnv: { PATH: folder } } });
    assert.equal(byName.reason, 'not_executable');
    assert.match(byName.message, /plain is not executable by this user/);
  });

  test('a script whose interpreter is not there', async (t) => {
    const file = join(temporaryFolder(t), 'script');
    writeFileSync(file, '#!/nowhere/interpreter\n');
    chmodSync(file, 0o755);
    const failure = await fail([file]);
    assert.equal(failure.reason, 'not_found');
    assert.match(failure.message, /script is there, but the interpreter/);
  });

  test('a working directory that is not there, or none', async () => {
    const missing = await fail(['true'], { type: { cwd: '/nowhere/at/all' } });
    assert.equal(missing.reason, 'not_found');
    assert.match(missing.message, /working directory \/nowhere\/at\/all does not exist/);
    const file = await fail(['true'], { type: { cwd: '/bin/sh' } });
    assert.equal(file.reason, 'not_found');
    assert.match(file.message, /working directory \/bin\/sh is not a directory/);
  });
});

describe('a program that is stopped', () => {
  test('one that hangs, at its timeout', async () => {
    const failure = await fail(['sleep', '1000'], { job: { timeoutMs: 50 } });
    assert.equal(failure.reason, 'timeout');
    assert.equal(failure.retryable, true);
    assert.equal(failure.message, 'sleep did not end within 50 ms and was stopped');
    assert.equal(failure.details.signal, 'SIGTERM');
    assert.ok(failure.durationMs >= 45, String(failure.durationMs));
  });

  test("the type's timeout counts when it is the shorter one, and a very long one is none", async () => {
    const shorter = await fail(['sleep', '1000'], { type: { timeoutMs: 30 } });
    assert.match(shorter.message, /within 30 ms/);
    assert.equal(await succeed(['echo', 'fine'], { job: { timeoutMs: 2 ** 40 } }), 'fine');
  });

  test('but not at its timeout, if a person was waited for in its time', async (t) => {
    const answered = join(temporaryFolder(t), 'answered');
    const asks = sh(`while [ ! -e "${answered}" ]; do sleep 0.05; done; echo done`);
    let asked = 0;
    const waitedMs = async (): Promise<number> => {
      asked += 1;
      writeFileSync(answered, '');
      return 60_000;
    };
    assert.equal(await succeed(asks, { job: { timeoutMs: 50 }, waitedMs }), 'done');
    assert.equal(asked, 1);
  });

  test('one that ignores SIGTERM, and so does what it started', async (t) => {
    const ready = join(temporaryFolder(t), 'ready');
    const stubborn = sh(`trap '' TERM; (: > "$0"; while :; do sleep 1; done) & while :; do sleep 1; done`);
    // Its time is not over before it ignores the signal.
    const waitedMs = () => appears(ready).then(() => 0);
    const failure = await fail([...stubborn, ready], { type: { timeoutMs: 50 }, waitedMs, killGraceMs: 200 });
    assert.equal(failure.reason, 'timeout');
    assert.equal(failure.details.signal, 'SIGKILL');
  });

  test('one that ends well when it is told to is a failure all the same', async (t) => {
    const ready = join(temporaryFolder(t), 'ready');
    const polite = node(`
      process.on('SIGTERM', () => { console.log('done'); process.exit(0); });
      require('node:fs').writeFileSync(process.argv[1], '');
      setInterval(() => {}, 1000);`);
    const stop = new AbortController();
    const outcome = fail([...polite, ready], { signal: stop.signal });
    await appears(ready);
    stop.abort('the lease is lost');
    const failure = await outcome;
    assert.equal(failure.reason, 'cancelled');
    assert.equal(failure.retryable, false);
    assert.equal(failure.message, `${process.execPath} was stopped: the lease is lost`);
    assert.equal(failure.details.exitCode, 0);
    assert.equal(failure.details.stdout, 'done\n');
  });

  test('one that leaves while what it started ignores SIGTERM', async (t) => {
    const ready = join(temporaryFolder(t), 'ready');
    const stubborn = `sh -c 'trap "" TERM; : > "$0"; while :; do sleep 1; done' "$0" </dev/null >/dev/null 2>&1`;
    const script = sh(`${stubborn} & wait`);
    const stop = new AbortController();
    const outcome = fail([...script, ready], { signal: stop.signal, killGraceMs: 200 });
    await appears(ready);
    stop.abort();
    const failure = await outcome;
    assert.equal(failure.reason, 'cancelled');
    assert.equal(failure.details.signal, 'SIGTERM');
  });

  test('before it was started', async () => {
    const failure = await fail(['echo'], { signal: AbortSignal.abort() });
    assert.equal(failure.reason, 'cancelled');
    assert.equal(failure.message, 'echo was not started: cancelled');
  });

  test('a pipeline', async () => {
    assert.equal((await fail(sh('yes | sleep 1000'), { job: { timeoutMs: 50 } })).reason, 'timeout');
  });

  test('100 MB of output are not kept', async (t) => {
    const before = process.memoryUsage.rss();
    let peak = before;
    const sampling = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 2);
    t.after(() => clearInterval(sampling));
    const failure = await fail(sh('head -c 100000000 /dev/zero'));
    assert.equal(failure.reason, 'output_too_large');
    assert.match(failure.message, /more than 1048576 bytes/);
    assert.equal(failure.retryable, true);
    assert.ok(peak - before < 40e6, `memory grew by ${peak - before} bytes`);
  });

  test('endless output of a program that minds neither SIGTERM nor the closed pipe', async () => {
    const flood = sh(`trap '' TERM PIPE; while :; do echo 0123456789 2>&-; done`);
    const failure = await fail(flood, { killGraceMs: 200, type: { maxOutputBytes: 10_000 } });
    assert.equal(failure.reason, 'output_too_large');
    assert.equal(failure.details.signal, 'SIGKILL');
  });

  test('output of exactly the limit, and one byte more', async () => {
    const type = { maxOutputBytes: 100_000 };
    assert.equal(String(await succeed(sh('head -c 100000 /dev/zero'), { type })).length, 100_000);
    assert.equal((await fail(sh('head -c 100001 /dev/zero'), { type })).reason, 'output_too_large');
  });
});

describe('streams', () => {
  test('what holds the output after the program has exited is stopped, and the result stands', async () => {
    assert.equal(await succeed(sh('sleep 1000 & echo done')), 'done');
    assert.equal(warnings.length, 1);
  });

  test('what holds nothing is stopped too', async () => {
    assert.equal(await succeed(sh('sleep 1000 >/dev/null 2>&1 </dev/null & echo done')), 'done');
    assert.equal(warnings.length, 1);
  });

  test('what holds the output and ignores SIGTERM', async (t) => {
    const ready = join(temporaryFolder(t), 'ready');
    const stubborn = `(trap '' TERM; : > "$0"; while :; do sleep 1; done) &`;
    const script = sh(`${stubborn} while [ ! -e "$0" ]; do sleep 0.01; done; echo done`);
    assert.equal(await succeed([...script, ready], { killGraceMs: 100 }), 'done');
    assert.equal(warnings.length, 1);
  });

  test('output that is written after the exit, soon enough, is part of the result', async () => {
    assert.equal(
      await succeed(sh('(while kill -0 $$ 2>/dev/null; do :; done; echo late) & echo early')),
      'early\nlate',
    );
    assert.equal(warnings.length, 0);
  });

  test('more output than allowed after the exit', async () => {
    const late = sh('(while kill -0 $$ 2>/dev/null; do :; done; head -c 20000 /dev/zero; sleep 1000) &');
    const failure = await fail(late, { type: { maxOutputBytes: 10_000 } });
    assert.equal(failure.reason, 'output_too_large');
    assert.equal(failure.details.exitCode, 0);
  });

  test('a program that exits without reading its input', async () => {
    const input = 'x'.repeat(5 * 1024 * 1024);
    assert.equal(await succeed(['echo', 'fine'], { job: { input } }), 'fine');
  });

  test('a program that closes its input and goes on', async () => {
    const input = 'x'.repeat(5 * 1024 * 1024);
    assert.equal(await succeed(sh('exec 0<&-; sleep 0.1; echo fine'), { job: { input } }), 'fine');
  });

  test('a program that closes its output and goes on', async () => {
    assert.equal(await succeed(sh('echo fine; exec 1>&- 2>&-; sleep 0.1')), 'fine');
  });

  test('no input is the end of the input', async () => {
    assert.equal(await succeed(['cat'], { type: { stdin: 'none' }, job: { input: 'x' } }), '');
    assert.equal(await succeed(['cat']), '');
  });
});
