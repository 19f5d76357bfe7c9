/**
 * 10,000 tasks over 50 agents, for real: a server, five processes of ten workers each, some of which are killed in the
 * middle and replaced, and a client that submits, cancels, and follows the swarm's events.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect, SkeinError, type SwarmEvent } from '../../src/client/client.ts';
import { assertAllEndedOnce, follow, priorities, show, taskOf, waitingOf, type Fates } from '../fates.ts';
import { random } from '../random.ts';
import { startServer } from '../server-process.ts';

const tasks = 10_000;
/** Tasks that are open at once, as long as there are more: enough for a queue. */
const openMax = 500;
const fleets = 5;
const workersOfFleet = 10;
/** After so many tasks have ended, a fleet is killed. */
const killsAt = [2_500, 5_000, 7_500];

const program = fileURLToPath(new URL('fleet.ts', import.meta.url));

/** `onEnd`: it ended, and nobody had killed it. */
function startFleet(t: TestContext, args: readonly (string | number)[], onEnd: (error: Error) => void): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args.map(String)], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  child.on('exit', (code, signal) => {
    if (signal !== 'SIGKILL') onEnd(new Error(`a fleet has ended by itself: ${code ?? signal}`));
  });
  return child;
}

test('10,000 tasks over 50 agents all end once, though fleets of them are killed', { timeout: 600_000 }, async (t) => {
  const server = await startServer(t, { env: { MCP_GRACE: '1' } });
  const skein = connect({ host: '127.0.0.1', port: server.port });
  t.after(() => skein.close());
  const maxAgents = (fleets + killsAt.length) * workersOfFleet;
  const { swarmId } = await skein.call('swarm_init', { maxAgents });
  const events = skein.subscribe(swarmId, { from: 0 });
  let trouble: unknown = null;
  const giveUp = (error: unknown): void => {
    trouble ??= error;
    void events.return();
  };

  let started = 0;
  const start = (): ChildProcess => startFleet(t, [server.port, swarmId, workersOfFleet, (started += 1)], giveUp);
  const running = Array.from({ length: fleets }, start);

  const draw = random(0);
  const cancel = async (taskId: string): Promise<void> => {
    try {
      await skein.call('task_cancel', { swarmId, taskId });
    } catch (error) {
      if (!(error instanceof SkeinError) || error.reason !== 'task_ended') throw error;
    }
  };
  const submit = async (number: number): Promise<void> => {
    const priority = priorities[Math.floor(draw() * priorities.length)]!;
    const cancelled = draw() < 0.03;
    const task = { description: 'Give it back', input: number, priority };
    const { taskId } = await skein.call('task_orchestrate', { swarmId, task });
    if (cancelled) await cancel(taskId);
  };
  let submitted = 0;
  let ended = 0;
  const refill = (): void => {
    while (submitted < tasks && submitted - ended < openMax) submit((submitted += 1)).catch(giveUp);
  };

  const fates: Fates = new Map();
  let lost = 0;
  const see = (event: SwarmEvent): void => {
    follow(fates, event);
    if (event.type === 'attempt_failed' && (event['error'] as { reason: string }).reason === 'agent_lost') lost += 1;
    if (event.type === 'assignment_claimed' && draw() < 0.02) {
      cancel(taskOf(event['assignmentId'] as string)).catch(giveUp);
    }
    if (event.type !== 'task_ended') return;
    ended += 1;
    refill();
    if (!killsAt.includes(ended)) return;
    running.shift()!.kill('SIGKILL');
    running.push(start());
  };

  refill();
  let last = Infinity;
  for await (const event of events) {
    see(event);
    // Whatever should not come after the last end is in the journal by now.
    if (ended === tasks && last === Infinity) last = (await skein.call('swarm_status', { swarmId })).version;
    if (event.version >= last) break;
  }
  if (trouble !== null) throw trouble;

  show(t, `${fleets} processes, ${killsAt.length} killed, ${lost} attempts lost with them`, fates);
  assertAllEndedOnce(fates, tasks);
  assert.ok(lost > 0, 'nothing was lost with the fleets that were killed');
  const [critical, low] = [waitingOf(fates, 'critical'), waitingOf(fates, 'low')];
  assert.ok(critical.p90 < low.p50, 'nine in ten critical tasks wait less than half of the low ones');
});
