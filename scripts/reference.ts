/**
 * The generated parts of protocol/README.md: methods, tools, shapes, events, errors and limits as Markdown, from the
 * JSON files beside it. Shapes that several tools share are linked to, not repeated.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Annotations, ErrorSpec, MethodSpec, ToolSpec } from '../src/spec.ts';

interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly [keyword: string]: unknown;
}

type Raw<T> = Omit<T, 'input' | 'output' | 'notifications'> & {
  readonly input: Schema;
  readonly output: Schema;
  readonly notifications?: Readonly<Record<string, { readonly description: string; readonly params: Schema }>>;
};

const folder = new URL('../protocol/', import.meta.url);
const load = <T>(path: string): T => JSON.parse(readFileSync(new URL(path, folder), 'utf8')) as T;
const loadAll = <T>(subfolder: string): T[] =>
  readdirSync(new URL(subfolder, folder))
    .sort()
    .map((file) => load<T>(`${subfolder}${file}`));

const definitions = load<Readonly<Record<string, Schema>>>('definitions.json');

// ---- schemas

function definitionOf({ $ref }: Schema): { readonly name: string; readonly definition: Schema } | null {
  if ($ref === undefined) return null;
  const name = $ref.replace('definitions.json#/', '');
  return { name, definition: definitions[name]! };
}

/** What has members of its own is described once, under its name. */
const isShape = (schema: Schema): boolean => schema.properties !== undefined;

/** In words that fit into a cell of a table: `string, 1 to 128 characters`. */
function typeOf(schema: Schema): string {
  const of = definitionOf(schema);
  if (of !== null && isShape(of.definition)) return `[${of.name}](#${of.name.toLowerCase()})${orNull(of.definition)}`;
  if (of !== null) return typeOf(of.definition);
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined && schema.type === undefined) return alternatives.map(typeOf).join(' or ');
  if (schema.type === undefined) return 'any';
  if (schema.type === 'array')
    return `list of ${schema.items === undefined ? 'any' : typeOf(schema.items)}${bounds(schema)}`;
  return `${[schema.type].flat().join(' or ')}${bounds(schema)}`;
}

const orNull = ({ type }: Schema): string => (Array.isArray(type) && type.includes('null') ? ' or null' : '');
const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

function bounds(schema: Schema): string {
  const range = (least: unknown, most: unknown, unit: string): string | null => {
    if (most === undefined) return least === undefined || least === 0 ? null : `at least ${least}${unit}`;
    if (least === most) return `exactly ${least}`;
    return least === undefined ? `at most ${most}${unit}` : `${least} to ${most}${unit}`;
  };
  const above = schema['exclusiveMinimum'];
  const parts = [
    above === undefined ? null : `above ${above}`,
    range(schema['minimum'], schema['maximum'], ''),
    range(schema['minLength'], schema['maxLength'], ' characters'),
    range(schema['minItems'], schema['maxItems'], ' entries'),
    schema['uniqueItems'] === true ? 'without repetition' : null,
    schema['pattern'] === undefined ? null : `as \`${String(schema['pattern'])}\``,
    schema['format'] === 'date-time' ? 'ISO 8601' : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? '' : `, ${parts.join(', ')}`;
}

const descriptionOf = (schema: Schema): string =>
  schema.description ?? definitionOf(schema)?.definition.description ?? '';

/** Members, and theirs, each with its path: `phases[].name`. A member that may be missing has a question mark. */
function rowsOf(schema: Schema, path = ''): string[] {
  const rows: string[] = [];
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    const optional = !(schema.required ?? []).includes(name);
    rows.push(row(`\`${path}${name}\`${optional ? '?' : ''}`, typeOf(member), descriptionOf(member)));
    rows.push(...rowsWithin(member, `${path}${name}`));
  }
  return rows;
}

function rowsWithin(member: Schema, path: string): string[] {
  if (member.$ref !== undefined) return [];
  const objects = [member, ...(member.anyOf ?? [])].filter(isShape);
  const entries =
    member.items !== undefined && member.items.$ref === undefined && isShape(member.items) ? [member.items] : [];
  return [
    ...objects.flatMap((each) => rowsOf(each, `${path}.`)),
    ...entries.flatMap((each) => rowsOf(each, `${path}[].`)),
  ];
}

