/**
 * What is measured. `start` brings up the servers of a measurement and answers with its sides, skein first: which work
 * a load process does on which port, the processes that serve it, and the goal for skein's rate over that of the other
 * side. `client` names a load process that is itself what is measured. A side whose program is not installed has
 * `missing` instead.
 */
import { fileURLToPath } from 'node:url';
import { freePort, startAnnounced, startServer } from './processes.mjs';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const echo = fileURLToPath(new URL('echo.mjs', import.meta.url));

export const measurements = [
  {
    name: 'ping',
    title: 'ping',
    start: async (newFolder) => [
      { name: 'skein', work: 'ping', ...(await startSkein(newFolder())) },
      { name: 'Node newline echo', work: 'ping', goal: 0.75, ...(await startEcho()) },
    ],
  },
  {
    name: 'memory',
    title: 'memory_store + memory_retrieve of 200 B, embedded',
    start: async (newFolder) => [{ name: 'skein', work: 'memory', ...(await startSkein(newFolder())) }],
  },
  {
    name: 'mcp',
    title: 'memory_store + memory_retrieve of 200 B, by dialect',
    async start(newFolder) {
      const skein = await startSkein(newFolder());
      return [
        { name: 'skein, plain', work: 'memory', ...skein },
        { name: 'MCP 2025-11-25', work: 'memoryMcpLegacy', ...skein },
        { name: 'MCP 2026-07-28', work: 'memoryMcpModern', ...skein },
        { name: 'the same over HTTP', work: 'memoryMcpHttp', ...skein, port: skein.httpPort },
      ];
    },
  },
  {
    name: 'memory-redis',
    title: 'memory_store + memory_retrieve of 200 B, on Redis',
    async start(newFolder) {
      const redis = await startRedis(newFolder());
      const skein = redis.missing ? redis : await startSkein(newFolder(), `redis://127.0.0.1:${redis.port}`);
      return [
        { name: 'skein', work: 'memory', ...skein, pids: { ...skein.pids, ...redis.pids } },
        { name: 'ioredis SET + GET', work: 'redis', client: 'ioredis', goal: 0.5, ...redis },
      ];
    },
  },
  {
    name: 'cycle',
    title: 'task_orchestrate -> task_next -> task_complete, embedded',
    start: async (newFolder) => [
      { name: 'skein', work: 'cycle', ...(await startSkein(newFolder())) },
      {
        name: 'beanstalkd, fsync each',
        work: 'beanstalkd',
        goal: 6,
        ...(await startBeanstalkd('-b', newFolder(), '-f0')),
      },
      { name: 'beanstalkd, memory only', work: 'beanstalkd', goal: 1, ...(await startBeanstalkd()) },
    ],
  },
];

async function startSkein(folder, redisUrl = '') {
  const httpPort = await freePort();
  const env = {
    MCP_TCP_PORT: '0',
    MCP_HTTP_PORT: String(httpPort),
    MCP_DATA_DIR: folder,
    MCP_REDIS_URL: redisUrl,
    MCP_RATE_LIMIT: '0',
    MCP_SWARM_CONCURRENCY: '0',
  };
  const { pid, line } = await startAnnounced(cli, ['serve'], '"msg":"listening"', { folder, env });
  return { port: JSON.parse(line).port, httpPort, pids: { skein: pid } };
}

async function startEcho() {
  const { pid, line } = await startAnnounced(process.execPath, [echo], '"port"');
  return { port: JSON.parse(line).port, pids: { echo: pid } };
}

async function startRedis(folder) {
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  return startServer('redis-server', options, port);
}

async function startBeanstalkd(...options) {
  const port = await freePort();
  return startServer('beanstalkd', ['-l', '127.0.0.1', '-p', String(port), ...options], port);
}
