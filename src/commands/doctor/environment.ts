/** The version of Node, and each setting by itself: a wrong one does not hide another one, or the rest of the check. */
import { variables as clientVariables, settingsOf } from '../../client/options.ts';
import { SkeinError } from '../../client/errors.ts';
import { ConfigError, readConfig, settings, type Config } from '../../config.ts';
import { readWaits } from '../../dialects/mcp/patience.ts';
import { nearestOf } from '../../spec.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

export type Flags = { readonly [N in keyof Config]?: string | undefined };
type Environment = Readonly<Record<string, string | undefined>>;

const serverVariables: readonly string[] = Object.values(settings).map(({ env }) => env);

const notStarted = 'skein serve does not start before this is right';

/** The oldest that package.json allows. */
const nodeLeast = [20, 11] as const;

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = nodeLeast;
  const fits = major > leastMajor || (major === leastMajor && minor >= leastMinor);
  if (fits) return ok('node', version);
  return problem('node', `${version} is too old`, `install Node ${nodeLeast.join('.')} or newer`);
}

/** `config` has the default where a setting is wrong. */
export function checkSettings(
  env: Environment,
  flags: Flags,
): { readonly config: Config; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const usable: Record<string, unknown> = {};
  for (const name of Object.keys(settings) as (keyof Config)[]) {
    const variable = settings[name].env;
    try {
      usable[name] = readConfig({ [variable]: env[variable] }, { [name]: flags[name] })[name];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      findings.push(problem('settings', error.message, notStarted));
      usable[name] = settings[name].default;
    }
  }
  for (const variable of clientVariables) {
    // A server's own has been looked at: it may pick port 0, which is no client's.
    if (serverVariables.includes(variable)) continue;
    try {
      settingsOf({}, { [variable]: env[variable] });
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error;
      findings.push(problem('settings', error.message, 'commands and workers cannot connect before this is right'));
    }
  }
  findings.push(...misspelt(env));
  const config = usable as unknown as Config;
  const waits = config.clientWaits === null ? null : readWaits(config.clientWaits);
  if (typeof waits === 'string')
    findings.push(problem('settings', `${settings.clientWaits.env}: ${waits}`, notStarted));
  if (!['127.0.0.1', '::1', 'localhost'].includes(config.bind)) {
    const message = `listens on ${config.bind}: whoever reaches it can do everything, there is no authentication`;
    findings.push(warning('settings', message, 'let only trusted machines reach it, or use --bind 127.0.0.1'));
  }
  if (findings.length > 0) return { config, findings };
  const named = Object.values(settings).filter(({ env: variable }) => (env[variable] ?? '') !== '');
  const which = named.map(({ env: variable }) => variable).join(', ');
  return { config, findings: [ok('settings', which === '' ? 'the defaults' : `from the environment: ${which}`)] };
}

/** Other programs use MCP_ as well, so only what looks like one of ours is told. */
function misspelt(env: Environment): Finding[] {
  const known = [...new Set([...serverVariables, ...clientVariables])];
  return Object.keys(env)
    .filter((name) => name.startsWith('MCP_') && !known.includes(name))
    .flatMap((name) => {
      const nearest = nearestOf(
        name.slice('MCP_'.length),
        known.map((of) => of.replace(/^MCP_/, '')),
      );
      if (nearest === undefined) return [];
      const meant = known.find((of) => of.replace(/^MCP_/, '') === nearest)!;
      return [warning('settings', `${name} is set, which skein does not read`, `if ${meant} was meant, rename it`)];
    });
}