const row = (...cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

function table(header: readonly string[], rows: readonly string[]): string {
  return [row(...header), `|${'---|'.repeat(header.length)}`, ...rows].join('\n');
}

/** The members of an object; of one that has several forms, those of each. */
function members(what: string, schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map((form) => members(what, form)).join('\n\nor\n\n');
  if (schema.properties === undefined) return `${capital(what)}: ${typeOf(schema)}.`;
  const rows = rowsOf(schema);
  return rows.length === 0 ? `${capital(what)}: none.` : table([what, 'type', ''], rows);
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

// ---- methods and tools

function example(title: string, asked: unknown, answered: unknown): string {
  const lines = [`// ${title}`, JSON.stringify(asked), ...(answered === undefined ? [] : [JSON.stringify(answered)])];
  return `\`\`\`js\n${lines.join('\n')}\n\`\`\``;
}

function errorsOf({ errors }: { readonly errors: readonly string[] }): string[] {
  return errors.length === 0 ? [] : [`Refused with ${errors.map(code).join(', ')}.`];
}

function hints({ readOnlyHint, destructiveHint, idempotentHint }: Annotations): string {
  if (readOnlyHint) return 'Only reads.';
  return `Changes${destructiveHint ? ', and can destroy' : ''}; ${idempotentHint ? 'once more makes no difference' : 'once more is one more'}.`;
}

export function toolReference(): string {
  const sections = loadAll<Raw<ToolSpec>>('tools/').map((tool) =>
    [
      `### ${tool.name}`,
      `${tool.title}. ${tool.description} *${hints(tool.annotations)}*`,
      members('argument', tool.input),
      members('reply', tool.output),
      ...errorsOf(tool),
      ...tool.examples.map(({ title, arguments: args, result }) => example(title, args, result)),
    ].join('\n\n'),
  );
  return sections.join('\n\n');
}

export function methodReference(): string {
  const sections = loadAll<Raw<MethodSpec>>('methods/').map((method) =>
    [
      `### ${method.name}`,
      method.description,
      members('parameter', method.input),
      members('result', method.output),
      ...errorsOf(method),
      ...method.examples.map(({ title, params, result }) => example(title, params, result)),
      ...Object.entries(method.notifications ?? {}).map(
        ([name, { description, params }]) =>
          `Notification \`${name}\`: ${description}\n\n${members('parameter', params)}`,
      ),
    ].join('\n\n'),
  );
  return sections.join('\n\n');
}

export function shapeReference(): string {
  const shapes = Object.entries(definitions).filter(([, definition]) => isShape(definition));
  return shapes
    .map(([name, definition]) =>
      [`### ${name}`, definition.description ?? '', members('member', definition)]
        .filter((part) => part !== '')
        .join('\n\n'),
    )
    .join('\n\n');
}

// ---- events, errors, limits

export function eventTable(): string {
  const meanings = load<Readonly<Record<string, string>>>('events.json');
  const { notifications } = load<Raw<MethodSpec>>('methods/subscribe.json');
  const forms = notifications!['event']!.params.properties!['event']!.oneOf!;
  const rows = forms.map(({ properties }) => {
    const { type, ...fields } = properties!;
    const name = String(type!.const);
    return row(code(name), Object.keys(fields).map(code).join(', '), meanings[name]!);
  });
  return table(['type', 'fields', 'meaning'], rows);
}

export function errorTable(): string {
  const { names, scopes, errors } = load<{
    readonly names: Readonly<Record<string, string>>;
    readonly scopes: Readonly<Record<string, string>>;
    readonly errors: readonly (ErrorSpec & { readonly scope: string })[];
  }>('errors.json');
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  return Object.entries(scopes)
    .map(([scope, meaning]) => {
      const rows = errors
        .filter((error) => error.scope === scope)
        .map(({ reason, code: number, definite, temporary, meaning: what, next = '' }) =>
          row(code(reason), `${number} ${names[number]}`, yes(definite), yes(temporary), what, next),
        );
      return `${meaning}\n\n${table(['reason', 'code', 'definite', 'temporary', 'meaning', 'what to do'], rows)}`;
    })
    .join('\n\n');
}

export function limitTable(): string {
  const limits = load<
    readonly {
      readonly name: string;
      readonly unit: string;
      readonly default: number;
      readonly setting: string | null;
      readonly meaning: string;
    }[]
  >('limits.json');
  const rows = limits.map(({ name, unit, default: value, setting, meaning }) =>
    row(code(name), value.toLocaleString('en'), unit, setting === null ? '' : code(setting), meaning),
  );
  return table(['name', 'default', 'unit', 'setting', 'meaning'], rows);
}
