/**
 * What a program reads on its standard input. Pure.
 */
import type { CommandType } from '../agent-types.ts';
import type { Job, Json } from './job.ts';

export function stdinText(mode: CommandType['stdin'], job: Job): string {
  switch (mode) {
    case 'prompt':
      return renderPrompt(job);
    case 'input':
      return job.item !== undefined ? rawText(job.item) : job.input === undefined ? '' : rawText(job.input);
    case 'json':
      return JSON.stringify(job);
    case 'none':
      return '';
  }
}

/**
 * The assignment as plain text for a person or a language model: the description, the input, then what each phase
 * that this one depends on came to. What there is none of is left out.
 */
export function renderPrompt(job: Job): string {
  const sections = [job.description];
  if (job.input !== undefined && job.input !== null) sections.push(section('Input', job.input));
  if (job.item !== undefined) sections.push(section('Item', job.item));
  for (const [phase, result] of Object.entries(job.dependencies)) {
    sections.push(section(`Result of phase ${JSON.stringify(phase)}`, result));
  }
  return sections.map((text) => `${text.trimEnd()}\n`).join('\n');
}

function section(title: string, value: Json): string {
  return `--- ${title} ---\n${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}`;
}

/** A string as it is, so that a digest of the input is the input's digest; anything else as JSON. */
function rawText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
