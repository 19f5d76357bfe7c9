/**
 * What a worker executes: an assignment as `task_next` handed it out, without its lease token. The program that does
 * the work may see all of a job; only the worker may answer for it.
 */

import type { Json } from '../templates/index.ts';

export type { Json };

export interface Job {
  readonly assignmentId: string;
  readonly taskId: string;
  readonly swarmId: string;
  readonly agentId: string;
  readonly phase: string;
  readonly role: string;
  /** 1 for the first. */
  readonly attempt: number;
  readonly description: string;
  /** Absent when the task was given none. */
  readonly input?: Json;
  /** The part of the work that the assignment is for, where the task has items. */
  readonly item?: Json;
  /** The results of the phases that this one depends on, by name. */
  readonly dependencies: { readonly [phase: string]: Json };
  readonly timeoutMs: number;
}
