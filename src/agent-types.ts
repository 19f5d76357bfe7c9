/**
 * The agent types of `skein.yaml`: what a host may start, and how. Only this file says so; the wire names a type and
 * never brings a command line.
 *
 *     agentTypes:
 *       sum: { argv: [sha256sum], stdin: input, capabilities: [hash] }
 *       coder: { runtime: acp, argv: [gemini, --acp], permissions: allow }
 *       reviewer: { runtime: external, capabilities: [review] }
 *       writer: { template: claude, args: [--model, opus], capabilities: [write] }
 *
 * The fields, with their limits and defaults, are the schemas below. Paths are relative to the file's folder. Every
 * problem is reported with its place in the file.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { closest } from 'fastest-levenshtein';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { isTemplateName, templateNames, templates, type TemplateName } from './templates/index.ts';

interface AnyType {
  readonly name: string;
  readonly description?: string;
  readonly capabilities: readonly string[];
  /** Assignments that one agent works on at the same time. */
  readonly maxConcurrent: number;
  /** Of the agent's ballots in a weighted vote. Absent: from its capabilities. */
  readonly weight?: number;
}

/** A host starts a worker, which starts `argv` for every assignment. */
export interface ProgramType extends AnyType {
  /** Program and arguments, no shell. The program is an absolute path, or a name that is looked up in PATH. */
  readonly argv: readonly [string, ...string[]];
  /** Whether the program is given what it takes to reach its swarm, as the worker's agent; absent: no. */
  readonly mcp?: boolean;
  /** Absolute. */
  readonly cwd: string;
  /** Names of variables of the worker's environment that the program gets too. */
  readonly env: readonly string[];
  readonly setEnv: Readonly<Record<string, string>>;
  /** Absent: the task's timeout alone counts; it also counts when it is the shorter one. */
  readonly timeoutMs?: number;
  readonly maxOutputBytes: number;
}

/** The program reads its work from its standard input and writes its result to its standard output. */
export interface CommandType extends ProgramType {
  readonly runtime: 'command';
  /** Which known command line it is: what the file leaves out was filled in from it. */
  readonly template?: TemplateName;
  readonly stdin: 'prompt' | 'input' | 'json' | 'none';
  readonly parse: 'text' | 'json' | TemplateName;
}

/** The program is an agent of the Agent Client Protocol (`worker/acp`). */
export interface AcpType extends ProgramType {
  readonly runtime: 'acp';
  /** What it is told when it asks for permission. */
  readonly permissions: 'allow' | 'deny' | 'ask';
}

/** The worker comes by itself, with the join token that `agent_spawn` answers. */
export interface ExternalType extends AnyType {
  readonly runtime: 'external';
}

export type AgentType = CommandType | AcpType | ExternalType;
/** By name. A map and no object: names come from the wire, `constructor` among them. */
export type AgentTypes = ReadonlyMap<string, AgentType>;

export type LoadedAgentTypes =
  | { readonly ok: true; readonly agentTypes: AgentTypes }
  /** Each says file, line, column, field, what is wrong and what would be right. */
  | { readonly ok: false; readonly problems: readonly string[] };

// The descriptions are phrases that complete "must be ...": an error message is made of them.

const nameSchema = {
  type: 'string',
  pattern: '^[A-Za-z][A-Za-z0-9_.-]{0,63}$',
  description: '1 to 64 letters, digits, _ . or -, beginning with a letter',
};
const textSchema = { type: 'string', description: 'text: put it into quotes' };
const variableSchema = {
  type: 'string',
  pattern: '^(?!SKEIN_)[A-Za-z_][A-Za-z0-9_]*$',
  description: 'the name of an environment variable; SKEIN_... is set by the worker',
};

/** Command lines of agents print all that they did, of which only the end is the result. */
const outputBytesMax = 64 * 1024 * 1024;

const anyFields = {
  description: { type: 'string', description: 'text' },
  capabilities: {
    type: 'array',
    items: nameSchema,
    uniqueItems: true,
    default: [],
    description: 'a list without repetition',
  },
  maxConcurrent: { type: 'integer', minimum: 1, maximum: 64, default: 1, description: 'a whole number from 1 to 64' },
  weight: { type: 'number', exclusiveMinimum: 0, maximum: 1000, description: 'a number above 0, at most 1000' },
};

