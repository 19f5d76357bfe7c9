import { Buffer } from 'node:buffer';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineDecoder, type Line } from '../../src/wire/lines.ts';
import { seeded } from './seeded.ts';

const text = (value: string): Line => ({ kind: 'text', text: value });
const invalidUtf8: Line = { kind: 'invalid_utf8' };
const tooLong: Line = { kind: 'too_long' };

function pull(decoder: LineDecoder): Line[] {
  const lines: Line[] = [];
  for (let line = decoder.next(); line !== undefined; line = decoder.next()) lines.push(line);
  return lines;
}

function decode(chunks: readonly (string | Buffer)[], lineBytesMax = 1024): Line[] {
  const decoder = new LineDecoder({ lineBytesMax });
  return chunks.flatMap((chunk) => {
    decoder.push(Buffer.from(chunk as string));
    return pull(decoder);
  });
}

test('a newline ends a line and one carriage return before it is dropped', () => {
  assert.deepEqual(decode(['{"a":1}\n{"b":2}\r\n[]\r\r\n']), [text('{"a":1}'), text('{"b":2}'), text('[]\r')]);
  assert.deepEqual(decode(['a\r', '\nb']), [text('a')]);
});

test('a carriage return inside a line stays', () => {
  assert.deepEqual(decode(['a\rb\n']), [text('a\rb')]);
});

test('lines of white space only are skipped, in one chunk or several', () => {
  assert.deepEqual(decode(['\n\r\n  \t \r\n', ' ', ' \r', '\n', 'a\n', '\n']), [text('a')]);
});

test('white space that JSON does not know is not blank', () => {
  assert.deepEqual(decode(['\f\n\u00a0\n']), [text('\f'), text('\u00a0')]);
});

test('lines are pulled one at a time, and what is pushed in between comes after', () => {
  const decoder = new LineDecoder({ lineBytesMax: 16 });
  decoder.push(Buffer.from('a\nb\nc'));
  assert.deepEqual(decoder.next(), text('a'));
  decoder.push(Buffer.from('d\ne'));
  decoder.push(Buffer.from('f\n'));
  assert.deepEqual(pull(decoder), [text('b'), text('cd'), text('ef')]);
  assert.equal(decoder.next(), undefined);
});

test('an empty chunk changes nothing', () => {
  assert.deepEqual(decode(['', 'a', '', '\n', '']), [text('a')]);
});

test('a line of exactly the cap passes, whatever its ending and its chunks', () => {
  assert.deepEqual(decode(['12345678\n1234567\r\n'], 8), [text('12345678'), text('1234567')]);
  assert.deepEqual(decode(['1234', '5678', '\n'], 8), [text('12345678')]);
});

test('one byte more is too long, before its newline arrives', () => {
  assert.deepEqual(decode(['123456789'], 8), [tooLong]);
  assert.deepEqual(decode(['12345678', '9'], 8), [tooLong]);
  assert.deepEqual(decode(['123456789\n'], 8), [tooLong]);
  assert.deepEqual(decode(['12345678\r\n'], 8), [tooLong]);
});

test('the cap counts bytes, not characters', () => {
  assert.deepEqual(decode(['äöüß\n'], 8), [text('äöüß')]);
  assert.deepEqual(decode(['äöüßa\n'], 8), [tooLong]);
});

test('lines before the one that is too long are delivered, and nothing after it', () => {
  assert.deepEqual(decode(['a\n123456789\nb\n', 'c\n'], 8), [text('a'), tooLong]);
  const decoder = new LineDecoder({ lineBytesMax: 2 });
  decoder.push(Buffer.from('abc'));
  decoder.push(Buffer.from('\nd\n'));
  assert.deepEqual(decoder.next(), tooLong);
  decoder.push(Buffer.from('e\n'));
  decoder.end();
  assert.equal(decoder.next(), undefined);
  assert.equal(decoder.pendingBytes, 0);
});

test('characters split across chunks join up', () => {
  const bytes = Buffer.from('"é日𝄞"\n');
  for (let cut = 1; cut < bytes.length; cut++) {
    assert.deepEqual(decode([bytes.subarray(0, cut), bytes.subarray(cut)]), [text('"é日𝄞"')], `cut at ${cut}`);
  }
});

