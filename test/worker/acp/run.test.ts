/** Agents of the protocol's own library, and programs that are none; after each, nobody is left. Linux, for /proc. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AcpType } from '../../../src/agent-types.ts';
import { runAcp, type AcpOptions } from '../../../src/worker/acp/run.ts';
import type { Ask, Decision } from '../../../src/worker/approval.ts';
import type { Job } from '../../../src/worker/job.ts';
import type { Outcome } from '../../../src/worker/outcome.ts';
import { killMarked, processesMarked } from '../../processes.ts';
import { jobDefaults } from '../defaults.ts';

const program = fileURLToPath(new URL('agent.mjs', import.meta.url));
const node = process.execPath;

const typeDefaults: AcpType = {
  name: 'test',
  runtime: 'acp',
  argv: [node],
  cwd: tmpdir(),
  env: [],
  setEnv: {},
  maxOutputBytes: 1024 * 1024,
  permissions: 'deny',
  capabilities: [],
  maxConcurrent: 1,
};

interface Run extends Partial<Omit<AcpOptions, 'log'>> {
  readonly type?: Partial<AcpType>;
  readonly job?: Partial<Job>;
  readonly signal?: AbortSignal;
}

let runs = 0;
const warnings: unknown[] = [];
const log = { debug() {}, warn: (facts: object) => void warnings.push(facts) } as never;

const access = { host: '127.0.0.1', port: 9500, cli: ['node', 'cli.js'], leaseToken: 'lease_1' } as const;
const nobody: Ask = async () => assert.fail('nobody is to be asked');

async function run(argv: readonly string[], options: Run = {}): Promise<Outcome> {
  const agentId = `agent_acp_${process.pid}_${++runs}`;
  const { type, job, signal = new AbortController().signal, ...more } = options;
  warnings.length = 0;
  try {
    const outcome = await runAcp(
      { ...typeDefaults, argv: argv as AcpType['argv'], ...type },
      { ...jobDefaults, ...job, agentId },
      signal,
      { killGraceMs: 60_000, ask: nobody, onProgress() {}, ...more, log },
    );
    assert.deepEqual(processesMarked(`SKEIN_AGENT_ID=${agentId}`), [], 'processes are left');
    return outcome;
  } finally {
    await killMarked(`SKEIN_AGENT_ID=${agentId}`);
  }
}

const agent = (...behaviour: readonly string[]): readonly string[] => [node, program, ...behaviour];

async function succeed(argv: readonly string[], options?: Run): Promise<unknown> {
  const outcome = await run(argv, options);
  assert.ok(outcome.ok, JSON.stringify(outcome));
  return outcome.result;
}

async function fail(argv: readonly string[], options?: Run): Promise<Extract<Outcome, { ok: false }>> {
  const outcome = await run(argv, options);
  assert.ok(!outcome.ok, JSON.stringify(outcome));
  return outcome;
}

/** Stops the run once the agent has come so far. */
function stoppedWhen(progress: string): Pick<Run, 'signal' | 'onProgress'> {
  const abort = new AbortController();
  return {
    signal: abort.signal,
    onProgress: (text) => {
      if (text === progress) abort.abort('cancelled by the test');
    },
  };
}

describe('a turn that ends well', () => {
  test('the result is the last message; usage and cost are what the agent told', async () => {
    const progress: string[] = [];
    const outcome = await run(agent('work'), { onProgress: (text) => void progress.push(text) });
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.equal(outcome.result, 'The answer is 42.');
    assert.deepEqual(outcome.usage, { inputTokens: 40, outputTokens: 25, costUsd: 0.25 });
    assert.deepEqual(progress, ['1 of 2 done: Think hard', 'Read notes.txt']);
  });

  test('the agent gets the prompt and its folder, and is offered no files of ours', async () => {
    const prompt = await succeed(agent('echo'), { job: { description: 'Say it', input: { n: 1 } } });
    assert.equal(prompt, 'Say it\n\n--- Input ---\n{\n  "n": 1\n}');
    assert.deepEqual(await succeed(agent('session')), { cwd: tmpdir(), mcpServers: [] });
    assert.match(String(await succeed(agent('read'))), /^-32601 .*fs\/read_text_file/);
  });

  test('with mcp the agent is told of the bridge to its swarm, for its claim', async () => {
    const { mcpServers } = (await succeed(agent('session'), { type: { mcp: true }, access })) as any;
    const [{ env, ...server }] = mcpServers;
    assert.deepEqual(server, { name: 'skein', command: 'node', args: ['cli.js', 'bridge', '--profile', 'agent'] });
    const values = Object.fromEntries(env.map(({ name, value }: any) => [name, value]));
    assert.match(values.SKEIN_AGENT_ID, /^agent_acp_/);
    delete values.SKEIN_AGENT_ID;
    assert.deepEqual(values, {
      MCP_HOST: '127.0.0.1',
      MCP_TCP_PORT: '9500',
      SKEIN_ASSIGNMENT_ID: jobDefaults.assignmentId,
      SKEIN_LEASE_TOKEN: 'lease_1',
    });
  });

  test('the token counts of Gemini CLI', async () => {
    assert.deepEqual((await run(agent('gemini'))).usage, { inputTokens: 7, outputTokens: 3, costUsd: null });
  });

  test('the tokens of opencode are those of its last request: more than one, and they are not known', async () => {
    assert.deepEqual((await run(agent('opencode'))).usage, { inputTokens: 10, outputTokens: 20, costUsd: 0.5 });
    const progress: string[] = [];
    const { usage } = await run(agent('opencode', 'skein_task_update'), {
      onProgress: (text) => void progress.push(text),
    });
    assert.deepEqual(usage, { inputTokens: null, outputTokens: null, costUsd: 0.5 });
    assert.deepEqual(progress, [], 'that it reports is no progress');
  });

  test('an agent that tells nothing of its usage has none', async () => {
    assert.equal((await run(agent('echo'))).usage, null);
  });

  test('messages are told apart by their ids; what is said in another session is not heard', async () => {
    assert.equal(await succeed(agent('messages')), 'last one');
    assert.equal(await succeed(agent('elsewhere')), 'mine');
  });

  test('an agent that only used tools has an empty result; one that did nothing has failed', async () => {
    assert.equal(await succeed(agent('tool')), '');
    const failure = await fail(agent('silence'));
    assert.equal(failure.reason, 'bad_output');
    assert.match(failure.message, /ended its turn without an answer/);
  });

  test('an agent that does not end after its turn is stopped, and its result stands', async () => {
    assert.equal(await succeed(agent('stay'), { killGraceMs: 100 }), 'done, and here I stay');
  });

  test('a login that needs only a variable that is there', async () => {
    assert.equal(await succeed(agent('login'), { type: { setEnv: { AGENT_KEY: 'secret' } } }), 'logged in');
  });
});

