/** The package as its users import it: by its name, built, and in the example that docs/client.md shows. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startServer } from '../server-process.ts';

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const run = promisify(execFile);

test('examples/client.mjs does what it says', async (t) => {
  assert.ok(existsSync(path('dist/client/client.js')), 'dist/ is missing: run `npm run build` first');
  const server = await startServer(t);
  const file = path('package.json');
  const env = { ...process.env, MCP_HOST: '127.0.0.1', MCP_TCP_PORT: String(server.port) };
  const { stdout } = await run(process.execPath, [path('examples/client.mjs'), file], { env });
  const digest = createHash('sha256').update(readFileSync(file, 'utf8')).digest('hex');
  assert.match(stdout, new RegExp(`\\ncompleted ${digest}\\n$`));
  assert.match(stdout, /^ {2}1 swarm_created/);
});

test('examples/client.mjs without a coordinator says what is missing', async () => {
  assert.ok(existsSync(path('dist/client/client.js')), 'dist/ is missing: run `npm run build` first');
  // Nobody listens on port 1.
  const env = { ...process.env, MCP_HOST: '127.0.0.1', MCP_TCP_PORT: '1' };
  await assert.rejects(run(process.execPath, [path('examples/client.mjs')], { env }), (error: unknown) => {
    const { code, stderr } = error as { readonly code: number; readonly stderr: string };
    assert.equal(code, 1);
    assert.match(stderr, /^connect_failed: .*skein serve/);
    return true;
  });
});
