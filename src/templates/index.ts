/** The command lines of agents that are known, by the name that `skein.yaml` calls them by. */
import { claude } from './claude.ts';
import { codex } from './codex.ts';
import { gemini } from './gemini.ts';
import { opencode } from './opencode.ts';

export const templates = { claude, codex, gemini, opencode } as const;
export type TemplateName = keyof typeof templates;
export const templateNames = Object.keys(templates) as TemplateName[];

export function isTemplateName(name: unknown): name is TemplateName {
  return typeof name === 'string' && Object.hasOwn(templates, name);
}

export { unknownUsage } from './reading.ts';
export { serverName } from './template.ts';
export type { Answer, Json, McpServer, McpSetup, Printed, Usage } from './template.ts';
