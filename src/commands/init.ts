/**
 * `skein init`: writes a `skein.yaml` for the command lines of agents that are installed here. It says what it has found,
 * what it has written and what comes next; a file that is there stays as it is.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { settings } from '../config.ts';
import { git, GitError } from '../worker/git.ts';
import { commandLines, installedCommandLines, type CommandLine, type Installed } from './command-lines.ts';
import { fail } from './flags.ts';

interface Flags {
  readonly config?: string;
  readonly force?: true;
}

export function addInit(program: Command): void {
  program
    .command('init')
    .description(`Write a skein.yaml for the command lines of agents that are installed: ${names(commandLines)}.`)
    .option('--config <file>', `The file to write [${settings.configFile.env}, default ${settings.configFile.default}]`)
    .option('--force', 'Write it also when it is there already')
    .addHelpText('after', '\nExample:\n  skein init && skein doctor')
    .action(init);
}

async function init(flags: Flags): Promise<void> {
  const file = flags.config ?? (process.env[settings.configFile.env] || settings.configFile.default);
  if (existsSync(file) && flags.force !== true) return fail(alreadyThere(file));
  const found = await installedCommandLines(process.env.PATH);
  const worktrees = await hasCommits(dirname(resolve(file)));
  try {
    writeFileSync(file, fileFor(found, worktrees), { flag: flags.force === true ? 'w' : 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return fail(code === 'EEXIST' ? alreadyThere(file) : `cannot write ${file}: ${message}`);
  }
  console.log(report(found, file).join('\n'));
}

function alreadyThere(file: string): string {
  return `${file} is there already: skein doctor checks it; skein init --force writes it anew, and what is in it is lost`;
}

/** Whether there can be worktrees of the repository that holds the folder. */
async function hasCommits(folder: string): Promise<boolean> {
  try {
    await git(folder, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
    return true;
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return false;
  }
}

/** `worktrees`: whether each attempt can have a git worktree of its own. */
function fileFor(found: readonly CommandLine[], worktrees: boolean): string {
  const head = `# What "skein serve" can start here. Only this file says so: whoever reaches the port may name a type, and no command.
# All fields of a type are in skein's docs/agents.md.
agentTypes:
`;
  if (found.length > 0) return `${head}${found.map((of) => typeNamed(of, worktrees)).join('\n')}`;
  const example = typeNamed(commandLines[0]!, worktrees).replaceAll(/^ /gm, '# ');
  return `${head}# None of ${names(commandLines)} was found in PATH. Once one is installed: skein init --force, or
${example}# Any program can be an agent: it reads its work, and what it prints is the result.
#  sum:
#    argv: [sha256sum]
#    stdin: input
`;
}

function typeNamed({ name, example, effect }: CommandLine, worktrees: boolean): string {
  const worktree = worktrees
    ? '    cwd: worktree          # each attempt has a git worktree and a branch of its own'
    : '    # cwd: worktree        # in a git repository: each attempt has a branch of its own';
  return `  ${name}:
    template: ${name}
    capabilities: [code]   # work that requires others is not for it
${worktree}
    # args: [${example}]   # ${effect}
`;
}

function report(found: readonly Installed[], file: string): string[] {
  const missing = commandLines.filter(({ name }) => !found.some((of) => of.name === name));
  const lines = found.map(
    ({ name, path, version }) => `  ${name.padEnd(9)} ${version ?? 'did not tell its version'}  ${path}`,
  );
  const [first] = found;
  if (first === undefined) {
    return [
      `Found none of ${names(commandLines)} in PATH.`,
      `Wrote ${file}: it starts nothing yet, and has examples in comments.`,
    ];
  }
  return [
    'Found',
    ...lines,
    ...(missing.length > 0 ? [`and not ${names(missing)}.`] : []),
    `Wrote ${file} with the agent types ${found.map(({ name }) => name).join(', ')}.`,
    '',
    'Next',
    `  ${'sign in'.padEnd(34)} once with each, as you do without skein`,
    `  ${`skein doctor --run ${first.name}`.padEnd(34)} has it do a trivial task, and says what is wrong`,
    `  ${'skein serve --agent-timeout 1800'.padEnd(34)} half an hour for a task, instead of 5 min`,
    `  echo '{agents: [${first.name}], task: Say hello}' | skein run -`,
  ];
}

function names(of: readonly { readonly name: string }[]): string {
  return of.map(({ name }) => name).join(', ');
}
