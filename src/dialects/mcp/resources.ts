/**
 * What MCP clients may look at as resources: a swarm, a task, a value of the memory bank, each as the JSON of the tool
 * that shows it, and a swarm's events. Reading is calling that tool, so nothing is there twice.
 */
import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type ReadResourceResult,
  type Resource,
  type ResourceTemplateType,
} from '@modelcontextprotocol/server';
import { errors } from '../../spec.ts';
import type { TurnedDown } from '../dialect.ts';

const mimeType = 'application/json';

export const templates: ResourceTemplateType[] = [
  {
    uriTemplate: 'skein://{swarmId}/status',
    name: 'swarm',
    title: 'A swarm',
    description: 'Its settings, its agents, and how many tasks it has: as swarm_status.',
    mimeType,
  },
  {
    uriTemplate: 'skein://{swarmId}/events{?from}',
    name: 'event_log',
    title: "A swarm's events",
    description:
      'The newest 64 of them, or the first 64 after version `from`; `version` is that of the newest there is.',
    mimeType,
  },
  {
    uriTemplate: 'skein://{swarmId}/tasks/{taskId}',
    name: 'task_queue',
    title: 'A task',
    description: 'How far it is, who works on what, and what it waits for: as task_status.',
    mimeType,
  },
  {
    uriTemplate: 'skein://{swarmId}/memory/{key}{?namespace}',
    name: 'memory_bank',
    title: 'A value of the memory bank',
    description: 'The value under a key, with its version: as memory_retrieve.',
    mimeType,
  },
];

/** A page of a swarm's events; `from` null: of the newest. */
export type ReadEvents = (swarmId: string, from: number | null) => Promise<object | TurnedDown>;

export interface Reader {
  readonly call: (tool: string, args: object) => Promise<object | TurnedDown>;
  readonly events: ReadEvents;
}

/** The live swarms; what is in them is found by its template. */
export async function listResources(read: Reader): Promise<Resource[]> {
  const answer = await read.call('swarm_list', {});
  if ('refused' in answer) throw refusal('skein://', answer as TurnedDown);
  const { swarms } = answer as { swarms: { swarmId: string; name?: string | null }[] };
  return swarms.map(({ swarmId, name = null }) => ({
    uri: `skein://${swarmId}/status`,
    name: name ?? swarmId,
    mimeType,
  }));
}

/** @throws ProtocolError when there is no such thing. */
export async function readResource(uri: string, read: Reader): Promise<ReadResourceResult> {
  const asked = readingOf(uri);
  if (asked === null) {
    const known = templates.map(({ uriTemplate }) => uriTemplate).join(', ');
    throw new ResourceNotFoundError(uri, `there is no such resource: known are ${known}`);
  }
  const { tool, args } = asked;
  const answer = await (tool === null ? read.events(args.swarmId, args.from) : read.call(tool, args));
  if ('refused' in answer) throw refusal(uri, answer as TurnedDown);
  if ('found' in answer && answer.found === false)
    throw new ResourceNotFoundError(uri, 'there is no value under this key');
  return { contents: [{ uri, mimeType, text: JSON.stringify(answer) }] };
}

export function refusal(uri: string, { refused, message }: TurnedDown): ProtocolError {
  if (refused.endsWith('_not_found') || refused === 'invalid_arguments') return new ResourceNotFoundError(uri, message);
  const { definite, temporary } = errors.get(refused)!;
  return new ProtocolError(ProtocolErrorCode.InternalError, message, { reason: refused, definite, temporary });
}

/** What is read for a URI: what a tool shows, or (null) the events, which none does. */
type Reading =
  | {
      readonly tool: 'swarm_status' | 'task_status' | 'memory_retrieve';
      readonly args: { readonly swarmId: string; readonly taskId?: string };
    }
  | {
      readonly tool: null;
      readonly args: { readonly swarmId: string; readonly taskId?: never; readonly from: number | null };
    };

/** null: no template fits. */
export function readingOf(uri: string): Reading | null {
  const [, swarmId, rest] = /^skein:\/\/([^/?#]+)\/([^#]+)$/.exec(uri) ?? [];
  if (swarmId === undefined || rest === undefined) return null;
  if (rest === 'status') return { tool: 'swarm_status', args: { swarmId } };
  const [, ofEvents, from] = /^(events)(?:\?from=(\d{1,15}))?$/.exec(rest) ?? [];
  if (ofEvents !== undefined) return { tool: null, args: { swarmId, from: from === undefined ? null : Number(from) } };
  const [, kind, name, query] = /^(tasks|memory)\/([^/?]+)(?:\?(.*))?$/.exec(rest) ?? [];
  const decoded = name === undefined ? null : decode(name);
  if (decoded === null) return null;
  if (kind === 'tasks') return query === undefined ? { tool: 'task_status', args: { swarmId, taskId: decoded } } : null;
  const namespace = query === undefined ? null : new URLSearchParams(query).get('namespace');
  if (query !== undefined && namespace === null) return null;
  const at = { swarmId, key: decoded, ...(namespace !== null && { namespace }) };
  return { tool: 'memory_retrieve', args: at };
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
