/**
 * Bugs that are planted to see whether the simulation finds them: each is an edit of a copy of the source, such as
 * somebody might make by mistake. The source itself knows nothing of them.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Product } from './world.ts';

export interface PlantedBug {
  readonly name: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly right: string;
  readonly wrong: string;
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'no lease fence',
    file: 'core/lease.ts',
    right: ' || work.leaseToken !== command.leaseToken) {',
    wrong: ') {',
  },
  {
    name: 'double vote',
    file: 'core/offer.ts',
    right: 'votersOf(phase).length === 1) return true;',
    wrong: 'votersOf(phase).length > 0) return true;',
  },
  {
    name: 'version-only compare',
    file: 'journal/ram.ts',
    right: ' || before.commitId !== expect.commitId) {',
    wrong: ') {',
  },
  {
    name: 'acknowledged before durable',
    file: 'coordinator/swarm-queue.ts',
    right: 'const result = await appending;',
    wrong: "const result: any = { kind: 'appended', head: { version: state.version, commitId: commit.id } };",
  },
  {
    name: 'TTL off by one',
    file: 'core/lease.ts',
    right: 'if (work.leaseUntil <= now ||',
    wrong: 'if (work.leaseUntil < now ||',
  },
  {
    name: 'forgotten timer',
    file: 'core/index/tasks.ts',
    right: "    case 'backoff':\n    case 'offered':\n",
    wrong: "    case 'offered':\n",
  },
  {
    name: 'lost update',
    file: 'coordinator/swarm-queue.ts',
    right: "if (result.kind === 'conflict') {",
    wrong: "if ((result.kind as string) === 'ignored') {",
  },
  {
    name: 'one attempt too many',
    file: 'core/attempt.ts',
    right: 'assignment.failures + 1 < task.retry.maxAttempts',
    wrong: 'assignment.failures < task.retry.maxAttempts',
  },
  {
    name: 'answers that are kept too short',
    file: 'core/decide.ts',
    right: 'answered.at >= world.now - state.limits.requestIdMs',
    wrong: 'answered.at >= world.now - 1000',
  },
  {
    name: 'majority of one half',
    file: 'core/vote.ts',
    right: 'share > 0.5 + rounding',
    wrong: 'share >= 0.5 - rounding',
  },
  {
    name: 'consensus by majority',
    file: 'core/vote.ts',
    right: 'share >= rules.consensusThreshold - rounding',
    wrong: 'share >= 0.5',
  },
  {
    name: 'weights that are not counted',
    file: 'core/vote.ts',
    right: '(counts.get(work.ballot.key) ?? 0) + own',
    wrong: '(counts.get(work.ballot.key) ?? 0) + 1',
  },
  {
    name: 'judge of its own work',
    file: 'core/topology.ts',
    right: '  if (authors.has(agent.id)) return false;\n',
    wrong: '',
  },
  {
    name: 'paused for offers only',
    file: 'core/claim.ts',
    right: 'if (isPaused(state) || agent.draining',
    wrong: 'if (agent.draining',
  },
  {
    name: 'budget with one token more',
    file: 'core/budget.ts',
    right: 'tokens >= maxTokens',
    wrong: 'tokens > maxTokens',
  },
  {
    name: 'shared beside exclusive',
    file: 'core/reservation.ts',
    right: "(mode === 'shared' && reservation.mode === 'shared')",
    wrong: "mode === 'shared'",
  },
  {
    name: 'snapshot that forgets what has ended',
    file: 'core/snapshot.ts',
    right: '  for (const taskId of content.endedTasks) state.endedTasks.push(taskId);\n',
    wrong: '',
  },
  {
    name: 'deaf to other coordinators',
    file: 'coordinator/coordinator.ts',
    right: '      else queue.heard(head);\n',
    wrong: '',
  },
  {
    name: 'time runs out while a person is asked',
    file: 'core/state.ts',
    right: 'return waits.since === null ? timeoutAt + waits.ms : Infinity;',
    wrong: 'return timeoutAt + waits.ms;',
  },
  {
    name: 'an approval outlives its claim',
    file: 'core/evolve.ts',
    right: 'if (ending(approval)) endApproval(state, approval);',
    wrong: 'if (ending(approval) && approval.assignmentId === null) endApproval(state, approval);',
  },
];

const root = new URL('../../../', import.meta.url);

/** The product with the bug in it, for as long as `use` takes. */
export async function withPlanted<T>(bug: PlantedBug, use: (product: Product) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-planted-'));
  try {
    await cp(new URL('src', root), join(folder, 'src'), { recursive: true });
    await cp(new URL('package.json', root), join(folder, 'package.json'));
    await symlink(fileURLToPath(new URL('node_modules', root)), join(folder, 'node_modules'));
    const file = join(folder, 'src', bug.file);
    const parts = (await readFile(file, 'utf8')).split(bug.right);
    if (parts.length !== 2) {
      throw new Error(
        `the bug '${bug.name}' cannot be planted: src/${bug.file} has ${parts.length - 1} times, not once:\n${bug.right}`,
      );
    }
    await writeFile(file, parts.join(bug.wrong));
    const load = (path: string): Promise<any> => import(pathToFileURL(join(folder, 'src', path)).href);
    const { Coordinator } = await load('coordinator/coordinator.ts');
    const { ramJournal } = await load('journal/ram.ts');
    return await use({ Coordinator, ramJournal });
  } finally {
    await rm(folder, { recursive: true });
  }
}