const commandSchema = {
  type: 'object',
  description: 'the fields of an agent type, e.g. {argv: [sha256sum], stdin: input}',
  properties: {
    runtime: {
      enum: ['command', 'acp', 'external'],
      default: 'command',
      description: 'command, acp or external',
    },
    template: { enum: templateNames, description: `one of ${templateNames.join(', ')}` },
    args: {
      type: 'array',
      items: textSchema,
      description: 'a list of arguments beside those of the template, e.g. [--model, opus]',
    },
    mcp: { type: 'boolean', description: 'true or false' },
    argv: {
      type: 'array',
      prefixItems: [{ type: 'string', minLength: 1, description: "the program's name or path" }],
      items: textSchema,
      minItems: 1,
      description: 'a list: the program and its arguments, e.g. [sha256sum, --binary]',
    },
    stdin: {
      enum: ['prompt', 'input', 'json', 'none'],
      default: 'prompt',
      description: "prompt (the assignment as text), input (the task's input as it is), json (the assignment) or none",
    },
    parse: {
      enum: ['text', 'json', ...templateNames],
      default: 'text',
      description: `text, json, ${templateNames.join(', ')}, which are the parsers that there are`,
    },
    cwd: { type: 'string', minLength: 1, default: '.', description: "a folder; relative to this file's" },
    env: {
      type: 'array',
      items: variableSchema,
      default: [],
      description: 'a list of names, e.g. [ANTHROPIC_API_KEY]',
    },
    setEnv: {
      type: 'object',
      propertyNames: variableSchema,
      additionalProperties: textSchema,
      default: {},
      description: 'names with their values, e.g. {MODE: "fast"}',
    },
    timeoutMs: {
      type: 'integer',
      minimum: 1,
      maximum: 604_800_000,
      description: 'a whole number of milliseconds, at most 604800000 (a week)',
    },
    // A byte of output may take six in a message (10 MiB at most), so whatever a program writes fits by default.
    // A type that allows more has runs fail with output_too_large when the result as JSON does not fit.
    maxOutputBytes: {
      type: 'integer',
      minimum: 1,
      maximum: outputBytesMax,
      default: 1024 * 1024,
      description: `a number of bytes from 1 to ${outputBytesMax} (64 MiB)`,
    },
    ...anyFields,
  },
  required: ['argv'],
  dependentRequired: { args: ['template'] },
  additionalProperties: false,
};

const ofPrograms = commandSchema.properties;

const acpSchema = {
  type: 'object',
  properties: {
    runtime: { const: 'acp' },
    argv: ofPrograms.argv,
    cwd: ofPrograms.cwd,
    env: ofPrograms.env,
    setEnv: ofPrograms.setEnv,
    timeoutMs: ofPrograms.timeoutMs,
    maxOutputBytes: ofPrograms.maxOutputBytes,
    mcp: { ...ofPrograms.mcp, default: true },
    permissions: {
      enum: ['allow', 'deny', 'ask'],
      default: 'ask',
      description: 'allow, deny or ask (a person, with skein approve): what it is told when it asks for permission',
    },
    ...anyFields,
  },
  required: ['argv'],
  additionalProperties: false,
};

const externalSchema = {
  type: 'object',
  properties: { runtime: { const: 'external' }, ...anyFields },
  additionalProperties: false,
};

const schemas = { command: commandSchema, acp: acpSchema, external: externalSchema };

const fileSchema = {
  type: 'object',
  description: 'a map with the key agentTypes',
  properties: {
    agentTypes: {
      type: ['object', 'null'],
      propertyNames: nameSchema,
      additionalProperties: { type: 'object', description: commandSchema.description },
      description: 'a map from names to agent types',
    },
  },
  additionalProperties: false,
};

/** A file that is not there has no agent types; when it is `required` (somebody named it), it is a problem. */
export function loadAgentTypes(path: string, { required }: { readonly required: boolean }): LoadedAgentTypes {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !required) return { ok: true, agentTypes: new Map() };
    const what = code === 'ENOENT' ? 'there is no such file' : message;
    return { ok: false, problems: [`${path}: ${what}`] };
  }
  return parseAgentTypes(text, path);
}

type RawType = Readonly<Record<string, unknown>>;
type RawFile = { agentTypes?: Record<string, RawType> | null } | null;

