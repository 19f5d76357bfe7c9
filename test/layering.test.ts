/**
 * The house: who may import whom, and what the pure parts may not touch. The table is that of src/README.md.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const mayImport: Readonly<Record<string, readonly string[] | 'all'>> = {
  core: [],
  wire: [],
  spec: ['spec.types'],
  'spec.types': [],
  observe: [],
  config: [],
  procfs: [],
  templates: [],
  'agent-types': ['templates'],
  store: [],
  journal: ['core', 'spec', 'store', 'observe'],
  memory: ['core', 'spec', 'store', 'observe'],
  coordinator: ['core', 'journal', 'observe'],
  tools: ['core', 'coordinator', 'memory', 'spec', 'spec.types', 'agent-types'],
  dialects: ['wire', 'spec'],
  server: ['core', 'coordinator', 'wire', 'dialects', 'tools', 'spec', 'observe'],
  client: ['wire', 'spec', 'spec.types'],
  worker: ['client', 'wire', 'observe', 'agent-types', 'templates', 'procfs', 'spec.types'],
  hosts: ['core', 'client', 'observe', 'procfs'],
  bridge: ['wire', 'dialects'],
  commands: 'all',
  main: 'all',
  cli: 'all',
};

const root = new URL('../src/', import.meta.url);
const files = (readdirSync(root, { recursive: true }) as string[]).filter((file) => file.endsWith('.ts'));

/** The part of the house that a file belongs to: its folder, or itself at the top. */
const partOf = (file: string): string => (file.includes('/') ? file.split('/')[0]! : file.replace(/\.ts$/, ''));

function importsOf(file: string): string[] {
  const text = readFileSync(new URL(file, root), 'utf8');
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\b[^;]*?from\s+'([^']+)'/gms),
    ...text.matchAll(/\bimport\(\s*'([^']+)'/g),
  ];
  return found.map((match) => match[1]!);
}

const parts = [...new Set(files.map(partOf))].sort();

for (const part of parts) {
  test(`${part} imports only what it may`, () => {
    const allowed = mayImport[part];
    assert.ok(allowed !== undefined, `${part} is not in the import table`);
    if (allowed === 'all') return;
    for (const file of files.filter((candidate) => partOf(candidate) === part)) {
      for (const imported of importsOf(file).filter((name) => name.startsWith('.'))) {
        const target = partOf(new URL(imported, new URL(file, root)).href.slice(root.href.length));
        const message = `${file} imports ${imported}: ${part} may import ${allowed.join(', ') || 'nothing of ours'}`;
        assert.ok(target === part || allowed.includes(target), message);
      }
    }
  });
}

test('the import table names no part that is not there', () => {
  assert.deepEqual(Object.keys(mayImport).sort(), parts);
});

/** What would make a pure part depend on when, where or by whose luck it runs. */
const impure = [
  /\bDate\.now\b/,
  /\bnew Date\(\)/,
  /\bMath\.random\b/,
  /\bperformance\./,
  /\bset(Timeout|Interval|Immediate)\b/,
  /\bprocess\./,
  /\bfetch\(/,
  /\bcrypto\.random/,
];
const pureImports: Readonly<Record<string, readonly string[]>> = {
  // A digest is a function of its input.
  core: ['node:crypto', 'canonicalize', 'jsonpointer'],
  wire: ['node:buffer'],
};

for (const part of Object.keys(pureImports)) {
  test(`${part} is pure`, () => {
    for (const file of files.filter((candidate) => partOf(candidate) === part)) {
      const text = readFileSync(new URL(file, root), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      for (const pattern of impure) assert.doesNotMatch(text, pattern, file);
      for (const imported of importsOf(file).filter((name) => !name.startsWith('.'))) {
        assert.ok(pureImports[part]!.includes(imported), `${file} imports ${imported}`);
      }
    }
  });
}
