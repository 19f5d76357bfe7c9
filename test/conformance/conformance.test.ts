/**
 * The conformance suite of MCP, as each revision requires it: against the server as it is, and against the same endpoint
 * with the suite's own fixtures behind it. What fails is listed with its reason, and neither more nor less may fail.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startServer } from '../server-process.ts';
import { expected, expectedFailures } from './expected.ts';
import { cannotRun, runSuite } from './run.ts';
import { serveWithFixtures } from './server.ts';

const skip = cannotRun() ?? false;

async function conforms(
  t: TestContext,
  url: string,
  revision: string,
  failures: ReturnType<typeof expectedFailures>,
): Promise<void> {
  const { passed, failed, scenarios } = await runSuite(t, url, revision);
  t.diagnostic(`${passed} checks passed; of ${scenarios} scenarios ${scenarios - Object.keys(failed).length} did`);
  const found = Object.entries(failed).map(([scenario, checks]) => [
    scenario,
    failures[scenario] === 'some checks' ? 'some checks' : checks.toSorted(),
  ]);
  assert.deepEqual(Object.fromEntries(found), failures);
}

for (const [revision, { itself, always }] of Object.entries(expected)) {
  test(`conformance to ${revision}, of the server itself`, { skip }, async (t) => {
    const { httpPort } = await startServer(t);
    await conforms(t, `http://127.0.0.1:${httpPort}/mcp`, revision, expectedFailures(itself, always));
  });

  test(`conformance to ${revision}, with the fixtures of the suite`, { skip }, async (t) => {
    await conforms(t, await serveWithFixtures(t), revision, expectedFailures(always));
  });
}
