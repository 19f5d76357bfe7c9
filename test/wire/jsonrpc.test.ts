import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  encodeError,
  encodeNotification,
  encodeRequest,
  encodeResult,
  parse,
  type Invalid,
  type Message,
  type RawId,
} from '../../src/wire/jsonrpc.ts';
import { seeded } from './seeded.ts';

const limits = { depthMax: 64, batchMax: 1_000 };
const read = (text: string): Message => parse(text, limits);

function refused(text: string): Invalid {
  const message = read(text);
  assert.equal(message.kind, 'invalid', text.slice(0, 200));
  return message as Invalid;
}

function entriesOf(text: string): readonly Message[] {
  const message = read(text);
  assert.equal(message.kind, 'batch', text.slice(0, 200));
  return message.kind === 'batch' ? message.entries : [];
}

function idOf(text: string): RawId {
  const message = read(text);
  assert.equal(message.kind, 'request', text.slice(0, 200));
  return message.kind === 'request' ? message.id : '';
}

describe('requests and notifications', () => {
  test('a request', () => {
    assert.deepEqual(read('{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[1]}}'), {
      kind: 'request',
      id: '1',
      method: 'm',
      params: { a: [1] },
    });
  });

  test('without an id it is a notification, with the id null a request', () => {
    assert.deepEqual(read('{"jsonrpc":"2.0","method":"m"}'), { kind: 'notification', method: 'm', params: undefined });
    assert.deepEqual(read('{"jsonrpc":"2.0","method":"m","id":null}'), {
      kind: 'request',
      id: 'null',
      method: 'm',
      params: undefined,
    });
  });

  test('params may be an array, and unknown members are ignored', () => {
    assert.deepEqual(read(' {"jsonrpc":"2.0","method":"","params":[],"id":"","trace":{"id":9},"result":1} '), {
      kind: 'request',
      id: '""',
      method: '',
      params: [],
    });
  });

  test('a key __proto__ is data and changes no prototype', () => {
    const message = read('{"jsonrpc":"2.0","method":"m","params":{"__proto__":{"polluted":1}},"__proto__":{"id":1}}');
    assert.equal(message.kind, 'notification');
    const params = message.kind === 'notification' ? message.params : undefined;
    assert.ok(params !== undefined && Object.hasOwn(params, '__proto__'));
    assert.equal(Object.getPrototypeOf(params), Object.prototype);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  test('members are not inherited', () => {
    const { reason } = refused('{"__proto__":{"jsonrpc":"2.0","method":"m","id":1}}');
    assert.equal(reason, 'invalid_request');
  });
});

describe('ids come back as they were written', () => {
  for (const id of [
    '0',
    '-0',
    '1',
    '1.50',
    '1e0',
    '1E+2',
    '-1.0e-3',
    '1e999',
    '9007199254740993',
    '123456789012345678901234567890',
    'null',
    '""',
    '"a"',
    '"a\\u0041"',
    '"\\/"',
    '"\\""',
    '"\\\\"',
    '"\\\\\\""',
    '"},\\"id\\":7"',
    '"é日𝄞\u2028"',
    '"\\ud800"',
    '"5d7c1f2e-6b0a-4a53-9c1d-0123456789ab"',
  ]) {
    test(id, () => {
      assert.equal(idOf(`{"jsonrpc":"2.0","id":${id},"method":"m"}`), id);
      assert.equal(idOf(`{ "method" : "m", "params": {"id": 5}, "jsonrpc":"2.0" , "id" : ${id} }`), id);
      assert.equal(idOf(`{"jsonrpc":"2.0","method":"m","id":\t${id}\r}`), id);
      assert.deepEqual(
        entriesOf(`[{"jsonrpc":"2.0","id":1.0,"method":"m"}, {"id":${id},"jsonrpc":"2.0","method":"m"}]`).map(
          (entry) => (entry.kind === 'request' ? entry.id : entry.kind),
        ),
        ['1.0', id],
      );
    });
  }

  test('of two ids the last one counts, as in JSON.parse', () => {
    assert.equal(idOf('{"id":1,"jsonrpc":"2.0","method":"m","id":2.0}'), '2.0');
    assert.equal(idOf('{"id":[1],"jsonrpc":"2.0","method":"m","id":2.0}'), '2.0');
    assert.equal(refused('{"id":2.0,"jsonrpc":"2.0","method":"m","id":[1]}').id, 'null');
  });

  test('an id under an escaped key is a right id, though perhaps not its text', () => {
    assert.equal(idOf('{"jsonrpc":"2.0","method":"m","\\u0069d":7}'), '7');
    assert.equal(idOf('{"jsonrpc":"2.0","method":"m","id":1,"i\\u0064":"x"}'), '"x"');
    assert.equal(idOf('{"jsonrpc":"2.0","method":"m","id":"1","i\\u0064":1}'), '1');
    assert.equal(idOf('{"jsonrpc":"2.0","method":"m","id":[1],"i\\u0064":1}'), '1');
    assert.equal(idOf('{"jsonrpc":"2.0","method":"m","id":{},"i\\u0064":0}'), '0');
    assert.equal(idOf('{"jsonrpc":"2.0","method":"m","id":null,"i\\u0064":0}'), '0');
    assert.equal(idOf('{"jsonrpc":"2.0","method":"m","id":3,"i\\u0064":null}'), 'null');
  });

  test('what only looks like the id is not taken for it', () => {
    const none = read('{"jsonrpc":"2.0","method":"id","params":{"id":1,"a":[{"id":2}],"s":"\\"id\\":3"}}');
    assert.equal(none.kind, 'notification');
    assert.equal(idOf('{"jsonrpc":"2.0","id":1.0,"method":"m","params":{"id":1}}'), '1.0');
    assert.equal(idOf('{"jsonrpc":"2.0","id":1.0,"method":"\\"id\\":1","params":["id",{"id":1}],"x":"\\\\"}'), '1.0');
    assert.equal(idOf('{"params":[[{"id":1}],{}],"jsonrpc":"2.0","id":1.0,"method":"m","ID":1}'), '1.0');
  });

  test('a long id comes back whole', () => {
    assert.equal(idOf(`{"jsonrpc":"2.0","id":"${'x'.repeat(100_000)}","method":"m"}`), `"${'x'.repeat(100_000)}"`);
  });

  for (const id of ['true', '[]', '[1]', '{}', '{"id":1}']) {
    test(`refused: ${id}`, () => {
      const answer = refused(`{"jsonrpc":"2.0","id":${id},"method":"m"}`);
      assert.deepEqual([answer.id, answer.code, answer.reason], ['null', -32600, 'invalid_request']);
      assert.match(answer.message, /^id must be a string, a number or null; found /);
    });
  }
});

describe('invalid requests say what was wrong and what would be right', () => {
  for (const [text, id, message] of [
    ['42', 'null', 'a message must be an object; found 42'],
    ['null', 'null', 'a message must be an object; found null'],
    ['"id"', 'null', 'a message must be an object; found "id"'],
    ['{}', 'null', 'jsonrpc must be "2.0"; found nothing'],
    ['{"id":1.0,"method":"m"}', '1.0', 'jsonrpc must be "2.0"; found nothing'],
    ['{"jsonrpc":"1.0","id":1,"method":"m"}', '1', 'jsonrpc must be "2.0"; found "1.0"'],
    ['{"jsonrpc":2.0,"id":1,"method":"m"}', '1', 'jsonrpc must be "2.0"; found 2'],
    ['{"jsonrpc":"2.0","id":"a"}', '"a"', 'method must be a string; found nothing'],
    ['{"jsonrpc":"2.0","id":1,"method":null}', '1', 'method must be a string; found null'],
    ['{"jsonrpc":"2.0","method":{}}', 'null', 'method must be a string; found an object'],
    [
      '{"jsonrpc":"2.0","id":1,"method":"m","params":null}',
      '1',
      'params must be an object or an array, or be left out; found null',
    ],
    [
      `{"jsonrpc":"2.0","id":1,"method":"m","params":"${'p'.repeat(99)}"}`,
      '1',
      `params must be an object or an array, or be left out; found "${'p'.repeat(32)}..."`,
    ],
  ] as const) {
    test(text.slice(0, 80), () => {
      assert.deepEqual(refused(text), { kind: 'invalid', id, code: -32600, reason: 'invalid_request', message });
    });
  }

  test('what is not JSON is a parse error that quotes little of it', () => {
    for (const text of ['garbage', '{"id":1,', '{"a":1}}', '"', '{"id"', '["id":1]', ']"id":', '{"id":1]', '\u2028']) {
      const answer = refused(text);
      assert.deepEqual([answer.id, answer.code, answer.reason], ['null', -32700, 'parse_error'], text);
    }
    for (const text of ['z'.repeat(10_000), `{"a":"${'z'.repeat(10_000)}" z${'z'.repeat(10_000)}}`]) {
      const { message } = refused(text);
      assert.match(message, /^a message must be JSON: ./);
      assert.ok((message.match(/z/g)?.length ?? 0) <= 40, message);
    }
  });
});

describe('depth', () => {
  const nested = (depth: number, open = '[', close = ']') => open.repeat(depth) + close.repeat(depth);
  const request = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"m","params":${params}}`;

  test('64 levels pass and 65 do not, the message itself included', () => {
    assert.equal(read(request(nested(63))).kind, 'request');
    assert.deepEqual(refused(request(nested(64))), {
      kind: 'invalid',
      id: 'null',
      code: -32600,
      reason: 'too_deep',
      message: 'arrays and objects may be nested at most 64 deep',
    });
    assert.equal(read(request(`${'[{"a":'.repeat(31)}[]${'}]'.repeat(31)}`)).kind, 'request');
    assert.equal(refused(request(`${'[{"a":'.repeat(32)}1${'}]'.repeat(32)}`)).reason, 'too_deep');
    assert.equal(entriesOf(`[${request(nested(62))}]`)[0]?.kind, 'request');
    assert.equal(refused(`[${request(nested(63))}]`).reason, 'too_deep');
  });

  test('width is not depth, and brackets in strings are text', () => {
    assert.equal(read(request(`[${'[],{},'.repeat(1_000)}[]]`)).kind, 'request');
    assert.equal(read(request(JSON.stringify(['['.repeat(1_000), `"\\${'{'.repeat(1_000)}`, '\\']))).kind, 'request');
  });

  test('a million levels are turned down, closed or not', () => {
    assert.equal(refused(nested(1_000_000)).reason, 'too_deep');
    assert.equal(refused('{"a":'.repeat(1_000_000)).reason, 'too_deep');
  });

  test('a message at the deepest can be answered with', () => {
    const message = read(request(nested(63)));
    assert.ok(message.kind === 'request');
    assert.equal(encodeResult(message.id, JSON.stringify(message.params)).length > 126, true);
  });
});

