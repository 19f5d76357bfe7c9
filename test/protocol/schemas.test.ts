/** The files of protocol/ agree with themselves, with each other, and with the words that the core uses. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { eventVersions } from '../../src/core/event.ts';
import { refusalReasons } from '../../src/core/refusal.ts';
import { definitions, errorName, errors, events, methods, tools, validate, type Schema } from '../../src/spec.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const namesIn = (folder: string): string[] =>
  readdirSync(new URL(folder, root)).map((file) => file.replace(/\.json$/, ''));

/** Strict: an unknown keyword is most likely a misspelt one. */
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allowUnionTypes: true });
ajv.addFormat('date-time', true);

function compiles(schema: Schema): void {
  ajv.compile(schema);
}

function conforms(schema: Schema, value: unknown): void {
  assert.equal(validate(schema, value), null);
}

const errorTable = JSON.parse(read('protocol/errors.json')) as {
  readonly names: Readonly<Record<string, string>>;
  readonly scopes: Readonly<Record<string, string>>;
  readonly errors: readonly { readonly reason: string; readonly code: number; readonly scope: string }[];
};

/** A reason that every request can get is not repeated in each list. */
function errorsExist(reasons: readonly string[]): void {
  for (const reason of reasons) {
    const known = errorTable.errors.find((error) => error.reason === reason);
    assert.ok(known !== undefined, `errors.json has no ${reason}`);
    assert.notEqual(known.scope, 'request', `every request can get ${reason}, so it is not listed`);
  }
  assert.equal(new Set(reasons).size, reasons.length, 'a reason is listed twice');
}

describe('tools', () => {
  test('are named after their files', () => {
    assert.deepEqual([...tools.keys()].sort(), namesIn('protocol/tools/').sort());
  });

  /** These names have a meaning of their own where MCP carries the result. */
  const reserved = ['content', 'task', '_meta', 'resultType'];

  for (const [name, tool] of tools) {
    test(`${name}: its schemas compile and its examples are as they say`, () => {
      compiles(tool.input);
      compiles(tool.output);
      assert.equal(tool.input['type'], 'object');
      // What a permission prompt is asked with is for others to say, and they may say more some day.
      assert.equal(tool.input['additionalProperties'], name === 'approve');
      assert.equal(tool.output['type'], 'object');
      assert.ok(tool.examples.length > 0, 'there is no example');
      for (const { title, arguments: args, result } of tool.examples) {
        assert.ok(title.length > 0 && result !== undefined, `${title}: an example has a title and a result`);
        conforms(tool.input, args);
        conforms(tool.output, result);
      }
    });

    test(`${name}: is described, annotated, and names errors that there are`, () => {
      assert.ok(tool.title.length > 0 && tool.description.length > 0);
      assert.deepEqual(Object.keys(tool.annotations).sort(), [
        'destructiveHint',
        'idempotentHint',
        'openWorldHint',
        'readOnlyHint',
      ]);
      for (const hint of Object.values(tool.annotations)) assert.equal(typeof hint, 'boolean');
      if (tool.annotations.readOnlyHint)
        assert.ok(!tool.annotations.destructiveHint, 'what only reads destroys nothing');
      errorsExist(tool.errors);
      const mutates = !tool.annotations.readOnlyHint;
      const { requestId } = tool.input['properties'] as { requestId?: unknown };
      assert.equal(requestId !== undefined, mutates, 'a tool takes a requestId if and only if it changes something');
      assert.equal(tool.errors.includes('request_id_reused'), mutates);
    });

    test(`${name}: no field of its result means something else in MCP`, () => {
      const { properties = {}, anyOf = [] } = tool.output as { properties?: object; anyOf?: { properties?: object }[] };
      const fields = [properties, ...anyOf.map((one) => one.properties ?? {})].flatMap((one) => Object.keys(one));
      assert.deepEqual(
        fields.filter((field) => reserved.includes(field)),
        [],
      );
    });
  }
});

describe('methods', () => {
  test('are named after their files, with . for /', () => {
    const files = [...methods.keys()].map((name) => name.replace('/', '.'));
    assert.deepEqual(files.sort(), namesIn('protocol/methods/').sort());
  });

  for (const [name, method] of methods) {
    test(`${name}: its schemas compile and its examples are as they say`, () => {
      compiles(method.input);
      compiles(method.output);
      for (const { params } of Object.values(method.notifications ?? {})) compiles(params);
      assert.ok(method.title.length > 0 && method.description.length > 0);
      errorsExist(method.errors);
      for (const { params, result } of method.examples) {
        conforms(method.input, params);
        if (result !== undefined) conforms(method.output, result);
      }
    });
  }
});

describe('definitions', () => {
  const files = ['tools', 'methods'].flatMap((folder) =>
    readdirSync(new URL(`protocol/${folder}/`, root)).map((file) => `protocol/${folder}/${file}`),
  );
  const everything = ['protocol/definitions.json', ...files].map(read).join('');

  for (const [name, definition] of Object.entries(definitions)) {
    test(`${name} is used, and is a schema`, () => {
      assert.ok(everything.includes(`"definitions.json#/${name}"`));
      const inlined = JSON.parse(JSON.stringify(definition).replaceAll('definitions.json#/', '#/$defs/')) as Schema;
      const all = JSON.parse(JSON.stringify(definitions).replaceAll('definitions.json#/', '#/$defs/')) as Schema;
      compiles({ ...inlined, $defs: all });
    });
  }
});

describe('errors', () => {
  test('are listed once, with a code and a scope that are explained', () => {
    assert.equal(errors.size, errorTable.errors.length);
    for (const { reason, code, scope } of errorTable.errors) {
      assert.notEqual(errorName(code), 'Error', `${reason} has code ${code}, which has no name`);
      assert.ok(Object.hasOwn(errorTable.scopes, scope), `${reason} has the scope ${scope}`);
    }
  });

  test('cover every refusal of the core', () => {
    assert.deepEqual(
      refusalReasons.filter((reason) => !errors.has(reason)),
      [],
    );
  });

  test('that a method or a tool can give are among those of one of them', () => {
    const listed = new Set([...tools.values(), ...methods.values()].flatMap((spec) => spec.errors));
    const unlisted = errorTable.errors.filter(({ reason, scope }) => scope === 'named' && !listed.has(reason));
    assert.deepEqual(unlisted, []);
  });

  const sources = (readdirSync(new URL('src/', root), { recursive: true }) as string[])
    .filter((file) => file.endsWith('.ts') && file !== 'core/refusal.ts' && file !== 'spec.types.ts')
    .map((file) => read(`src/${file}`))
    .join('');
  for (const reason of errors.keys()) {
    test(`${reason} is given by the source`, () => assert.ok(sources.includes(`'${reason}'`)));
  }
});

describe('events', () => {
  test('are those that the core knows', () => {
    assert.deepEqual(Object.keys(events).sort(), Object.keys(eventVersions).sort());
  });

  test('have their fields in the notification of subscribe', () => {
    const { params } = methods.get('subscribe')!.notifications!['event']!;
    const { oneOf } = (params['properties'] as { event: { oneOf: { properties: { type: { const: string } } }[] } })
      .event;
    assert.deepEqual(
      oneOf.map(({ properties }) => properties.type.const),
      Object.keys(events),
    );
  });
});
