/**
 * From the bytes that a program wrote to the result of its run, in bounded memory. Pure.
 */
import { isUtf8 } from 'node:buffer';
import type { CommandType } from '../agent-types.ts';
import { templates, type Answer, type Usage } from '../templates/index.ts';
import type { Json } from './job.ts';

/**
 * A result has to fit into one line of the wire (10 MiB), and a character may take six bytes there (\u001b). What is
 * left of the line is for the rest of the message.
 */
const resultBytesMax = 10 * 1024 * 1024 - 64 * 1024;
const escapedBytesMax = 6;
/** The wire refuses lines that are nested deeper than 64; what is left is for the messages that carry a result. */
const resultDepthMax = 56;

const firstAllocation = 64 * 1024;

/** One growing buffer: a program that writes byte by byte would otherwise cost an object a byte. */
export interface Collector {
  /** False when the chunk would not fit any more; nothing of it is kept then. */
  add(chunk: Buffer): boolean;
  bytes(): Buffer;
}

export function collect(bytesMax: number): Collector {
  let buffer = Buffer.allocUnsafe(Math.min(firstAllocation, bytesMax));
  let length = 0;
  return {
    add(chunk) {
      const needed = length + chunk.length;
      if (needed > bytesMax) return false;
      if (needed > buffer.length) {
        const larger = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(needed, 2 * buffer.length)));
        buffer.copy(larger, 0, 0, length);
        buffer = larger;
      }
      chunk.copy(buffer, length);
      length = needed;
      return true;
    },
    bytes: () => buffer.subarray(0, length),
  };
}

/** Keeps the last bytes of a stream of any length. */
export interface Tail {
  add(chunk: Buffer): void;
  text(): string;
}

export function tail(bytesMax: number): Tail {
  // One byte more than is shown tells whether the beginning was cut off.
  let kept = Buffer.alloc(0);
  return {
    add(chunk) {
      kept = Buffer.concat([kept, chunk.subarray(-bytesMax - 1)]).subarray(-bytesMax - 1);
    },
    text: () => lastText(kept, bytesMax),
  };
}

/** The last `bytesMax` bytes as text, not beginning in the middle of a character. */
function lastText(bytes: Buffer, bytesMax: number): string {
  let start = Math.max(0, bytes.length - bytesMax);
  if (start > 0) while (start < bytes.length && (bytes[start]! & 0xc0) === 0x80) start += 1;
  return bytes.toString('utf8', start);
}

export type Parsed =
  | { readonly ok: true; readonly result: Json; readonly usage: Usage | null }
  | {
      readonly ok: false;
      readonly reason: Extract<Answer, { ok: false }>['reason'] | 'output_too_large';
      readonly message: string;
      readonly usage: Usage | null;
    };

/** `message` continues a sentence that begins with the program's name. Only command lines of agents tell of usage. */
export function parseOutput(bytes: Buffer, parse: CommandType['parse'], stderr: string): Parsed {
  if (!isUtf8(bytes)) return bad('wrote something that is not UTF-8 to its standard output', bytes);
  const read = readAs(parse, bytes, stderr);
  if (!read.ok) return read.reason === 'bad_output' ? bad(read.message, bytes, read.usage) : read;
  return fitting(read.result, read.usage, bytes);
}

/** A result only if it fits into the messages that carry it; `bytes` is what it was read from. */
export function fitting(result: Json, usage: Usage | null, bytes: Buffer): Parsed {
  if (isDeeperThan(resultDepthMax, result)) {
    return bad(`wrote JSON that is nested deeper than ${resultDepthMax} levels`, bytes, usage);
  }
  if (bytes.length * escapedBytesMax > resultBytesMax) {
    const encodedBytes = Buffer.byteLength(JSON.stringify(result));
    if (encodedBytes > resultBytesMax) {
      const message = `wrote a result that takes ${encodedBytes} bytes as JSON; ${resultBytesMax} fit into a message`;
      return { ok: false, reason: 'output_too_large', message, usage };
    }
  }
  return { ok: true, result, usage };
}

function readAs(parse: CommandType['parse'], bytes: Buffer, stderr: string): Parsed {
  const stdout = bytes.toString('utf8');
  if (parse === 'text') return { ok: true, result: stdout.replace(/\r?\n$/, ''), usage: null };
  if (parse !== 'json') return templates[parse].parse({ stdout, stderr });
  try {
    return { ok: true, result: JSON.parse(stdout) as Json, usage: null };
  } catch (error) {
    const why = (error as Error).message.replaceAll('\n', ' ');
    const message = `did not write one JSON value to its standard output: ${why}`;
    return { ok: false, reason: 'bad_output', message, usage: null };
  }
}

function bad(what: string, bytes: Buffer, usage: Usage | null = null): Parsed {
  const excerpt =
    bytes.length === 0 ? 'it wrote nothing' : `it begins ${JSON.stringify(bytes.toString('utf8', 0, 200))}`;
  return { ok: false, reason: 'bad_output', message: `${what}; ${excerpt}`, usage };
}

function isDeeperThan(levels: number, value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner: Json) => isDeeperThan(levels - 1, inner));
}