describe('responses', () => {
  test('a result, also null, and an error', () => {
    assert.deepEqual(read('{"jsonrpc":"2.0","id":1.0,"result":null}'), {
      kind: 'response',
      id: '1.0',
      result: null,
      error: undefined,
    });
    assert.deepEqual(read('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":[1]}}'), {
      kind: 'response',
      id: 'null',
      result: undefined,
      error: { code: -32700, message: 'm', data: [1] },
    });
  });

  for (const text of [
    '{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}',
    '{"jsonrpc":"2.0","id":1,"result":1,"error":null}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"m"}}',
    '{"jsonrpc":"2.0","id":1,"error":"m"}',
    '{"jsonrpc":"2.0","result":1}',
    '{"jsonrpc":"1.0","id":1,"result":1}',
  ]) {
    test(`a bad one is not answered under its id, which is one of ours: ${text}`, () => {
      assert.deepEqual([refused(text).id, refused(text).reason], ['null', 'invalid_request']);
    });
  }
});

describe('batches', () => {
  test('entries stand in order and fail alone', () => {
    const entries = entriesOf(
      `[1, {"jsonrpc":"2.0","id":1.0,"method":"a","params":[{"id":8}]}, [{"id":9}], null, {"id":"x"},
        {"jsonrpc":"2.0","method":"b"}, {}, {"jsonrpc":"2.0","id":2.0,"result":{}}, {"method":"c","id":3.0,"jsonrpc":"2.0"}]`,
    );
    assert.deepEqual(
      entries.map((entry) => [entry.kind, 'id' in entry ? entry.id : undefined]),
      [
        ['invalid', 'null'],
        ['request', '1.0'],
        ['invalid', 'null'],
        ['invalid', 'null'],
        ['invalid', '"x"'],
        ['notification', undefined],
        ['invalid', 'null'],
        ['response', '2.0'],
        ['request', '3.0'],
      ],
    );
    assert.match((entries[2] as Invalid).message, /^a message must be an object; found an array$/);
  });

  test('an empty one is refused', () => {
    assert.deepEqual(refused(' [ ] '), {
      kind: 'invalid',
      id: 'null',
      code: -32600,
      reason: 'batch_empty',
      message: 'a batch must hold at least one message; found none',
    });
  });

  test('1,000 entries pass and 1,001 do not', () => {
    const batch = (size: number) => `[${Array(size).fill('{"jsonrpc":"2.0","id":1,"method":"m"}').join()}]`;
    assert.equal(entriesOf(batch(1_000)).length, 1_000);
    const answer = refused(batch(1_001));
    assert.deepEqual([answer.id, answer.code, answer.reason], ['null', -32600, 'batch_too_large']);
    assert.equal(answer.message, 'a batch may hold at most 1000 messages; found 1001');
  });
});

