/**
 * The protocol as data: loads `protocol/`, and answers what is a tool, what is valid, and what an error means.
 *
 * The folder is the one place where the wire is described. `tools/list`, validation, the types in `spec.types.ts`, the
 * documentation and the tests all come from it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { distance } from 'fastest-levenshtein';

export type Schema = { readonly [key: string]: unknown };

export interface Annotations {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

export interface ToolSpec {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly annotations: Annotations;
  /** Reasons of `errors.json` that this tool can give, beside those that every request can get. */
  readonly errors: readonly string[];
  readonly input: Schema;
  readonly output: Schema;
  readonly examples: readonly { readonly title: string; readonly arguments: object; readonly result?: object }[];
  /** Its result in MCP is text alone: whoever calls it, a program, takes `structuredContent` for an answer that it does not know. */
  readonly textOnly?: true;
}

export interface MethodSpec {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly errors: readonly string[];
  readonly input: Schema;
  readonly output: Schema;
  readonly notifications?: Readonly<Record<string, { readonly description: string; readonly params: Schema }>>;
  readonly examples: readonly { readonly title: string; readonly params: unknown; readonly result?: unknown }[];
}

export interface ErrorSpec {
  readonly reason: string;
  readonly code: number;
  /** It certainly did not happen. */
  readonly definite: boolean;
  /** The same request can succeed a little later. */
  readonly temporary: boolean;
  readonly meaning: string;
  /** What whoever called a tool should do now. */
  readonly next?: string;
  /** Who can get it: a line, any request, or only what names it among its errors. */
  readonly scope: 'line' | 'request' | 'named';
}

/** A prompt that MCP clients offer to their users; its text is `protocol/mcp/NAME.md`. */
export interface PromptSpec {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly arguments: readonly { readonly name: string; readonly description: string; readonly required?: boolean }[];
  readonly text: string;
}

/** What of the server MCP clients are shown: of the tools some, or all (null). */
export interface ProfileSpec {
  readonly prompts: readonly string[];
  readonly tools: readonly string[] | null;
}

/** What is wrong with a value; `message` names the place and what would be right. */
export interface Problem {
  readonly message: string;
  readonly path: string;
}

const folder = new URL('../protocol/', import.meta.url);

function load<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, folder), 'utf8')) as T;
}

function loadAll<T extends { readonly name: string }>(subfolder: string): ReadonlyMap<string, T> {
  const files = readdirSync(new URL(subfolder, folder)).filter((file) => file.endsWith('.json'));
  const specs = files.sort().map((file) => inline(load<T>(`${subfolder}${file}`)) as T);
  return new Map(specs.map((spec) => [spec.name, spec]));
}

/** Schemas are handed out on their own, so what they share is put in where it is referred to. */
function inline(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inline);
  if (typeof value !== 'object' || value === null) return value;
  const { $ref, ...rest } = value as { $ref?: unknown } & Record<string, unknown>;
  const own = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, inline(part)]));
  if (typeof $ref !== 'string') return own;
  const name = $ref.replace('definitions.json#/', '');
  const definition = definitions[name];
  if (definition === undefined) throw new Error(`protocol/definitions.json has no ${name}`);
  return { ...(inline(definition) as object), ...own };
}

export const definitions = load<Readonly<Record<string, Schema>>>('definitions.json');
/** A definition on its own, with what it refers to put in. */
export function definition(name: string): Schema {
  return inline(definitions[name]) as Schema;
}

export const tools = loadAll<ToolSpec>('tools/');
export const methods = loadAll<MethodSpec>('methods/');
export const events = load<Readonly<Record<string, string>>>('events.json');

const readText = (path: string): string => readFileSync(new URL(path, folder), 'utf8').trim();

const promptTable = load<Readonly<Record<string, Omit<PromptSpec, 'name' | 'text'>>>>('mcp/prompts.json');
export const prompts: ReadonlyMap<string, PromptSpec> = new Map(
  Object.entries(promptTable).map(([name, spec]) => [name, { name, ...spec, text: readText(`mcp/${name}.md`) }]),
);
export const profiles =
  load<Readonly<Record<'all' | 'worker' | 'agent' | 'submitter', ProfileSpec>>>('mcp/profiles.json');
