/**
 * Why a program could not be started, or could not be if it was. The system gives one code for several causes (ENOENT:
 * no such program, no such working directory, no such interpreter), so this looks which it was.
 */
import { accessSync, constants, statSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';

export interface StartFailure {
  readonly reason: 'not_found' | 'not_executable' | 'spawn_failed';
  readonly message: string;
}

const reasons: Readonly<Record<string, StartFailure['reason']>> = {
  ENOENT: 'not_found',
  ENOTDIR: 'not_found',
  EACCES: 'not_executable',
  ENOEXEC: 'not_executable',
};

/** `searchPath` is the PATH that the program would have got. */
export function startFailure(
  error: NodeJS.ErrnoException,
  program: string,
  cwd: string,
  searchPath = '',
): StartFailure {
  const reason = reasons[error.code ?? ''] ?? 'spawn_failed';
  const message =
    reason === 'spawn_failed'
      ? `${program} could not be started: ${error.message}`
      : (directoryProblem(cwd) ?? programProblem(program, cwd, searchPath, reason));
  return { reason, message };
}

/** Why the program could not be started now, as far as that can be told without starting it. */
export function startProblem(program: string, cwd: string, searchPath = ''): string | undefined {
  const directory = directoryProblem(cwd);
  if (directory !== undefined || findProgram(program, cwd, searchPath) !== undefined) return directory;
  const there = filesNamed(program, cwd, searchPath).length > 0;
  return programProblem(program, cwd, searchPath, there ? 'not_executable' : 'not_found');
}

/** The file that would be executed. */
export function findProgram(program: string, cwd: string, searchPath = ''): string | undefined {
  return filesNamed(program, cwd, searchPath).find(isExecutable);
}

function directoryProblem(cwd: string): string | undefined {
  const stat = lookAt(cwd);
  if (stat === undefined) return `the working directory ${cwd} does not exist (or may not be looked at)`;
  if (!stat.isDirectory()) return `the working directory ${cwd} is not a directory`;
  return isExecutable(cwd) ? undefined : `the working directory ${cwd} may not be entered by this user`;
}

function programProblem(program: string, cwd: string, searchPath: string, reason: StartFailure['reason']): string {
  const isPath = program.includes('/');
  const [file] = filesNamed(program, cwd, searchPath);
  if (file === undefined) {
    if (isPath) return `there is no program ${program}`;
    return `there is no program ${program} in PATH (${searchPath === '' ? 'which is not set' : searchPath})`;
  }
  if (reason === 'not_found') return `${file} is there, but the interpreter that its first line names is not`;
  return `${file} is not executable by this user (chmod +x?)`;
}

function filesNamed(program: string, cwd: string, searchPath: string): string[] {
  const candidates = program.includes('/')
    ? [resolve(cwd, program)]
    : searchPath.split(':').map((directory) => resolve(cwd, directory, program));
  return candidates.filter((path) => lookAt(path)?.isFile());
}

function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