describe('encoding', () => {
  test('results and errors', () => {
    assert.equal(encodeResult('1.50', '{"a":1}'), '{"jsonrpc":"2.0","id":1.50,"result":{"a":1}}');
    assert.equal(
      encodeError('null', { code: -32700, message: 'a\nb' }),
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"a\\nb"}}',
    );
    assert.equal(
      encodeError('"x"', Object.assign(new Error('m'), { code: 1, data: { definite: true } })),
      '{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m","data":{"definite":true}}}',
    );
  });

  test('requests, notifications and batches are read back as they were', () => {
    const lines = [
      encodeRequest('1.0', 'm', { a: '\n' }),
      encodeRequest('2', 'm'),
      encodeNotification('n', [1]),
      encodeNotification('n'),
    ];
    assert.deepEqual(entriesOf(`[${lines.join(',')}]`), [
      { kind: 'request', id: '1.0', method: 'm', params: { a: '\n' } },
      { kind: 'request', id: '2', method: 'm', params: undefined },
      { kind: 'notification', method: 'n', params: [1] },
      { kind: 'notification', method: 'n', params: undefined },
    ]);
    for (const line of lines) assert.deepEqual(entriesOf(`[${line}]`), [read(line)]);
  });

  test('no line holds a raw newline', () => {
    const nasty = { 'k\n\r': 'a\nb\r\n\u2028\u2029\u0085\0' };
    for (const line of [
      encodeResult('1', JSON.stringify(nasty)),
      encodeError('1', { code: 1, message: 'a\nb', data: nasty }),
      encodeRequest('1', 'a\nb', nasty),
      encodeNotification('a\nb', nasty),
    ]) {
      assert.ok(!line.includes('\n'), line);
      JSON.parse(line);
    }
  });

  test('lone surrogates and line separators survive the way through UTF-8', () => {
    const value = ['\ud800', '\udfff\ud800', '\u2028\u2029', '𝄞'];
    for (const line of [
      encodeResult('1', JSON.stringify(value)),
      encodeError('1', { code: 1, message: value.join(), data: value }),
      encodeRequest('1', value.join(), value),
      encodeNotification(value.join(), value),
    ]) {
      assert.equal(Buffer.from(line).toString(), line);
    }
    assert.deepEqual(JSON.parse(Buffer.from(encodeResult('1', JSON.stringify(value))).toString()).result, value);
  });
});