export type ProfileName = keyof typeof profiles;

const errorTable = load<{ names: Readonly<Record<string, string>>; errors: readonly ErrorSpec[] }>('errors.json');
export const errors: ReadonlyMap<string, ErrorSpec> = new Map(errorTable.errors.map((error) => [error.reason, error]));

/** The general name of a code, such as "Agent error". */
export function errorName(code: number): string {
  return errorTable.names[String(code)] ?? 'Error';
}

export const version = load<{ version: string }>('../package.json').version;

// ---- validation

const ajv = new Ajv2020({
  allowUnionTypes: true,
  formats: { 'date-time': isoTime },
  strictTypes: false,
  strictRequired: false,
});
const compiled = new WeakMap<Schema, ValidateFunction>();

/** null: the value is as the schema says. Compiles a schema when it is first needed. */
export function validate(schema: Schema, value: unknown): Problem | null {
  let check = compiled.get(schema);
  if (check === undefined) {
    check = ajv.compile(schema);
    compiled.set(schema, check);
  }
  if (check(value)) return null;
  return explain(mostTelling(check.errors!), check.errors!, schema);
}

function isoTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text));
}

/** Of the errors of several alternatives: the one that is deepest, and so comes from the alternative that was meant. */
function mostTelling(found: readonly ErrorObject[]): ErrorObject {
  const rank = ({ instancePath, keyword }: ErrorObject): number =>
    instancePath.split('/').length * 4 + (keyword === 'type' ? 0 : keyword === 'anyOf' ? 1 : 2);
  return found.reduce((best, error) => (rank(error) > rank(best) ? error : best));
}

function explain(error: ErrorObject, all: readonly ErrorObject[], schema: Schema): Problem {
  const path = error.instancePath.slice(1).replaceAll('/', '.');
  const what = path === '' ? 'arguments' : path;
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'additionalProperties': {
      const unknown = String(params['additionalProperty']);
      const known = knownNames(error, schema);
      const nearest = nearestOf(unknown, known);
      const hint = nearest === undefined ? `known are ${known.join(', ') || 'none'}` : `did you mean ${nearest}?`;
      return { path: join(path, unknown), message: `unknown argument ${join(path, unknown)}: ${hint}` };
    }
    case 'required':
      return {
        path: join(path, String(params['missingProperty'])),
        message: `${join(path, String(params['missingProperty']))} is missing`,
      };
    case 'enum':
      return { path, message: `${what} must be one of ${(params['allowedValues'] as unknown[]).join(', ')}` };
    case 'anyOf': {
      const types = all.filter(
        ({ keyword, instancePath }) => keyword === 'type' && instancePath === error.instancePath,
      );
      return { path, message: `${what} must be ${types.map(({ params }) => String(params['type'])).join(' or ')}` };
    }
    case 'type':
      return { path, message: `${what} must be ${[params['type']].flat().join(' or ')}` };
    default:
      return { path, message: `${what} ${error.message ?? 'is invalid'}` };
  }
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** The properties that the schema knows at the place of the error. */
function knownNames(error: ErrorObject, schema: Schema): string[] {
  let at: unknown = schema;
  for (const step of error.schemaPath.split('/').slice(1, -1)) {
    at = (at as Record<string, unknown> | undefined)?.[
      decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
    ];
  }
  return Object.keys((at as { properties?: object } | undefined)?.properties ?? {});
}

/** The candidate that a misspelt word was most likely meant to be; undefined: none is near. */
export function nearestOf(word: string, candidates: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of candidates) {
    const far = distance(plain(word), plain(candidate));
    if (far < least) [nearest, least] = [candidate, far];
  }
  return least <= Math.max(2, Math.ceil(word.length / 3)) ? nearest : undefined;
}
