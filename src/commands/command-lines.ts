/** The command lines of agents that skein has templates for: which of them are installed here, and in which version. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { stripVTControlCharacters } from 'node:util';
import type { TemplateName } from '../templates/index.ts';
import { findProgram } from '../worker/start-failure.ts';

export interface CommandLine {
  /** Of the program, and of its template. */
  readonly name: TemplateName;
  /** Arguments with which it may change files without asking anybody, or another example of what there is. */
  readonly example: string;
  readonly effect: string;
}

const mayEdit = 'it may change files without being asked';

export const commandLines: readonly CommandLine[] = [
  { name: 'claude', example: '--permission-mode, acceptEdits', effect: mayEdit },
  { name: 'codex', example: '--sandbox, workspace-write', effect: mayEdit },
  { name: 'gemini', example: '--approval-mode, auto_edit', effect: mayEdit },
  { name: 'opencode', example: '--model, provider/model', effect: 'with another model' },
];

export interface Installed extends CommandLine {
  readonly path: string;
  /** null: it did not say. */
  readonly version: string | null;
}

/** Some of them take seconds to start, and wait for ever when something about their configuration is wrong. */
const versionMsMax = 10_000;
const versionCharsMax = 60;

export async function installedCommandLines(searchPath: string | undefined): Promise<Installed[]> {
  const found = await Promise.all(
    commandLines.map(async (of) => {
      const path = findProgram(of.name, process.cwd(), searchPath);
      return path === undefined ? null : { ...of, path, version: await versionOf(path) };
    }),
  );
  return found.filter((of) => of !== null);
}

/** What `--version` says, in a line. To be asked of programs that are known to mean it: others may set to work. */
export function versionOf(path: string, withinMs = versionMsMax): Promise<string | null> {
  return new Promise((resolve) => {
    const options = { timeout: withinMs, killSignal: 'SIGKILL', cwd: tmpdir() } as const;
    const child = execFile(path, ['--version'], options, (error, stdout) => {
      const [line = ''] = stripVTControlCharacters(stdout).trim().split('\n', 1);
      resolve(error !== null || line === '' ? null : line.slice(0, versionCharsMax));
    });
    child.stdin?.end();
  });
}
