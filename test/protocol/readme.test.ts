/** protocol/README.md says what the files beside it say, limits.json what a server really has. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connectRaw, startServer } from '../server-process.ts';

const path = (relative: string): URL => new URL(`../../${relative}`, import.meta.url);

test('scripts/generate has nothing to do', async () => {
  const script = fileURLToPath(path('scripts/generate.ts'));
  const child = spawn(process.execPath, ['--import', 'tsx', script, '--check'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0, Buffer.concat(said).toString());
});

test('limits.json has the limits of a server, with their defaults', async (t) => {
  const documented = JSON.parse(readFileSync(path('protocol/limits.json'), 'utf8')) as {
    readonly name: string;
    readonly default: number;
    readonly setting: string | null;
  }[];
  const unset = Object.fromEntries(documented.flatMap(({ setting }) => (setting === null ? [] : [[setting, '']])));
  const server = await startServer(t, { env: unset });
  const { limits } = (await (await connectRaw(t, server.port)).call('server_info')) as {
    limits: Record<string, number>;
  };
  assert.deepEqual(limits, Object.fromEntries(documented.map((limit) => [limit.name, limit.default])));
});

test('every link within the text leads somewhere', () => {
  const text = readFileSync(path('protocol/README.md'), 'utf8');
  const anchors = new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
  const broken = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, to]) => to!).filter((to) => !anchors.has(to));
  assert.deepEqual(broken, []);
});