describe('permission', () => {
  test('allow: for this once, else for always', async () => {
    const type = { permissions: 'allow' } as const;
    assert.deepEqual(await succeed(agent('ask'), { type }), { outcome: 'selected', optionId: 'b' });
    assert.deepEqual(await succeed(agent('ask', 'allow_always'), { type }), { outcome: 'selected', optionId: 'a' });
  });

  test('deny: the agent is told so, and the run is a failure that says what to do', async () => {
    const failure = await fail(agent('ask'));
    assert.equal(failure.reason, 'permission_denied');
    assert.equal(failure.retryable, false);
    assert.match(
      failure.message,
      /denied permission \(rm -rf build: permissions: deny\): permissions: allow in skein\.yaml/,
    );
    assert.match(failure.details.stdout, /\\"optionId\\":\\"d\\"/, 'it was the option that says no for this once');
    assert.match((await fail(agent('ask', 'reject_always'))).details.stdout, /\\"optionId\\":\\"c\\"/);
  });

  test('ask: a person is shown what the agent said of it, and decides', async () => {
    const type = { permissions: 'ask' } as const;
    const asked: unknown[] = [];
    const answering =
      (decision: Decision): Ask =>
      async (tool, input) => {
        asked.push([tool, input]);
        return decision;
      };
    const allowed = await succeed(agent('ask'), { type, ask: answering({ allow: true }) });
    assert.deepEqual(allowed, { outcome: 'selected', optionId: 'b' });
    assert.deepEqual(asked, [['rm -rf build', { kind: 'delete', rawInput: { path: 'build' } }]]);
    const failure = await fail(agent('ask'), { type, ask: answering({ allow: false, message: 'not today' }) });
    assert.equal(failure.reason, 'permission_denied');
    assert.match(failure.message, /denied permission \(rm -rf build: not today\)/);
  });

  test('ask: who is cancelled meanwhile is told so, and is a failure like any other that is cancelled', async () => {
    const abort = new AbortController();
    const ask: Ask = (_tool, _input, signal) => {
      const answer = new Promise<Decision>((resolve) => {
        signal.addEventListener('abort', () => resolve({ allow: false, message: 'aborted' }));
      });
      abort.abort('cancelled by the test');
      return answer;
    };
    const failure = await fail(agent('ask'), { type: { permissions: 'ask' }, ask, signal: abort.signal });
    assert.equal(failure.reason, 'cancelled');
    assert.match(failure.details.stdout, /\\"outcome\\":\\"cancelled\\"/);
  });

  test('the tools of the bridge to its swarm need none', async () => {
    const yes = { outcome: 'selected', optionId: 'b' };
    for (const about of [
      { kind: 'other', title: 'mcp__skein__task_update' },
      { kind: 'other', title: 'task_update (skein MCP Server)' },
      { kind: null, title: 'Approve MCP tool call', rawInput: { server_name: 'skein' } },
    ]) {
      const asking = agent('ask', '', JSON.stringify(about));
      assert.deepEqual(await succeed(asking, { type: { mcp: true }, access }), yes, about.title);
      assert.equal((await fail(asking)).reason, 'permission_denied', 'it was not given them');
    }
    const command = agent('ask', '', JSON.stringify({ kind: 'execute', title: 'mcp__skein__task_update' }));
    assert.equal((await fail(command, { type: { mcp: true }, access })).reason, 'permission_denied');
  });

  test('a question that has no answer of the kind', async () => {
    const failure = await fail(agent('ask', 'reject'), { type: { permissions: 'allow' } });
    assert.equal(failure.reason, 'permission_denied');
    assert.match(failure.message, /rm -rf build: it offered no answer that allows it/);
    assert.match((await fail(agent('ask', 'allow'))).details.stdout, /\\"outcome\\":\\"cancelled\\"/);
  });
});

