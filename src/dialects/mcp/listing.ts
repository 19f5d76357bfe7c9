/**
 * What an MCP client is shown: the tools and prompts of a profile, and the instructions that are put before its model.
 */
import type { Prompt, Tool } from '@modelcontextprotocol/server';
import { profiles, prompts, tools, type ProfileName, type PromptSpec, type ToolSpec } from '../../spec.ts';

export interface Listing {
  readonly tools: Tool[];
  readonly prompts: Prompt[];
  readonly instructions: string;
  /** Of the tools. */
  readonly names: ReadonlySet<string>;
}

const listings = new Map<ProfileName, Listing>();

/** The same for all connections of a profile. */
export function listingOf(profile: ProfileName): Listing {
  let listing = listings.get(profile);
  if (listing === undefined) {
    listing = list(profile);
    listings.set(profile, listing);
  }
  return listing;
}

function list(profile: ProfileName): Listing {
  const { tools: toolNames, prompts: promptNames } = profiles[profile];
  const names = new Set(toolNames ?? tools.keys());
  const shown = promptNames.map((name) => prompts.get(name)!);
  return {
    tools: [...names].map((name) => toolEntry(tools.get(name)!)),
    prompts: shown.map(promptEntry),
    instructions: shown.map(({ text }) => text).join('\n\n'),
    names,
  };
}

function toolEntry({ name, title, description, annotations, input, output, textOnly }: ToolSpec): Tool {
  return {
    name,
    title,
    description,
    inputSchema: input as Tool['inputSchema'],
    ...(textOnly !== true && { outputSchema: output as NonNullable<Tool['outputSchema']> }),
    annotations: { title, ...annotations },
  };
}

function promptEntry({ name, title, description, arguments: parameters }: PromptSpec): Prompt {
  return { name, title, description, arguments: [...parameters] };
}

/** The prompt's text, followed by what its user has given. */
export function promptText(
  { text, arguments: parameters }: PromptSpec,
  given: Readonly<Record<string, string>>,
): string {
  const lines = parameters.flatMap(({ name }) => (given[name] === undefined ? [] : `${name}: ${given[name]}`));
  return lines.length === 0 ? text : `${text}\n\n${lines.join('\n')}`;
}