for (const [what, bytes] of [
  ['a lone continuation byte', [0x80]],
  ['a truncated character', [0xe6, 0x97]],
  ['an overlong form', [0xc0, 0xaf]],
  ['a surrogate', [0xed, 0xa0, 0x80]],
  ['a value above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ['latin-1', [0xe9]],
] as const) {
  test(`invalid UTF-8 is found and harms no other line: ${what}`, () => {
    const stream = Buffer.concat([Buffer.from('"ä"\n"'), Buffer.from(bytes), Buffer.from('"\n"ö"\n')]);
    const expected = [text('"ä"'), invalidUtf8, text('"ö"')];
    assert.deepEqual(decode([stream]), expected);
    for (let cut = 1; cut < stream.length; cut++) {
      assert.deepEqual(decode([stream.subarray(0, cut), stream.subarray(cut)]), expected, `cut at ${cut}`);
    }
  });
}

test('a character that the newline cuts in two is invalid on both sides', () => {
  assert.deepEqual(decode([Buffer.from([0xc3, 0x0a, 0xa9, 0x0a])]), [invalidUtf8, invalidUtf8]);
});

test('a byte order mark is dropped at the very start and nowhere else', () => {
  const mark = '\ufeff';
  assert.deepEqual(decode([`${mark}{}\n${mark}{}\n`]), [text('{}'), text(`${mark}{}`)]);
  assert.deepEqual(decode([`${mark}\n{}\n`]), [text('{}')]);
  assert.deepEqual(decode([`\n${mark}{}\n`]), [text(`${mark}{}`)]);
  assert.deepEqual(decode([`${mark}${mark}{}\n`]), [text(`${mark}{}`)]);
  const bytes = Buffer.from(`${mark}{}\n`);
  assert.deepEqual(decode([...bytes].map((byte) => Buffer.from([byte]))), [text('{}')]);
});

test('pendingBytes is the size of the line that waits for its newline', () => {
  const decoder = new LineDecoder({ lineBytesMax: 16 });
  assert.equal(decoder.pendingBytes, 0);
  decoder.push(Buffer.from('a\nbc'));
  assert.equal(decoder.pendingBytes, 0, 'a line can be pulled');
  pull(decoder);
  assert.equal(decoder.pendingBytes, 2);
  decoder.push(Buffer.from('d'));
  pull(decoder);
  assert.equal(decoder.pendingBytes, 3);
  decoder.push(Buffer.from('\n'));
  assert.equal(decoder.pendingBytes, 0, 'the owner has not pulled yet: the peer is not to blame');
  assert.deepEqual(pull(decoder), [text('bcd')]);
  assert.equal(decoder.pendingBytes, 0);
});

test('at the end of the stream a line without a newline is a line', () => {
  const decoder = new LineDecoder({ lineBytesMax: 16 });
  decoder.push(Buffer.from('a\nb'));
  decoder.end();
  assert.deepEqual(pull(decoder), [text('a'), text('b')]);
});

test('the end of the stream alone is no line', () => {
  for (const sent of ['', 'a\n', ' ', '\r']) {
    const decoder = new LineDecoder({ lineBytesMax: 16 });
    decoder.push(Buffer.from(sent));
    pull(decoder);
    decoder.end();
    assert.deepEqual(pull(decoder), [], JSON.stringify(sent));
  }
});

test('a line of 2 MiB arrives byte by byte, pulled from at once or only at the end', () => {
  const lineBytesMax = 2 * 1024 * 1024;
  const byte = Buffer.from('x');
  for (const pullAtOnce of [true, false]) {
    const decoder = new LineDecoder({ lineBytesMax });
    for (let i = 0; i < lineBytesMax; i++) {
      decoder.push(byte);
      if (pullAtOnce) assert.equal(decoder.next(), undefined);
    }
    decoder.end();
    const lines = pull(decoder);
    assert.equal(lines.length, 1);
    assert.ok(lines[0]?.kind === 'text' && lines[0].text === 'x'.repeat(lineBytesMax));
  }
});

test('a chunk of 100,000 lines comes out in order', () => {
  const expected = Array.from({ length: 100_000 }, (_, i) => text(String(i)));
  assert.deepEqual(decode([expected.map((line) => (line.kind === 'text' ? `${line.text}\n` : '')).join('')]), expected);
});

test('any chunking of any bytes gives the same lines', () => {
  const lineBytesMax = 64;
  const { seed, below } = seeded();
  const pieces = [
    'a',
    '{"id":1}',
    '\n',
    '\n',
    '\r\n',
    '\r',
    ' ',
    '\t',
    'é',
    '日',
    '𝄞',
    '\ufeff',
    '\xff',
    '\xed\xa0\x80',
  ];
  for (let round = 0; round < 2_000; round++) {
    const parts = Array.from({ length: below(60) }, () => {
      const piece = pieces[below(pieces.length)]!;
      // These two stand for the bytes that no string encodes to.
      return Buffer.from(piece, piece === '\xff' || piece === '\xed\xa0\x80' ? 'latin1' : 'utf8');
    });
    const stream = Buffer.concat(parts);

    const decoder = new LineDecoder({ lineBytesMax });
    const lines: Line[] = [];
    for (let at = 0; at < stream.length;) {
      const size = 1 + below(below(2) === 0 ? 3 : 40);
      decoder.push(stream.subarray(at, at + size));
      at += size;
      // An owner under backpressure: sometimes it pulls nothing, sometimes only a few.
      for (let pulls = below(4); pulls > 0; pulls--) {
        const line = decoder.next();
        if (line !== undefined) lines.push(line);
      }
    }
    decoder.end();
    lines.push(...pull(decoder));
    assert.deepEqual(
      lines,
      simplyDecoded(stream, lineBytesMax),
      `SKEIN_SEED=${seed}, round ${round}, bytes ${stream.toString('hex')}`,
    );
  }
});

/** The same rules, all bytes at once and with no thought of cost. */
function simplyDecoded(stream: Buffer, lineBytesMax: number): Line[] {
  const lines: Line[] = [];
  for (let [i, latin1] of stream.toString('latin1').split('\n').entries()) {
    if (latin1.length > lineBytesMax) return [...lines, tooLong];
    if (i === 0) latin1 = latin1.replace(/^\xef\xbb\xbf/, '');
    latin1 = latin1.replace(/\r$/, '');
    if (/^[ \t\r]*$/.test(latin1)) continue;
    try {
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
      lines.push(text(decoder.decode(Buffer.from(latin1, 'latin1'))));
    } catch {
      lines.push(invalidUtf8);
    }
  }
  return lines;
}
