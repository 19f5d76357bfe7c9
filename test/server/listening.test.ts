import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { listening } from '../../src/server/listening.ts';

test('an address that cannot be listened on is named, with what is wrong and the setting that changes it', async () => {
  const first = createServer();
  try {
    const { port } = await listening(first, { host: '127.0.0.1', port: 0 }, '--port');
    await assert.rejects(listening(createServer(), { host: '127.0.0.1', port }, '--port'), {
      message: `127.0.0.1:${port} is in use: choose another address with --port`,
    });
    await assert.rejects(listening(createServer(), { host: '192.0.2.1', port: 0 }, '--bind'), {
      message: '192.0.2.1:0 is not an address of this machine: choose another address with --bind',
    });
  } finally {
    first.close();
  }
});
