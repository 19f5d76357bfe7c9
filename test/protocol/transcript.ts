/**
 * The language of `protocol/transcripts`, as protocol/README.md, section "Transcripts", describes it: text to steps, and
 * whether a message is as a transcript shows it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

export interface Transcript {
  readonly name: string;
  /** Settings of a server of its own, by environment variable; null: any server will do. */
  readonly settings: Readonly<Record<string, string>> | null;
  readonly steps: readonly Step[];
}

export type Step = { readonly line: number } & (
  | { readonly kind: 'send'; readonly by: string; readonly text: string; readonly times: number }
  | { readonly kind: 'expect'; readonly by: string; readonly text: string; readonly times: number }
  /** The exchange that follows is repeated until it goes as shown. */
  | { readonly kind: 'until' }
  | { readonly kind: 'bytes'; readonly by: string; readonly bytes: Buffer }
  | { readonly kind: 'half_close' | 'close' | 'closed'; readonly by: string }
  | { readonly kind: 'restart' }
);

const folder = new URL('../../protocol/transcripts/', import.meta.url);

export function loadTranscripts(): Transcript[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt'));
  return files.sort().map((file) => parseTranscript(file, readFileSync(new URL(file, folder), 'utf8')));
}

/** The only connection of a transcript that names none. */
const unnamed = 'client';

export function parseTranscript(name: string, text: string): Transcript {
  const steps: Step[] = [];
  let settings: Transcript['settings'] = null;
  let times = 1;
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const line = index + 1;
    let content = lines[index]!;
    // A message goes on in the lines that are indented.
    while (/^\s+\S/.test(lines[index + 1] ?? '')) content += ` ${lines[++index]!.trim()}`;
    if (content.trim() === '' || content.startsWith('#')) continue;

    const message = /^([CS])(?: ([a-z]\w*))?: (.+)$/.exec(content);
    if (message !== null) {
      const [, side, by = unnamed, said] = message as unknown as [string, string, string | undefined, string];
      steps.push({ line, kind: side === 'C' ? 'send' : 'expect', by, text: said, times });
      if (side === 'S') times = 1;
      continue;
    }
    const directive = /^-- (.+)$/.exec(content)?.[1] ?? fail(name, line, `neither C:, S:, -- nor #: ${content}`);
    const repeated = /^(\d+) times$/.exec(directive);
    if (repeated !== null) times = Number(repeated[1]);
    else if (directive.startsWith('server with ')) settings = parseSettings(directive.slice('server with '.length));
    else steps.push(parseDirective(directive, line) ?? fail(name, line, `unknown: -- ${directive}`));
  }
  return { name, settings, steps };
}

function parseDirective(directive: string, line: number): Step | null {
  if (directive === 'server restarts') return { line, kind: 'restart' };
  if (directive === 'until it is answered so') return { line, kind: 'until' };
  const [, ended] = /^server closes (\w+)$/.exec(directive) ?? [];
  if (ended !== undefined) return { line, kind: 'closed', by: ended };
  const [, by, verb, rest] = /^(\w+) (closes|half-closes|sends)(?: (.+))?$/.exec(directive) ?? [];
  if (by === undefined) return null;
  if (verb === 'sends') return rest === undefined ? null : { line, kind: 'bytes', by, bytes: parseBytes(rest) };
  return { line, kind: verb === 'closes' ? 'close' : 'half_close', by };
}

function parseSettings(text: string): Record<string, string> {
  return Object.fromEntries(text.split(' ').map((setting) => setting.split('=') as [string, string]));
}

/** `"abc" + 1000 * "\u00ff"`: strings whose characters stand for bytes. */
function parseBytes(expression: string): Buffer {
  const parts = expression.split(' + ').map((part) => {
    const [, count = '1', string] = /^(?:(\d+) \* )?(".*")$/.exec(part)!;
    return Buffer.from(JSON.parse(string!) as string, 'latin1')
      .toString('latin1')
      .repeat(Number(count));
  });
  return Buffer.from(parts.join(''), 'latin1');
}

function fail(name: string, line: number, what: string): never {
  throw new Error(`protocol/transcripts/${name}:${line}: ${what}`);
}

// ---- values that differ from run to run

export type Bindings = Map<string, unknown>;

/** Puts in the values that are bound: for a string that is nothing but the name the value itself, else its text. */
export function substitute(text: string, bindings: Bindings): string {
  return text.replaceAll(/"\$([a-z]\w*)"|\$([a-z]\w*)/gi, (found, whole?: string, part?: string) => {
    const name = whole ?? part!;
    if (bindings.has(name))
      return whole === undefined ? String(bindings.get(name)) : JSON.stringify(bindings.get(name));
    if (whole === undefined) throw new Error(`$${name} is not bound`);
    return found;
  });
}

const more = '...';

/** What an `S:` line shows, as JSON: `...` at the end of an object, or anywhere in an array, stands for further members. */
export function parsePattern(text: string): unknown {
  const json = text
    .replaceAll(/([{,])\s*\.\.\.\s*\}/g, `$1"${more}":"${more}"}`)
    .replaceAll(/([[,])\s*\.\.\.\s*(?=[\],])/g, `$1"${more}"`);
  return JSON.parse(json);
}

