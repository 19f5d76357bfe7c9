/**
 * JSON-RPC 2.0 messages as text: one line to a message, and replies to lines (without the `\n`).
 *
 * - `parse` never throws: what is not a message is an `Invalid` that says why and carries the code and id to answer with.
 * - Ids stay JSON text from end to end, so `9007199254740993` and `1.50` come back as they came.
 * - The depth is checked before anything is built. Afterwards the text is parsed once, whatever it holds.
 * - A key `__proto__` is data like any other: `JSON.parse` makes it an own property, and nothing here copies members.
 * - Results are JSON text already: a reply is a concatenation. No encoded line holds a raw newline, since JSON.stringify
 *   escapes those within strings and writes none between tokens.
 */
import { Buffer } from 'node:buffer';

/** The JSON text of an id: a string, a number or null, e.g. `"a\u0041"`, `1e0`, `null`. */
export type RawId = string;

export type Params = { readonly [key: string]: unknown } | readonly unknown[];

export interface Request {
  readonly kind: 'request';
  readonly id: RawId;
  readonly method: string;
  readonly params: Params | undefined;
}

export interface Notification {
  readonly kind: 'notification';
  readonly method: string;
  readonly params: Params | undefined;
}

/** A reply to a request of ours. Exactly one of `result` and `error` is not undefined. */
export type Response =
  | { readonly kind: 'response'; readonly id: RawId; readonly result: unknown; readonly error: undefined }
  | { readonly kind: 'response'; readonly id: RawId; readonly result: undefined; readonly error: ErrorObject };

export interface ErrorObject {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export interface Invalid {
  readonly kind: 'invalid';
  /** To be answered with: the message's id where it has a usable one, else `null`. */
  readonly id: RawId;
  readonly code: -32700 | -32600;
  readonly reason: 'parse_error' | 'invalid_request' | 'too_deep' | 'batch_empty' | 'batch_too_large';
  readonly message: string;
}

export type BatchEntry = Request | Notification | Response | Invalid;

export interface Batch {
  readonly kind: 'batch';
  readonly entries: readonly BatchEntry[];
}

export type Message = BatchEntry | Batch;

export interface Limits {
  /** Arrays and objects inside each other, the message itself included. */
  readonly depthMax: number;
  readonly batchMax: number;
}

export function parse(text: string, { depthMax, batchMax }: Limits): Message {
  const ids = findIds(text, depthMax);
  if (ids === undefined) return invalid('too_deep', `arrays and objects may be nested at most ${depthMax} deep`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // V8 quotes at most some 20 characters on either side of the place.
    return invalid('parse_error', `a message must be JSON: ${(error as SyntaxError).message}`);
  }
  if (!Array.isArray(value)) return interpret(value, text, ids[0] ?? nowhere);
  if (value.length === 0) return invalid('batch_empty', 'a batch must hold at least one message; found none');
  if (value.length > batchMax) {
    return invalid('batch_too_large', `a batch may hold at most ${batchMax} messages; found ${value.length}`);
  }
  let objects = 0;
  const entries = value.map((entry) => interpret(entry, text, isObject(entry) ? ids[objects++]! : nowhere));
  return { kind: 'batch', entries };
}

/** `resultText`: JSON on one line, as JSON.stringify writes it. */
export function encodeResult(id: RawId, resultText: string): string {
  return `{"jsonrpc":"2.0","id":${id},"result":${resultText}}`;
}

export function encodeError(id: RawId, { code, message, data }: ErrorObject): string {
  return `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify({ code, message, data })}}`;
}

export function encodeRequest(id: RawId, method: string, params?: Params): string {
  return `{"jsonrpc":"2.0","id":${id},${JSON.stringify({ method, params }).slice(1)}`;
}

export function encodeNotification(method: string, params?: Params): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params });
}

