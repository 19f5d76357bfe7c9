/**
 * Bytes to lines. Chunks of a byte stream go in as they come; lines are pulled out one at a time, so an owner under
 * backpressure simply stops pulling (and reading).
 *
 * - `\n` ends a line and one `\r` before it is dropped. Lines of JSON whitespace only are skipped.
 * - The cap counts the bytes before the `\n`, a `\r` included, and holds before the `\n` arrives: what exceeds it is
 *   never stored. After `too_long` the decoder is dead and drops everything: there is no safe place to go on from.
 * - Invalid UTF-8 is found per line and does not harm the next one. Characters split across chunks join up.
 * - A byte order mark at the very start is dropped, because .NET stream writers send one; elsewhere it is content.
 * - Any chunking of the same bytes gives the same lines, at a cost linear in the bytes.
 */
import { Buffer, isUtf8 } from 'node:buffer';

export type Line =
  { readonly kind: 'text'; readonly text: string } | { readonly kind: 'invalid_utf8' } | { readonly kind: 'too_long' };

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const newline = Buffer.from([lineFeed]);
const nothing = Buffer.alloc(0);

/** The received and not yet delivered bytes of one connection. */
export class LineDecoder {
  readonly #lineBytesMax: number;
  /** Chunks in the order of their arrival; those before `#next` have been taken out. */
  #chunks: Buffer[] = [];
  #next = 0;
  /** The chunk that is being cut into lines, from `#at` on. */
  #chunk: Buffer = nothing;
  #chunkIsUtf8 = true;
  #at = 0;
  /** The start of a line that ends in a later chunk: `#heldBytes` of a buffer that grows by doubling. */
  #held: Buffer = nothing;
  #heldBytes = 0;
  #state: 'start' | 'running' | 'dead' = 'start';

  constructor({ lineBytesMax }: { readonly lineBytesMax: number }) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The chunk is kept, not copied, until its lines have been pulled: the caller must not write into it again. */
  push(chunk: Buffer): void {
    if (this.#state !== 'dead') this.#chunks.push(chunk);
  }

  /** The stream ended in good order: a last line without `\n` is a line (`printf '...' | nc`). */
  end(): void {
    this.push(newline);
  }

  /** The size of a line that still waits for its `\n`; 0 while there is anything left to pull. */
  get pendingBytes(): number {
    return this.#at < this.#chunk.length || this.#next < this.#chunks.length ? 0 : this.#heldBytes;
  }

  /** The next line, or undefined until more bytes come. Pull until undefined, or stop reading from the socket. */
  next(): Line | undefined {
    while (this.#at < this.#chunk.length || this.#takeChunk()) {
      const start = this.#at;
      const found = this.#chunk.indexOf(lineFeed, start);
      const end = found === -1 ? this.#chunk.length : found;
      if (this.#heldBytes + end - start > this.#lineBytesMax) return this.#die();

      this.#at = found === -1 ? end : end + 1;
      if (found === -1) {
        this.#hold(start, end);
        continue;
      }
      const line =
        this.#heldBytes === 0 ? this.#decode(this.#chunk, start, end, this.#chunkIsUtf8) : this.#join(start, end);
      if (line !== undefined) return line;
    }
    return undefined;
  }

  #takeChunk(): boolean {
    const chunk = this.#chunks[this.#next];
    this.#chunk = chunk ?? nothing;
    this.#at = 0;
    if (chunk === undefined) return false;
    this.#next++;
    // Dropped by halves: each chunk moves once on average, and those taken never outnumber those waiting.
    if (2 * this.#next > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#next);
      this.#next = 0;
    }
    // One check for a whole chunk is far cheaper than one per line. Only when it fails is each line asked by itself.
    this.#chunkIsUtf8 = isUtf8(chunk);
    return true;
  }

  /** Copies, so that a client that sends half a line costs that half and not the chunk it came in. */
  #hold(start: number, end: number): void {
    const bytes = this.#heldBytes + end - start;
    if (bytes > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(bytes, Math.min(2 * this.#held.length, this.#lineBytesMax)));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    this.#chunk.copy(this.#held, this.#heldBytes, start, end);
    this.#heldBytes = bytes;
  }

  #join(start: number, end: number): Line | undefined {
    this.#hold(start, end);
    const line = this.#decode(this.#held, 0, this.#heldBytes, false);
    this.#held = nothing;
    this.#heldBytes = 0;
    return line;
  }

  #decode(bytes: Buffer, start: number, end: number, knownUtf8: boolean): Line | undefined {
    if (this.#state === 'start') {
      this.#state = 'running';
      if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) start += 3;
    }
    if (end > start && bytes[end - 1] === carriageReturn) end--;
    if (isBlank(bytes, start, end)) return undefined;
    if (!knownUtf8 && !isUtf8(bytes.subarray(start, end))) return { kind: 'invalid_utf8' };
    return { kind: 'text', text: bytes.toString('utf8', start, end) };
  }

  #die(): Line {
    this.#state = 'dead';
    this.#chunks = [];
    this.#next = 0;
    this.#chunk = nothing;
    this.#at = 0;
    this.#held = nothing;
    this.#heldBytes = 0;
    return { kind: 'too_long' };
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== carriageReturn) return false;
  }
  return true;
}
