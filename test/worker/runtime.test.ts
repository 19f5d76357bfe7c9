/** Command lines of agents, run: how a run ends decides over what it printed, and what it used is told in any case. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { CommandType } from '../../src/agent-types.ts';
import { templateNames, type TemplateName } from '../../src/templates/index.ts';
import { execute } from '../../src/worker/execute.ts';
import type { Job } from '../../src/worker/job.ts';
import type { Outcome } from '../../src/worker/outcome.ts';
import { temporaryFolder } from '../server-process.ts';
import { commandDefaults, jobDefaults } from './defaults.ts';

const job: Job = { ...jobDefaults, agentId: `agent_runtime_${process.pid}` };
const log = { debug() {}, warn() {} } as never;
const access = { host: 'coordinator', port: 9500, leaseToken: 'lease_1', cli: ['/opt/skein'] } as const;

const run = (type: Partial<CommandType>, signal = new AbortController().signal): Promise<Outcome> =>
  execute({ ...commandDefaults, ...type }, job, signal, { killGraceMs: 60_000, log, access });
const sh = (script: string): CommandType['argv'] => ['/bin/sh', '-c', script];

const tokens = { input: 10, output: 5, prompt: 10, candidates: 5 };
const success: Readonly<Record<TemplateName, readonly object[]>> = {
  claude: [
    {
      type: 'result',
      subtype: 'success',
      result: 'yes',
      usage: { input_tokens: 10, output_tokens: 5 },
      total_cost_usd: 1,
    },
  ],
  codex: [
    { type: 'item.completed', item: { type: 'agent_message', text: 'yes' } },
    { type: 'turn.completed', usage: { input_tokens: 10, output_tokens: 5 } },
  ],
  gemini: [{ response: 'yes', stats: { models: { m: { tokens } } } }],
  opencode: [
    { type: 'text', part: { messageID: 'm', text: 'yes' } },
    { type: 'step_finish', part: { messageID: 'm', reason: 'stop', tokens, cost: 1 } },
  ],
};
const costs: Readonly<Record<TemplateName, number | null>> = { claude: 1, codex: null, gemini: null, opencode: 1 };
const print = (events: readonly object[]): string =>
  events.map((event) => `echo '${JSON.stringify(event)}'`).join('; ');

for (const parse of templateNames) {
  describe(parse, () => {
    const usage = { inputTokens: 10, outputTokens: 5, costUsd: costs[parse] };
    const printed = print(success[parse]);

    test('a success', async () => {
      const outcome = await run({ parse, argv: sh(printed) });
      assert.ok(outcome.ok);
      assert.deepEqual([outcome.result, outcome.usage], ['yes', usage]);
    });

    test('a success of one that has to be stopped is a failure, and what it used counts', async (t) => {
      const folder = await temporaryFolder();
      const stop = new AbortController();
      const watcher = watch(folder);
      t.after(() => watcher.close());
      const printedAll = once(watcher, 'change');
      const argv = sh(`${printed}; touch "${folder}/printed"; exec sleep 1000`);
      const outcome = run({ parse, argv }, stop.signal);
      await printedAll;
      stop.abort('cancelled');
      const { ok, reason, usage: used } = (await outcome) as Extract<Outcome, { ok: false }>;
      assert.deepEqual([ok, reason, used], [false, 'cancelled', usage]);
    });

    test('so is one that is ended by a signal, or with an exit code', async () => {
      const killed = await run({ parse, argv: sh(`${printed}; kill -9 $$`) });
      assert.deepEqual([killed.ok, !killed.ok && killed.reason, killed.usage], [false, 'signal', usage]);
      const exited = await run({ parse, argv: sh(`${printed}; echo no luck >&2; exit 3`) });
      assert.deepEqual([exited.ok, !exited.ok && exited.reason, exited.usage], [false, 'exit_code', usage]);
      assert.match(!exited.ok ? exited.message : '', /code 3: no luck/);
    });

    test('nothing at all is one, whatever the exit code', async () => {
      const outcome = await run({ parse, argv: sh('exit 0') });
      assert.equal(!outcome.ok && outcome.reason, 'bad_output');
    });
  });
}

test('who says why it has failed is quoted, with its exit code or without', async () => {
  const error = print([{ type: 'result', subtype: 'success', is_error: true, result: 'API Error: 529 Overloaded' }]);
  const outcome = await run({ parse: 'claude', argv: sh(`${error}; exit 1`) });
  assert.ok(!outcome.ok);
  assert.deepEqual([outcome.reason, outcome.retryable, outcome.details.exitCode], ['agent_error', true, 1]);
  assert.equal(outcome.message, '/bin/sh has failed: API Error: 529 Overloaded');
  const gemini = `echo '{\n"error": {"message": "no key", "code": 41}\n}' >&2; exit 41`;
  const onStandardError = await run({ parse: 'gemini', argv: sh(gemini) });
  assert.equal(!onStandardError.ok && onStandardError.message, '/bin/sh has failed: no key');
});

test('what was denied once is denied again', async () => {
  const denials = [{ tool_name: 'Bash', tool_input: { command: 'rm' } }];
  const denied = print([{ type: 'result', subtype: 'success', result: 'done', permission_denials: denials }]);
  const outcome = await run({ parse: 'claude', argv: sh(denied) });
  assert.ok(!outcome.ok);
  assert.deepEqual([outcome.reason, outcome.retryable], ['permission_denied', false]);
});

describe('what it takes to reach the swarm', () => {
  const printAll = [process.execPath, '-p', 'JSON.stringify([process.env, process.argv.slice(1)])'] as const;

  test('a program with mcp is given, in its environment', async () => {
    const outcome = await run({ argv: printAll, parse: 'json', mcp: true });
    const [env, args] = outcome.ok ? (outcome.result as any) : assert.fail(outcome.message);
    assert.deepEqual([env.MCP_HOST, env.MCP_TCP_PORT, env.SKEIN_LEASE_TOKEN], ['coordinator', '9500', 'lease_1']);
    assert.equal(env.SKEIN_ASSIGNMENT_ID, 'task_1/work/1');
    assert.deepEqual(args, []);
  });

  test('others are not', async () => {
    for (const type of [{}, { mcp: false }, { mcp: false, template: 'claude' as const }]) {
      const outcome = await run({ argv: printAll, parse: 'json', ...type });
      const [env, args] = outcome.ok ? (outcome.result as any) : assert.fail(outcome.message);
      assert.deepEqual([env.MCP_HOST, env.SKEIN_LEASE_TOKEN, args], [undefined, undefined, []]);
    }
  });

  test('a template adds how its program is told of the bridge', async () => {
    const outcome = await run({ argv: [...printAll, '--'], parse: 'json', mcp: true, template: 'claude' });
    const [env, args] = outcome.ok ? (outcome.result as any) : assert.fail(outcome.message);
    assert.equal(env.SKEIN_LEASE_TOKEN, 'lease_1');
    const { skein } = JSON.parse(args[args.indexOf('--mcp-config') + 1]).mcpServers;
    assert.deepEqual([skein.command, skein.args], ['/opt/skein', ['bridge', '--profile', 'agent']]);
    assert.ok(!args.join(' ').includes('lease_1'));
  });

  test('that it cannot be given is a failure, no exception', async () => {
    const home = await temporaryFolder();
    await mkdir(join(home, '.gemini'));
    await writeFile(join(home, '.gemini', 'settings.json'), '{');
    const outcome = await run({ mcp: true, template: 'gemini', setEnv: { GEMINI_CLI_HOME: home } });
    assert.ok(!outcome.ok);
    assert.equal(outcome.reason, 'spawn_failed');
    assert.match(outcome.message, /could not be given its MCP server: .*settings\.json is not JSON/);
  });
});
