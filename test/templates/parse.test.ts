/**
 * What the command lines of agents print, and what is made of it. The lines are what the versions that the templates name
 * printed, shortened where nothing is read.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { templates, type Answer, type Printed, type TemplateName } from '../../src/templates/index.ts';

const nothing = { inputTokens: null, outputTokens: null, costUsd: null };
const lines = (...events: readonly object[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('');

function parse(name: TemplateName, stdout: string, stderr = ''): Answer {
  return templates[name].parse({ stdout, stderr } satisfies Printed);
}

function failure(name: TemplateName, stdout: string, stderr = ''): Extract<Answer, { ok: false }> {
  const answer = parse(name, stdout, stderr);
  assert.ok(!answer.ok, 'it counts as a success');
  return answer;
}

describe('claude', () => {
  const model = { inputTokens: 11, outputTokens: 5, cacheReadInputTokens: 7, cacheCreationInputTokens: 3 };
  const end = {
    type: 'result',
    subtype: 'success',
    is_error: false,
    result: 'forty-two',
    session_id: '5753738e-3ee3-490e-8524-32471afb7d95',
    num_turns: 1,
    total_cost_usd: 0.0001604,
    usage: { input_tokens: 11, cache_creation_input_tokens: 3, cache_read_input_tokens: 7, output_tokens: 5 },
    modelUsage: { 'claude-opus-5-5': { ...model, costUSD: 0.0001604, costBasis: 'list' } },
    permission_denials: [],
    terminal_reason: 'completed',
  };
  const used = { inputTokens: 21, outputTokens: 5, costUsd: 0.0001604 };

  test('a result, with all that was read and written, from caches too', () => {
    assert.deepEqual(parse('claude', lines(end)), { ok: true, result: 'forty-two', usage: used });
  });

  test('of a stream the last event counts', () => {
    const stream = lines({ type: 'system', subtype: 'init' }, { type: 'assistant', message: {} }, end);
    assert.deepEqual(parse('claude', stream), { ok: true, result: 'forty-two', usage: used });
  });

  test('what subagents used is in the sum over the models', () => {
    const modelUsage = { ...end.modelUsage, 'claude-haiku': { inputTokens: 100, outputTokens: 10, costBasis: 'list' } };
    assert.deepEqual(parse('claude', lines({ ...end, modelUsage })).usage, {
      ...used,
      inputTokens: 121,
      outputTokens: 15,
    });
  });

  test('the price of a model that it does not know is not known', () => {
    const modelUsage = { mine: { ...model, costBasis: 'unknown' } };
    assert.equal(parse('claude', lines({ ...end, modelUsage })).usage.costUsd, null);
  });

  test('an answer that is JSON is that value, and so is structured output', () => {
    for (const result of ['{"vote":"yes"}', '```json\n{"vote": "yes"}\n```\n', ' {"vote":"yes"}\n']) {
      assert.deepEqual(parse('claude', lines({ ...end, result })), { ok: true, result: { vote: 'yes' }, usage: used });
    }
    const structured = { ...end, structured_output: { vote: 'no' } };
    assert.deepEqual(parse('claude', lines(structured)), { ok: true, result: { vote: 'no' }, usage: used });
    for (const result of ['42', 'true', '{not json}', '```js\nf()\n```', '{"a":1} and more', '']) {
      assert.deepEqual(parse('claude', lines({ ...end, result })), { ok: true, result, usage: used });
    }
  });

  test('an error of the API is one, though its subtype is success', () => {
    const error = { ...end, is_error: true, result: 'API Error: 400 fake says no', modelUsage: {}, total_cost_usd: 0 };
    const answer = failure('claude', lines({ ...error, usage: { input_tokens: 0, output_tokens: 0 } }));
    assert.deepEqual(answer, {
      ok: false,
      reason: 'agent_error',
      message: 'has failed: API Error: 400 fake says no',
      usage: { inputTokens: 0, outputTokens: 0, costUsd: 0 },
    });
  });

  test('too many turns, with what they used', () => {
    const { result: _, ...rest } = end;
    const error = {
      ...rest,
      subtype: 'error_max_turns',
      is_error: true,
      errors: ['Reached maximum number of turns (1)'],
    };
    const answer = failure('claude', lines(error));
    assert.deepEqual([answer.reason, answer.usage], ['agent_error', used]);
    assert.match(answer.message, /maximum number of turns/);
    assert.match(failure('claude', lines({ ...error, errors: [] })).message, /error_max_turns/);
  });

  test('what was denied is told, whatever else it says', () => {
    const denial = { tool_name: 'Bash', tool_use_id: 'toolu_1', tool_input: { command: 'touch x' } };
    const answer = failure('claude', lines({ ...end, permission_denials: [denial, denial] }));
    assert.deepEqual(answer, {
      ok: false,
      reason: 'permission_denied',
      message: 'was denied Bash {"command":"touch x"}',
      usage: used,
    });
  });

  test('without its end there is no success', () => {
    const whole = lines(end);
    for (const output of ['', '\n', 'forty-two\n', whole.slice(0, -20), lines({ type: 'assistant' }), '[]', 'null']) {
      assert.deepEqual([failure('claude', output).reason, failure('claude', output).usage], ['bad_output', nothing]);
    }
    assert.equal(failure('claude', lines({ ...end, result: 7 })).reason, 'bad_output');
  });
});

describe('codex', () => {
  const started = { type: 'thread.started', thread_id: '01a1ff9c-67fe-7533-bdb1-0903f16d287e' };
  const warning = {
    type: 'item.completed',
    item: {
      id: 'item_0',
      type: 'error',
      message: 'Model metadata for `x` not found. Defaulting to fallback metadata.',
    },
  };
  const says = (text: string) => ({ type: 'item.completed', item: { id: 'item_1', type: 'agent_message', text } });
  const completed = {
    type: 'turn.completed',
    usage: {
      input_tokens: 22,
      cached_input_tokens: 14,
      cache_write_input_tokens: 0,
      output_tokens: 10,
      reasoning_output_tokens: 4,
    },
  };
  const used = { inputTokens: 22, outputTokens: 10, costUsd: null };
  const turn = [started, warning, { type: 'turn.started' }];

  test('the last message is the result; warnings are none of it, and prices it knows none', () => {
    const output = lines(...turn, says('I shall look.'), says('forty-two'), completed);
    assert.deepEqual(parse('codex', output), { ok: true, result: 'forty-two', usage: used });
  });

  test('a turn that has failed, with what the provider said', () => {
    const inner = '{"type":"error","error":{"type":"invalid_request_error","message":"fake says no"}}';
    const output = lines(
      ...turn,
      { type: 'error', message: inner },
      { type: 'turn.failed', error: { message: inner } },
    );
    assert.deepEqual(failure('codex', output), {
      ok: false,
      reason: 'agent_error',
      message: 'has failed: fake says no',
      usage: nothing,
    });
  });

  test('an error that it got over is none', () => {
    const output = lines(...turn, { type: 'error', message: 'Reconnecting... 1/5' }, says('forty-two'), completed);
    assert.equal(parse('codex', output).ok, true);
    const cut = failure('codex', lines(...turn, { type: 'error', message: 'Reconnecting... 1/5' }));
    assert.deepEqual([cut.reason, cut.message], ['agent_error', 'has failed: Reconnecting... 1/5']);
  });

  test('a tool that needs an approval which nobody gives', () => {
    const call = {
      id: 'item_1',
      type: 'mcp_tool_call',
      server: 'skein',
      tool: 'memory_store',
      error: { message: 'MCP tool call requires approval, but approval policy is never' },
      status: 'failed',
    };
    const output = lines(...turn, { type: 'item.completed', item: call }, says('forty-two'), completed);
    assert.deepEqual(failure('codex', output), {
      ok: false,
      reason: 'permission_denied',
      message: 'was denied skein.memory_store',
      usage: used,
    });
    const command = { id: 'item_1', type: 'command_execution', command: 'touch x', status: 'declined' };
    const declined = lines(...turn, { type: 'item.completed', item: command }, says('forty-two'), completed);
    assert.equal(failure('codex', declined).message, 'was denied touch x');
    const other = { ...call, error: { message: 'no such tool' } };
    assert.equal(
      parse('codex', lines(...turn, { type: 'item.completed', item: other }, says('x'), completed)).ok,
      true,
    );
  });

  test('without the end of the turn, or a message, there is no success', () => {
    for (const output of ['', lines(...turn), lines(...turn, says('forty-two'))]) {
      assert.deepEqual([failure('codex', output).reason, failure('codex', output).usage], ['bad_output', nothing]);
    }
    const silent = failure('codex', lines(...turn, completed));
    assert.deepEqual([silent.reason, silent.usage], ['bad_output', used]);
  });
});

describe('gemini', () => {
  const stats = {
    models: {
      'gemini-2.5-pro': {
        tokens: { input: 8, prompt: 22, candidates: 10, total: 36, cached: 14, thoughts: 4, tool: 0 },
      },
      'gemini-2.5-flash': { tokens: { input: 1, prompt: 1, candidates: 2, total: 3, cached: 0, thoughts: 0, tool: 0 } },
    },
    tools: {
      totalCalls: 1,
      byName: { read_file: { count: 1, success: 1, decisions: { accept: 0, reject: 0, modify: 0, auto_accept: 1 } } },
    },
  };
  const used = { inputTokens: 23, outputTokens: 16, costUsd: null };
  const pretty = (value: object): string => JSON.stringify(value, null, 2);

  test('a response, with what all models used', () => {
    const output = pretty({ session_id: '1366a60b', response: 'forty-two', stats });
    assert.deepEqual(parse('gemini', output), { ok: true, result: 'forty-two', usage: used });
  });

  test('an error, at the end of standard error', () => {
    const message = '{"type":"error","error":{"message":"fake says no","code":400}}';
    const error = pretty({ session_id: 'fe8489ce', error: { type: 'Error', message, code: 400 } });
    const stderr = `Ripgrep is not available. Falling back to GrepTool.\n    at Turn.run (file:///x.js:1:24) {\n  status: 400\n}\n${error}`;
    for (const noise of [stderr, `${stderr}\n`, error]) {
      assert.deepEqual(failure('gemini', '', noise), {
        ok: false,
        reason: 'agent_error',
        message: 'has failed: fake says no',
        usage: nothing,
      });
    }
    const plain = pretty({ session_id: 'fe8489ce', error: { message: 'Invalid auth method selected.', code: 41 } });
    assert.match(failure('gemini', '', plain).message, /Invalid auth method selected/);
  });

  test('a tool that was rejected', () => {
    const byName = { run_shell_command: { count: 1, decisions: { accept: 0, reject: 1, modify: 0, auto_accept: 0 } } };
    const output = pretty({ response: 'forty-two', stats: { ...stats, tools: { ...stats.tools, byName } } });
    assert.deepEqual(failure('gemini', output), {
      ok: false,
      reason: 'permission_denied',
      message: 'was denied run_shell_command',
      usage: used,
    });
  });

  test('without its end there is no success', () => {
    const whole = pretty({ response: 'forty-two', stats });
    for (const output of ['', 'forty-two', whole.slice(0, -3), '{}', '[1]', 'null']) {
      assert.equal(failure('gemini', output, 'Ripgrep is not available.\n{\n').reason, 'bad_output');
    }
  });
});

describe('opencode', () => {
  const step = (messageID: string, reason: string, cost = 0.000014) => [
    { type: 'step_start', part: { messageID, type: 'step-start' } },
    { type: 'text', part: { messageID, type: 'text', text: `said in ${messageID}` } },
    {
      type: 'step_finish',
      part: {
        messageID,
        reason,
        tokens: { total: 16, input: 4, output: 3, reasoning: 2, cache: { write: 1, read: 7 } },
        cost,
      },
    },
  ];
  const used = { inputTokens: 12, outputTokens: 5, costUsd: 0.000014 };

  test('the text of the last step, and what all of them used', () => {
    assert.deepEqual(parse('opencode', lines(...step('m1', 'tool-calls', 0.25), ...step('m2', 'stop', 0.5))), {
      ok: true,
      result: 'said in m2',
      usage: { inputTokens: 24, outputTokens: 10, costUsd: 0.75 },
    });
  });

  test('a price of nothing is none that is known', () => {
    assert.equal(parse('opencode', lines(...step('m1', 'stop', 0))).usage.costUsd, null);
  });

  test('an error', () => {
    const error = { name: 'APIError', data: { message: 'fake says no', statusCode: 400, isRetryable: false } };
    assert.deepEqual(failure('opencode', lines(...step('m1', 'tool-calls'), { type: 'error', error })), {
      ok: false,
      reason: 'agent_error',
      message: 'has failed: fake says no',
      usage: used,
    });
    assert.match(failure('opencode', lines({ type: 'error', error: { name: 'Aborted' } })).message, /Aborted/);
  });

  test('a tool that was rejected, after which it just ends', () => {
    const error = 'The user rejected permission to use this specific tool call.';
    const state = { status: 'error', input: { command: 'touch x' }, error };
    const denied = [{ type: 'tool_use', part: { type: 'tool', tool: 'bash', state } }, ...step('m1', 'tool-calls')];
    assert.deepEqual(failure('opencode', lines(...denied)), {
      ok: false,
      reason: 'permission_denied',
      message: 'was denied bash {"command":"touch x"}',
      usage: used,
    });
    const failed = { type: 'tool_use', part: { tool: 'bash', state: { status: 'error', error: 'exit 1' } } };
    assert.equal(parse('opencode', lines(failed, ...step('m1', 'stop'))).ok, true);
  });

  test('without its end there is no success, and what was used counts', () => {
    assert.deepEqual(failure('opencode', ''), { ...failure('opencode', ''), reason: 'bad_output', usage: nothing });
    for (const reason of ['tool-calls', 'length']) {
      const answer = failure('opencode', lines(...step('m1', reason)));
      assert.deepEqual([answer.reason, answer.usage], ['bad_output', used]);
    }
  });
});

test('whatever is printed, a parser answers, and with numbers that the protocol takes', () => {
  const odd = [1, -1, 1.5, 1e300, null, 'x', [], {}, [null], true];
  for (const name of Object.keys(templates) as TemplateName[]) {
    for (const value of odd) {
      const events = [
        'result',
        'turn.completed',
        'turn.failed',
        'item.completed',
        'step_finish',
        'text',
        'error',
        'tool_use',
      ];
      const fields = { usage: value, modelUsage: { m: value }, permission_denials: value, error: value, item: value };
      const part = { reason: 'stop', tokens: { input: value, cache: value }, cost: value, state: value, text: value };
      const end = { subtype: 'success', result: value, response: value, stats: { models: { m: value }, tools: value } };
      const output = lines(...events.map((type) => ({ type, ...fields, ...end, part, total_cost_usd: value })));
      for (const stdout of [output, ...output.split('\n'), JSON.stringify(value)]) {
        for (const used of Object.values(parse(name, stdout, stdout).usage)) {
          assert.ok(used === null || (used >= 0 && used <= 1e10), `${name}: ${used}`);
        }
      }
    }
  }
});
