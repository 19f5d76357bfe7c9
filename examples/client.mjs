/**
 * Both sides of a swarm in one program: it makes a swarm, becomes three agents of it, submits a task, lets the agents
 * vote on the result, and follows what happens.
 *
 *     scripts/start                              in one terminal
 *     node examples/client.mjs README.md         in another
 *
 * Each agent digests the file that is named; one of them is wrong on purpose, and is outvoted.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, SkeinError } from 'skein';

const file = process.argv[2] ?? new URL(import.meta.url);
const text = readFileSync(file, 'utf8');

/** Claims and answers until the session is over. */
async function work(session, digest) {
  for (;;) {
    try {
      const { assignment } = await session.next();
      if (assignment === null) continue;
      const { assignmentId, leaseToken, input } = assignment;
      await session.complete({ assignmentId, leaseToken, result: digest(input) });
    } catch (error) {
      if (session.signal.aborted) return;
      // The others have decided before this answer came.
      if (error.reason !== 'lease_lost') throw error;
    }
  }
}

async function follow(events) {
  for await (const { version, type, agentId } of events) {
    if (type === 'request_answered') continue;
    console.log(String(version).padStart(3), type, agentId ?? '');
    if (type === 'task_ended') return;
  }
}

const right = (input) => createHash('sha256').update(input).digest('hex');
const wrong = (input) => right(`${input}!`);

const skein = connect();
try {
  const { swarmId } = await skein.call('swarm_init', { name: 'digests' });
  const following = follow(skein.subscribe(swarmId, { from: 0 }));
  const working = [];
  for (const digest of [wrong, right, right]) {
    const session = await skein.join({ swarmId, capabilities: ['digest'] });
    working.push(work(session, digest));
  }

  const { taskId } = await skein.call('task_orchestrate', {
    swarmId,
    task: { description: 'Digest the input', input: text, requiredCapabilities: ['digest'], parallelism: 3 },
    execution: { resultAggregation: 'majority_vote' },
  });
  const { status, result, consensus } = await skein.call('task_wait', { swarmId, taskId });
  await following;
  for (const { agentId, ballot } of consensus.ballots) console.log(agentId, 'voted for', ballot ?? 'nothing');
  console.log(status, result);

  await skein.call('swarm_destroy', { swarmId });
  // The swarm is over, and so are its agents.
  await Promise.all(working);
} catch (error) {
  if (!(error instanceof SkeinError)) throw error;
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await skein.close();
}