/** null: the value is as shown, and the names that it shows first are bound. Else where and how they differ. */
export function difference(shown: unknown, value: unknown, bindings: Bindings, path = '$'): string | null {
  if (shown === '*') return value === undefined ? `${path} is missing` : null;
  if (typeof shown === 'string') return textDifference(shown, value, bindings, path);
  if (Array.isArray(shown)) return arrayDifference(shown, value, bindings, path);
  if (typeof shown === 'object' && shown !== null) {
    return objectDifference(shown as Record<string, unknown>, value, bindings, path);
  }
  return shown === value ? null : differ(path, shown, value);
}

function textDifference(shown: string, value: unknown, bindings: Bindings, path: string): string | null {
  const name = /^\$([a-z]\w*)$/i.exec(shown)?.[1];
  if (name !== undefined) {
    if (value === undefined) return `${path} is missing`;
    if (!bindings.has(name)) bindings.set(name, value);
    const bound = bindings.get(name);
    return isDeepStrictEqual(bound, value) ? null : differ(path, bound, value);
  }
  if (!shown.includes('*')) return shown === value ? null : differ(path, shown, value);
  const pattern = shown.split('*').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return typeof value === 'string' && new RegExp(`^${pattern.join('.*')}$`, 's').test(value)
    ? null
    : differ(path, shown, value);
}

function arrayDifference(shown: unknown[], value: unknown, bindings: Bindings, path: string): string | null {
  if (!Array.isArray(value)) return differ(path, shown, value);
  const gap = shown.indexOf(more);
  const [before, after] = gap === -1 ? [shown, []] : [shown.slice(0, gap), shown.slice(gap + 1)];
  const fits = gap === -1 ? value.length === shown.length : value.length >= shown.length - 1;
  if (!fits) return `${path} has ${value.length} entries: ${excerpt(value)}`;
  for (const [index, each] of before.entries()) {
    const found = difference(each, value[index], bindings, `${path}[${index}]`);
    if (found !== null) return found;
  }
  for (const [index, each] of after.entries()) {
    const at = value.length - after.length + index;
    const found = difference(each, value[at], bindings, `${path}[${at}]`);
    if (found !== null) return found;
  }
  return null;
}

function objectDifference(
  shown: Readonly<Record<string, unknown>>,
  value: unknown,
  bindings: Bindings,
  path: string,
): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return differ(path, shown, value);
  for (const [key, each] of Object.entries(shown)) {
    if (key === more) continue;
    const own = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    const found = difference(each, own, bindings, `${path}.${key}`);
    if (found !== null) return found;
  }
  if (more in shown) return null;
  const further = Object.keys(value).filter((key) => !Object.hasOwn(shown, key));
  return further.length === 0 ? null : `${path} has further members: ${further.join(', ')}`;
}

function differ(path: string, shown: unknown, value: unknown): string {
  return value === undefined ? `${path} is missing` : `${path} is ${excerpt(value)}, not ${excerpt(shown)}`;
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 400 ? text : `${text.slice(0, 400)}...`;
}

// ---- what a transcript shows

/** A request and the reply to it, as a transcript shows them. */
export interface Exchange {
  readonly method: string;
  /** Of `tools/call`. */
  readonly tool: string | null;
  /** The reason of the error; null: a success. */
  readonly refused: string | null;
}

interface Asked {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
}

/** Every request that is answered, those within batches included. What is not JSON asks nothing, and is answered. */
export function exchangesOf({ steps }: Transcript): Exchange[] {
  const asked = new Map<string, Asked>();
  const exchanges: Exchange[] = [];
  const answered = (request: Asked | undefined, reply: unknown): void => {
    const { result, error } = reply as { result?: unknown; error?: { data?: { reason?: string } } };
    const name = request?.method;
    if (name === 'batch' && Array.isArray(request?.params) && Array.isArray(result)) {
      const gap = result.indexOf(more);
      for (const [index, entry] of result.entries()) {
        if (entry === more) continue;
        const of = gap === -1 || index < gap ? index : request.params.length - result.length + index;
        answered(request.params[of] as Asked, entry);
      }
    }
    const tool = name === 'tools/call' ? (request!.params as { name?: string } | undefined)?.name : undefined;
    const refused = error === undefined ? null : (error.data?.reason ?? 'unknown');
    exchanges.push({ method: typeof name === 'string' ? name : '', tool: tool ?? null, refused });
  };
  for (const step of steps) {
    if (step.kind === 'send' || step.kind === 'bytes') {
      const text = step.kind === 'send' ? step.text : step.bytes.toString();
      for (const message of messagesIn(text)) asked.set(`${step.by} ${JSON.stringify(message.id)}`, message);
    } else if (step.kind === 'expect') {
      const shown = parsePattern(step.text);
      for (const reply of Array.isArray(shown) ? shown : [shown]) {
        const { id, result, error } = reply as Asked & { result?: unknown; error?: unknown };
        if (result !== undefined || error !== undefined) answered(asked.get(`${step.by} ${JSON.stringify(id)}`), reply);
      }
    }
  }
  return exchanges;
}

function messagesIn(text: string): Asked[] {
  try {
    return [JSON.parse(text) as Asked].flat().filter((message) => typeof message === 'object' && message !== null);
  } catch {
    return [];
  }
}