/** `path` is for messages, and for what is relative to the file's folder. */
export function parseAgentTypes(text: string, path: string): LoadedAgentTypes {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problemAt = (offset: number, message: string) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}: ${message}`;
  };
  // A warning is an unknown tag: what was meant would be silently dropped.
  const syntax = [...document.errors, ...document.warnings].map(({ pos, message }) => problemAt(pos[0], message));
  if (syntax.length > 0) return { ok: false, problems: syntax };

  let file: RawFile;
  try {
    file = document.toJS();
  } catch (error) {
    // An alias without its anchor, or too many of them.
    return { ok: false, problems: [`${path}: ${(error as Error).message}`] };
  }

  const problems: { readonly offset: number; readonly message: string }[] = [];
  const check = (validate: ValidateFunction, value: unknown, at: readonly string[]): boolean => {
    if (validate(value)) return true;
    for (const error of validate.errors!) {
      // It only says that the error before it is about a key.
      if (error.keyword === 'propertyNames') continue;
      const { key, message } = explain(error);
      const field = [...at, ...pointerSegments(error.instancePath), ...(key === undefined ? [] : [key])];
      const where = field.length === 0 ? '' : `${field.join('.')}: `;
      problems.push({ offset: offsetOf(document, field, key !== undefined), message: where + message });
    }
    return false;
  };

  const ajv = new Ajv2020({
    allErrors: true,
    useDefaults: true,
    verbose: true,
    allowUnionTypes: true,
    strictTuples: false,
  });
  const validators = {
    command: ajv.compile(schemas.command),
    acp: ajv.compile(schemas.acp),
    external: ajv.compile(schemas.external),
  };
  const agentTypes = new Map<string, AgentType>();
  if (file !== null && check(ajv.compile(fileSchema), file, [])) {
    for (const [name, fields] of Object.entries(file.agentTypes ?? {})) {
      const runtime = fields.runtime === 'external' || fields.runtime === 'acp' ? fields.runtime : 'command';
      const filled = runtime === 'command' ? filledIn(fields) : fields;
      if (!check(validators[runtime], filled, ['agentTypes', name])) continue;
      const { args = [], ...type } = { ...filled, name } as AgentType & { readonly args?: readonly string[] };
      agentTypes.set(name, type.runtime === 'external' ? type : withPathsFrom(dirname(resolve(path)), type, args));
    }
  }
  if (problems.length === 0) return { ok: true, agentTypes };
  problems.sort((a, b) => a.offset - b.offset);
  return { ok: false, problems: problems.map(({ offset, message }) => problemAt(offset, message)) };
}

/** What the type leaves out, its template says. The variables are those of both. */
function filledIn(fields: RawType): RawType {
  const { template: name, env } = fields;
  if (name === undefined) return fields;
  // Of a name that is not known it is enough to be told that.
  if (!isTemplateName(name)) return { argv: [String(name)], ...fields };
  const { argv, env: variables } = templates[name];
  const merged = env === undefined ? variables : Array.isArray(env) ? [...new Set([...variables, ...env])] : env;
  return { argv, parse: name, mcp: true, maxOutputBytes: outputBytesMax, ...fields, env: merged };
}

function withPathsFrom<T extends ProgramType>(folder: string, type: T, more: readonly string[]): T {
  const [program, ...args] = type.argv;
  const found = program.includes('/') ? resolve(folder, program) : program;
  return { ...type, argv: [found, ...args, ...more], cwd: resolve(folder, type.cwd) };
}

/** `key` is given when the problem is not the value but a key of it. */
function explain(error: ErrorObject): { readonly key?: string; readonly message: string } {
  const { keyword, params, data } = error;
  const schema = error.parentSchema as { description: string; properties?: object };
  if (error.propertyName !== undefined) {
    return { key: error.propertyName, message: `the key must be ${schema.description}` };
  }
  if (keyword === 'required') {
    return {
      message: `${params.missingProperty} is missing: e.g. argv: [sha256sum], or template: claude, or else runtime: external`,
    };
  }
  if (keyword === 'dependentRequired') {
    return {
      key: params.property as string,
      message: `it is for a type with a template; without one, argv has the arguments`,
    };
  }
  if (keyword === 'additionalProperties') {
    const key = params.additionalProperty as string;
    const known = Object.keys(schema.properties!);
    const owners = Object.entries(schemas).filter(([, { properties }]) => Object.hasOwn(properties, key));
    if (known.includes('runtime') && owners.length > 0) {
      const runtimes = owners.map(([runtime]) => runtime).join(' or ');
      return { key, message: `only a type with runtime: ${runtimes} has this field` };
    }
    const message = `unknown field; the nearest known one is ${closest(key, known)} (known: ${known.join(', ')})`;
    return { key, message };
  }
  return { message: `must be ${schema.description}; it is ${JSON.stringify(data).slice(0, 80)}` };
}

function pointerSegments(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Where a field stands: its key or its value, or as near as the text has it. */
function offsetOf(document: Document, field: readonly string[], atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [index, segment] of field.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === segment);
      if (pair === undefined) break;
      const isLast = index === field.length - 1;
      offset = (pair.key as Node).range![0];
      node = isLast && atKey ? pair.key : pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(segment)];
    } else break;
    offset = (node as Node | null)?.range?.[0] ?? offset;
  }
  return offset;
}
