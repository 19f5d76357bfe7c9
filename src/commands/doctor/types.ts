/** `skein.yaml`, and for each agent type whether its program could be started. */
import { basename } from 'node:path';
import { loadAgentTypes, type AgentType, type ProgramType } from '../../agent-types.ts';
import type { Config } from '../../config.ts';
import { findProgram, startProblem } from '../../worker/start-failure.ts';
import { worktreeProblem } from '../../worker/worktree.ts';
import { commandLines, versionOf } from '../command-lines.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

export interface Types {
  readonly findings: readonly Finding[];
  readonly agentTypes: readonly AgentType[];
}

/** `named`: somebody chose the file, so it has to be there. */
export async function checkTypes({ configFile }: Config, named: boolean, env: NodeJS.ProcessEnv): Promise<Types> {
  const loaded = loadAgentTypes(configFile, { required: named });
  if (!loaded.ok) {
    const advice = 'skein serve does not start before this is right';
    return { agentTypes: [], findings: loaded.problems.map((message) => problem('agent types', message, advice)) };
  }
  const agentTypes = [...loaded.agentTypes.values()];
  if (agentTypes.length === 0) {
    const message = `${configFile} names none: agents can only come by themselves`;
    return { agentTypes, findings: [warning('agent types', message, 'skein init writes one for what is installed')] };
  }
  const checked = await Promise.all(agentTypes.map((type) => checkType(type, env)));
  return { agentTypes, findings: [ok('agent types', `${agentTypes.length} in ${configFile}`), ...checked.flat()] };
}

async function checkType(type: AgentType, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const about = `type ${type.name}`;
  if (type.runtime === 'external') return [ok(about, 'comes by itself, with the token that agent_spawn answers')];
  const program = type.argv[0];
  const searchPath = type.setEnv['PATH'] ?? env['PATH'];
  const wrong = startProblem(program, type.cwd, searchPath);
  if (wrong !== undefined) return [problem(about, wrong, adviceFor(type))];
  const path = findProgram(program, type.cwd, searchPath)!;
  // Only programs that are known to mean it: others could take --version for work.
  const known = commandLines.some(({ name }) => name === basename(path));
  const version = known ? await versionOf(path) : null;
  const findings = [
    known && version === null
      ? warning(about, `${path} does not answer --version`, `run it by hand: ${path} --version`)
      : ok(about, version === null ? path : `${path}, ${version}`),
  ];
  const worktree = await worktreeProblem(type);
  if (worktree !== null) findings.push(problem(about, worktree, 'git init and a first commit, or another cwd'));
  // Of a template's variables some are enough, or none where somebody has signed in by hand.
  const unset =
    type.runtime === 'acp' || type.template === undefined ? type.env.filter((name) => env[name] === undefined) : [];
  if (unset.length > 0) {
    const message = `${unset.join(', ')} ${unset.length === 1 ? 'is' : 'are'} not set here`;
    findings.push(warning(about, message, 'set it where skein serve is started, if the program needs it'));
  }
  return findings;
}

function adviceFor({ argv }: ProgramType): string {
  return commandLines.some(({ name }) => name === argv[0])
    ? `install ${argv[0]}, or start skein with a PATH that has it`
    : 'correct argv or cwd of the type';
}
