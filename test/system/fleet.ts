/**
 * A process of workers, who fail now and then: `fleet.ts PORT SWARM_ID WORKERS SEED`. It works until it is killed, or
 * whoever started it is gone.
 */
import { connect, SkeinError } from '../../src/client/client.ts';
import { random } from '../random.ts';

const [port, swarmId, workers, seed] = process.argv.slice(2);
const draw = random(Number(seed));
const skein = connect({ host: '127.0.0.1', port: Number(port), poolMin: 0 });
process.stdin.resume().on('end', () => process.exit());

async function work(): Promise<never> {
  const session = await skein.join({ swarmId: swarmId! });
  for (;;) {
    const { assignment } = await session.next();
    if (assignment === null) continue;
    const { assignmentId, leaseToken, input } = assignment;
    try {
      if (draw() < 0.3) await session.update({ assignmentId, leaseToken, progress: 'half of it' });
      if (draw() < 0.8) await session.complete({ assignmentId, leaseToken, result: input });
      else await session.fail({ assignmentId, leaseToken, reason: 'unlucky', retryable: draw() < 0.9 });
    } catch (error) {
      // Its task was cancelled meanwhile.
      if (!(error instanceof SkeinError) || error.reason !== 'lease_lost') throw error;
    }
  }
}

await Promise.all(Array.from({ length: Number(workers) }, work));
