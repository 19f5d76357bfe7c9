/**
 * Large values live beside the journal as blobs: they are stored in the same step as the events that speak of them,
 * and loaded when a reply shows them.
 */
import type { Json } from '../core/json.ts';
import type { Show } from '../core/rule.ts';
import type { Payload } from '../core/state.ts';

/** Bytes of JSON text, roughly, from which on a value becomes a blob. */
export const inlineBytesMax = 64 * 1024;

/** Bytes of the large values of a reply, together; one alone is never longer than a line. */
const replyBytesMax = 16 * 1024 * 1024;

/** A stand-in within a reply, filled in before the reply leaves. */
export class LateBlob {
  readonly id: string;
  text: string | undefined;

  constructor(id: string) {
    this.id = id;
  }

  toJSON(): unknown {
    if (this.text === undefined) throw new Error(`blob ${this.id} is shown before it was loaded`);
    return JSON.parse(this.text);
  }
}

/** The payloads of one commit: what it adds, and what its replies show. */
export class Payloads {
  readonly added = new Map<string, string>();
  readonly shown: LateBlob[] = [];
  readonly #mint: () => string;

  constructor(mint: () => string) {
    this.#mint = mint;
  }

  readonly keep = (value: Json): Payload => {
    if (!isLarge(value)) return { json: value };
    const text = JSON.stringify(value);
    const blob = this.#mint();
    this.added.set(blob, text);
    return { blob, bytes: Buffer.byteLength(text) };
  };

  /** For one reply: large values beyond what it may come to are told by their size. */
  readonly showing = (): Show => {
    let left = replyBytesMax;
    return (payload) => {
      if ('json' in payload) return payload.json;
      if (payload.bytes > left) return { tooLarge: true, bytes: payload.bytes };
      left -= payload.bytes;
      const late = new LateBlob(payload.blob);
      late.text = this.added.get(payload.blob);
      this.shown.push(late);
      return late;
    };
  };
}

/** Looks only as far as it must: most values are small, and a large one is recognised before all of it was seen. */
function isLarge(value: Json): boolean {
  let left = inlineBytesMax;
  const visit = (part: Json): void => {
    if (typeof part === 'string') left -= part.length + 2;
    else if (typeof part !== 'object' || part === null) left -= 8;
    else if (Array.isArray(part)) {
      left -= 2;
      for (let i = 0; i < part.length && left > 0; i += 1) visit(part[i] as Json);
    } else {
      left -= 2;
      for (const key in part) {
        left -= key.length + 4;
        if (left <= 0) return;
        visit((part as { readonly [key: string]: Json })[key]!);
      }
    }
  };
  visit(value);
  return left <= 0;
}
