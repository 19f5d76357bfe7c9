/**
 * `skein doctor`: what would keep skein from working here, and what to do about it. It takes what `skein serve` takes, and
 * changes nothing. Exits with 1 when there is a problem.
 */
import type { Command } from 'commander';
import { isSet } from '../config.ts';
import { checkNode, checkSettings, type Flags } from './doctor/environment.ts';
import { problem, type Finding } from './doctor/finding.ts';
import { checkPorts } from './doctor/ports.ts';
import { checkMemory, checkStore } from './doctor/store.ts';
import { tryTypes } from './doctor/trial.ts';
import { checkTypes } from './doctor/types.ts';
import { flagsOf, withSettings } from './serve.ts';
import { harmless } from './text.ts';

interface Options {
  readonly json?: true;
  readonly run?: string | true;
}

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'Check the ports, the store, the settings and each agent type of a server here. Exits with 1 when there is a problem.',
    )
    .option('--run [type]', 'Also have an agent of the type, or of each, carry out a trivial task')
    .option('--json', 'Print the findings as JSON');
  withSettings(command);
  command.addHelpText(
    'after',
    '\nExamples:\n  skein doctor\n  skein doctor --run claude\n  skein doctor --json | jq .ok',
  );
  command.action(async () => doctor(flagsOf(command.opts()), command.opts<Options>()));
}

async function doctor(flags: Flags, { json, run }: Options): Promise<void> {
  const { config, findings: ofSettings } = checkSettings(process.env, flags);
  const { findings: ofPorts, serving } = await checkPorts(config);
  const [ofStore, ofMemory, { findings: ofTypes, agentTypes }] = await Promise.all([
    checkStore(config, serving),
    checkMemory(config),
    checkTypes(config, isSet('configFile', process.env, flags), process.env),
  ]);
  const findings = [checkNode(process.versions.node), ...ofSettings, ...ofPorts, ...ofStore, ofMemory, ...ofTypes];
  if (run !== undefined) {
    const tried = run === true ? agentTypes : agentTypes.filter(({ name }) => name === run);
    if (tried.length === 0 && run !== true) {
      const known = agentTypes.map(({ name }) => name).join(', ') || 'none';
      findings.push(problem(`run ${run}`, 'there is no such agent type', `there are: ${known}`));
    }
    findings.push(...(await tryTypes(config, tried)));
  }

  const problems = findings.filter(({ level }) => level === 'problem').length;
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  if (json === true) console.log(JSON.stringify({ ok: problems === 0, findings }));
  else console.log([...findings.flatMap(render), '', summary(problems, warnings)].join('\n'));
  if (problems > 0) process.exitCode = 1;
}

const signs = { ok: '✔', warning: '!', problem: '✘' } as const;
const aboutChars = 12;

function render({ about, level, message, advice }: Finding): string[] {
  const lines = [`${signs[level]} ${about.padEnd(aboutChars)} ${harmless(message)}`];
  if (advice !== undefined) lines.push(`  ${' '.repeat(aboutChars)} → ${harmless(advice)}`);
  return lines;
}

function summary(problems: number, warnings: number): string {
  if (problems + warnings === 0) return 'Everything is well.';
  const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  return `${counted(problems, 'problem')}, ${counted(warnings, 'warning')}.`;
}
