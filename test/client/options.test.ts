/** Settings: what is named wins over the environment, which wins over the defaults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SkeinError } from '../../src/client/errors.ts';
import { settingsOf } from '../../src/client/options.ts';
import { settings as serverSettings } from '../../src/config.ts';

function refused(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof SkeinError);
    assert.equal(error.reason, 'invalid_options');
    assert.match(error.message, message);
    return true;
  });
}

test('defaults', () => {
  assert.deepEqual(settingsOf({}, { MCP_HOST: '', MCP_TCP_PORT: '' }), {
    host: '127.0.0.1',
    port: 9500,
    poolSize: 10,
    poolMin: 2,
    retryAttempts: 3,
    retryDelayMs: 100,
    lineBytesMax: 10_485_760,
    callTimeoutMs: 30_000,
    connectTimeoutMs: 5_000,
    closeTimeoutMs: 5_000,
  });
});

test('what client and server both have is the same', () => {
  const { port, lineBytesMax } = settingsOf({}, {});
  assert.equal(port, serverSettings.tcpPort.default);
  assert.equal(lineBytesMax, serverSettings.lineBytesMax.default);
});

test('the environment', () => {
  const env = {
    MCP_HOST: 'coordinator',
    MCP_TCP_PORT: '9600',
    MCP_TRANSPORT: 'tcp',
    MCP_POOL_SIZE: '20',
    MCP_POOL_MIN: '0',
    MCP_RETRY_ATTEMPTS: '5',
    MCP_RETRY_DELAY: '200',
    MCP_MAX_MESSAGE_BYTES: '2048',
  };
  const { host, port, poolSize, poolMin, retryAttempts, retryDelayMs, lineBytesMax } = settingsOf({}, env);
  assert.deepEqual(
    [host, port, poolSize, poolMin, retryAttempts, retryDelayMs, lineBytesMax],
    ['coordinator', 9600, 20, 0, 5, 200, 2048],
  );
});

test('what is named wins, and undefined names nothing', () => {
  const env = { MCP_HOST: 'coordinator', MCP_TCP_PORT: '9600', MCP_POOL_SIZE: 'many' };
  const { host, port, poolSize } = settingsOf({ host: 'other', port: undefined, poolSize: 3 }, env);
  assert.deepEqual([host, port, poolSize], ['other', 9600, 3]);
});

test('the least number of connections is never above the most', () => {
  assert.equal(settingsOf({ poolSize: 1 }, {}).poolMin, 1);
});

test('what cannot be is refused by name', () => {
  refused(() => settingsOf({}, { MCP_TCP_PORT: '95oo' }), /^MCP_TCP_PORT is "95oo": .* from 1 to 65535$/);
  refused(() => settingsOf({ port: NaN }, {}), /^port is .*: it must be a whole number/);
  refused(() => settingsOf({ poolSize: 0 }, {}), /^poolSize is 0: /);
  refused(() => settingsOf({}, { MCP_TRANSPORT: 'stdio' }), /^MCP_TRANSPORT is "stdio": this client speaks tcp/);
});