function interpret(value: unknown, text: string, idAt: number): BatchEntry {
  if (!isObject(value)) return invalidRequest(`a message must be an object; found ${found(value)}`);
  const { jsonrpc, id, method, params, result, error } = value;
  if (id !== undefined && id !== null && typeof id !== 'string' && typeof id !== 'number') {
    return invalidRequest(`id must be a string, a number or null; found ${found(id)}`);
  }
  const rawId = id === undefined ? undefined : rawIdOf(id, text, idAt);
  const isResponse = method === undefined && (result !== undefined || error !== undefined);
  // A bad response has an id of ours: an error that carried it would look like the answer to a request of theirs.
  const answerTo = isResponse ? 'null' : rawId;

  if (jsonrpc !== '2.0') return invalidRequest(`jsonrpc must be "2.0"; found ${found(jsonrpc)}`, answerTo);
  if (isResponse) {
    if (rawId === undefined) return invalidRequest('a response must have an id; found none', answerTo);
    if (error === undefined) return { kind: 'response', id: rawId, result, error };
    if (result !== undefined) {
      return invalidRequest('a response must have a result or an error; found both', answerTo);
    }
    if (isErrorObject(error)) return { kind: 'response', id: rawId, result, error };
    return invalidRequest('error must be an object with an integer code and a string message', answerTo);
  }
  if (typeof method !== 'string') {
    return invalidRequest(`method must be a string; found ${found(method)}`, answerTo);
  }
  if (params !== undefined && (typeof params !== 'object' || params === null)) {
    return invalidRequest(`params must be an object or an array, or be left out; found ${found(params)}`, answerTo);
  }
  if (rawId === undefined) return { kind: 'notification', method, params: params as Params | undefined };
  return { kind: 'request', id: rawId, method, params: params as Params | undefined };
}

const nowhere = -1;

const quote = 0x22;
const colon = 0x3a;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const letterI = 0x69;
const letterD = 0x64;
/** Set in `{` and `}` and not in `[` and `]`, which are otherwise the same. */
const braceBit = 0x20;

/**
 * For each object that can be a message (the top one, or those of the top array) the place after the colon of its last
 * member `"id"`, or `nowhere`; undefined when the nesting is too deep. What it finds in malformed text means nothing.
 */
function findIds(text: string, depthMax: number): number[] | undefined {
  const ids: number[] = [];
  let depth = 0;
  let messageDepth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char < openBracket && char !== quote) continue; // Nearly all that is outside of strings.
    if (char === quote) {
      const start = i;
      i = stringEnd(text, start);
      if (i === nowhere) break;
      const isId = i - start === 3 && text.charCodeAt(start + 1) === letterI && text.charCodeAt(start + 2) === letterD;
      if (isId && depth === messageDepth) {
        const next = skipSpace(text, i + 1);
        if (text.charCodeAt(next) === colon) ids[ids.length - 1] = next + 1;
      }
    } else if ((char | braceBit) === openBrace) {
      if (++depth > depthMax) return undefined;
      if (messageDepth === 0) messageDepth = char === openBrace ? 1 : 2;
      if (depth === messageDepth && char === openBrace) ids.push(nowhere);
    } else if ((char | braceBit) === closeBrace) {
      depth--;
    }
  }
  return ids;
}

/** The text of the id at `at`, if that is where the parsed one came from (it may have come from a key `"\u0069d"`). */
function rawIdOf(id: string | number | null, text: string, at: number): RawId {
  if (at === nowhere || id === null) return JSON.stringify(id);
  const start = skipSpace(text, at);
  const isString = text.charCodeAt(start) === quote;
  let end = start;
  if (isString) end = stringEnd(text, start) + 1;
  else while (end < text.length && !endsNumber(text.charCodeAt(end))) end++;
  const raw = text.slice(start, end);
  // Always a copy: a slice would keep the whole line in memory for as long as the request is in flight.
  const usual = typeof id === 'number' ? String(id) : `"${id}"`;
  if (raw === usual) return usual;
  const isSame = (isString ? JSON.parse(raw) : Number(raw)) === id;
  return isSame ? Buffer.from(raw).toString() : JSON.stringify(id);
}

/** The place of the quote that ends the string that starts at `start`, or `nowhere`. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== nowhere; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === backslash) before--;
    if ((end - before) % 2 === 0) return end;
  }
  return nowhere;
}

function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x09 || char === 0x0a || char === 0x0d;
}

function endsNumber(char: number): boolean {
  return char === comma || char === closeBrace || isSpace(char);
}

export function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isErrorObject(value: unknown): value is ErrorObject {
  return isObject(value) && Number.isInteger(value['code']) && typeof value['message'] === 'string';
}

function invalid(reason: Invalid['reason'], message: string, id: RawId = 'null'): Invalid {
  return { kind: 'invalid', id, code: reason === 'parse_error' ? -32700 : -32600, reason, message };
}

function invalidRequest(message: string, id?: RawId): Invalid {
  return invalid('invalid_request', message, id);
}

/** What was found where something else should be, in at most some 40 characters. */
function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.length > 32 ? `${value.slice(0, 32)}...` : value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}