describe('a turn that ends badly', () => {
  for (const [stopReason, reason] of [
    ['refusal', 'refusal'],
    ['max_tokens', 'max_tokens'],
    ['max_turn_requests', 'max_turn_requests'],
    ['cancelled', 'turn_cancelled'],
    ['constructor', 'bad_output'],
  ] as const) {
    test(`stop reason ${stopReason}`, async () => {
      const failure = await fail(agent('stop', stopReason));
      assert.equal(failure.reason, reason);
      assert.equal(failure.retryable, true);
    });
  }

  test('an error instead of an answer', async () => {
    const failure = await fail(agent('fail'));
    assert.equal(failure.reason, 'agent_error');
    assert.match(failure.message, /answered session\/prompt with error -32603: .*no answer.*the model is overloaded/);
  });

  test('an agent that wants a login', async () => {
    const failure = await fail(agent('login'));
    assert.equal(failure.reason, 'authentication_required');
    assert.equal(failure.retryable, false);
    assert.match(
      failure.message,
      /wants a login: .*Log in with a browser, Use a key \(AGENT_KEY\).* env of skein\.yaml/,
    );
  });

  test('another version of the protocol', async () => {
    const failure = await fail(agent('version', '2'));
    assert.equal(failure.reason, 'bad_output');
    assert.match(failure.message, /speaks version 2 .*; this worker speaks 1/);
  });

  test('a crash in the middle, and an exit that looks well', async () => {
    const failure = await fail(agent('crash', '3'));
    assert.equal(failure.reason, 'exit_code');
    assert.match(failure.message, /exited with code 3: out of luck/);
    assert.match(
      (await fail(agent('crash', '0'))).message,
      /exited with code 0 before its turn had ended: out of luck/,
    );
  });
});

describe('a program that is no agent', () => {
  test('prose', async () => {
    const failure = await fail(['/bin/sh', '-c', 'echo "Usage: agent [options]"; cat']);
    assert.equal(failure.reason, 'bad_output');
    assert.match(failure.message, /no message .*it begins "Usage: agent \[options\]", and was stopped/);
  });

  test('an echo', async () => {
    const failure = await fail(['cat']);
    assert.equal(failure.reason, 'agent_error');
    assert.match(failure.message, /cat answered initialize with error -32601/);
  });

  test('answers without what they must have', async () => {
    const failure = await fail(['/bin/sh', '-c', `echo '{"jsonrpc":"2.0","id":1,"result":{}}'; cat >/dev/null`]);
    assert.match(failure.message, /answered initialize without a protocolVersion/);
  });

  test('bytes that are not UTF-8', async () => {
    assert.match((await fail(['/bin/sh', '-c', `printf '\\377\\n'; cat`])).message, /a line that is not UTF-8/);
  });

  test('one that ends at once, and one that is not there', async () => {
    assert.equal((await fail(['true'])).reason, 'exit_code');
    assert.equal((await fail(['skein-no-such-program'])).reason, 'not_found');
  });
});

describe('an agent that has to be stopped', () => {
  test('garbage in the middle of a turn', async () => {
    const failure = await fail(agent('garbage'));
    assert.equal(failure.reason, 'bad_output');
    assert.match(failure.message, /it begins "Update available! Run npm install"/);
  });

  test('too much to say', async () => {
    const failure = await fail(agent('flood'), { type: { maxOutputBytes: 100_000 } });
    assert.equal(failure.reason, 'output_too_large');
    assert.match(failure.message, /said more than 100000 bytes, and was stopped/);
  });

  test('a line that is too long', async () => {
    assert.match((await fail(agent('long'))).message, /a line of more than 10485760 bytes/);
  });

  test('cancelled: it is asked to give up its turn, and is a failure whatever it answers', async () => {
    const failure = await fail(agent('wait'), stoppedWhen('waiting'));
    assert.equal(failure.reason, 'cancelled');
    assert.match(failure.message, /was stopped: cancelled by the test/);
    assert.match(failure.details.stderr, /gave up/);
  });

  test('cancelled, and it minds nothing', async () => {
    const failure = await fail(agent('hang'), { ...stoppedWhen('hanging'), killGraceMs: 100 });
    assert.equal(failure.reason, 'cancelled');
    assert.equal(failure.details.signal, 'SIGKILL');
  });

  test('too slow', async () => {
    const failure = await fail(agent('wait'), { job: { timeoutMs: 1_500 } });
    assert.equal(failure.reason, 'timeout');
    assert.match(failure.message, /did not end within 1500 ms/);
  });

  test('cancelled before it was started', async () => {
    const signal = AbortSignal.abort('too late');
    assert.match((await fail(agent('work'), { signal })).message, /was not started: too late/);
  });
});