test('any message, however written, is read as JSON.parse reads it and keeps the text of its id', () => {
  const { seed, below } = seeded();
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)]!;
  const space = () => pick(['', '', '', ' ', '\t', '\r', '  ', '\n']);
  const strings = ['""', '"a"', '"id"', '"\\"id\\":1"', '"\\\\"', '"\\\\\\""', '"{["', '"]}"', '"é\\u0041"', '"\\n"'];
  const scalars = [...strings, '0', '1', '1.0', '1e0', '-0.50', '9007199254740993', 'null', 'true', 'false'];
  const ids = [...strings, '0', '1', '1.0', '1e0', '-0.50', '9007199254740993', '1234567890123456', 'null'];

  const valueText = (depth: number): string => {
    const shape = depth === 0 ? 0 : below(4);
    if (shape <= 1) return pick(scalars);
    const members = Array.from({ length: below(4) }, () => {
      const value = space() + valueText(depth - 1) + space();
      return shape === 2 ? value : `${space()}${pick([...strings, '"id"', '"id"'])}${space()}:${value}`;
    });
    return shape === 2 ? `[${members.join()}]` : `{${members.join()}}`;
  };

  const messageText = (): { text: string; id: RawId | undefined } => {
    let id: RawId | undefined;
    const members = Array.from({ length: below(8) }, () => {
      const key = pick(['"id"', '"id"', '"params"', '"x"', '"ID"', '""', '"\\"id"']);
      const value = key === '"id"' ? (id = pick(ids)) : key === '"params"' ? `[${valueText(3)}]` : valueText(3);
      return `${space()}${key}${space()}:${space()}${value}${space()}`;
    });
    members.splice(below(members.length + 1), 0, '"jsonrpc":"2.0"');
    members.splice(below(members.length + 1), 0, '"method":"m"');
    return { text: `{${members.join()}}`, id };
  };

  const expected = ({ text, id }: { text: string; id: RawId | undefined }): Message => {
    const { method, params } = JSON.parse(text);
    return id === undefined ? { kind: 'notification', method, params } : { kind: 'request', id, method, params };
  };

  for (let round = 0; round < 3_000; round++) {
    const messages = Array.from({ length: 1 + below(3) }, messageText);
    const where = `SKEIN_SEED=${seed}, round ${round}`;
    for (const message of messages)
      assert.deepEqual(read(message.text), expected(message), `${where}: ${message.text}`);

    const strangers = messages.flatMap((message) => (below(2) === 0 ? [valueText(0)] : []).concat(message.text));
    const batch = `${space()}[${strangers.map((entry) => space() + entry + space()).join()}]${space()}`;
    const sound = entriesOf(batch).filter((entry) => entry.kind !== 'invalid');
    assert.deepEqual(sound, messages.map(expected), `${where}: ${batch}`);
  }
});

test('any text of brackets and quotes is turned down or read, never thrown at', () => {
  const { seed, below } = seeded();
  const pieces = ['{', '}', '[', ']', '"', '"id"', ':', ',', '\\', '1', ' ', 'a', '"id":1', '{"id":1}', '\u0000', 'é'];
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: below(20) }, () => pieces[below(pieces.length)]).join('');
    const message = read(text);
    assert.equal(
      message.kind === 'invalid' && message.reason === 'parse_error',
      !isJson(text),
      `SKEIN_SEED=${seed}, round ${round}: ${text}`,
    );
  }
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
