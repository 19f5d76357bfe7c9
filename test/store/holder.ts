/**
 * A process for tests: says `ready`, waits for a line on standard input, tries to open the data directory argv[2], and
 * says `held` or the reason why not. It never closes the directory; it ends by itself when its standard input does.
 */
import { once } from 'node:events';
import { openDataDir } from '../../src/store/data-dir.ts';

process.stdout.write('ready\n');
await once(process.stdin, 'data');
try {
  await openDataDir(process.argv[2]!);
  process.stdout.write('held\n');
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`);
}
process.stdin.resume();
