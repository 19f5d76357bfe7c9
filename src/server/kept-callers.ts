/**
 * Agents whose requests share no connection, each kept under the resume token that its requests bring. One that is silent
 * for `idleMs` is lost, as if a connection had been; its next request brings it back.
 */
import type { CallTool } from '../dialects/mcp/server.ts';
import type { ToolCaller } from './caller.ts';

export interface KeptCallersOptions {
  readonly newCaller: () => ToolCaller;
  readonly toolsFor: (caller: ToolCaller) => CallTool;
  readonly idleMs: number;
}

interface Kept {
  readonly caller: ToolCaller;
  readonly call: CallTool;
  /** The join that has to be there before anything else: what it was refused with, or null. */
  readonly joining: ReturnType<CallTool> | null;
  requests: number;
  idle: NodeJS.Timeout | null;
}

const nobodyWaits = { signal: new AbortController().signal, onWait: null, waitSecondsMax: 0 };

export class KeptCallers {
  readonly #options: KeptCallersOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: KeptCallersOptions) {
    this.#options = options;
  }

  /** Calls tools as whom the arguments name; without a token as nobody. */
  readonly callTool: CallTool = async (name, args, by) => {
    const { newCaller, toolsFor } = this.#options;
    if (name === 'swarm_join') {
      const caller = newCaller();
      const call = toolsFor(caller);
      const answered = await call(name, args, by);
      this.#keepJoined(caller, call);
      return answered;
    }
    const { token } = args as { readonly token?: unknown };
    if (typeof token !== 'string') return toolsFor(newCaller())(name, args, by);
    const kept = this.#kept.get(token) ?? this.#bringBack(token);
    this.#begin(kept);
    try {
      const joined = await kept.joining;
      return joined !== null && 'refused' in joined.answer ? joined : await kept.call(name, args, by);
    } finally {
      this.#end(token, kept);
    }
  };

  close(): void {
    for (const [token, kept] of [...this.#kept]) this.#drop(token, kept);
  }

  #keepJoined(caller: ToolCaller, call: CallTool): void {
    const [acting] = caller.acting.values();
    if (acting === undefined) return;
    const { token } = acting;
    // The one before was replaced by this join, and has nothing left to lose.
    const before = this.#kept.get(token);
    if (before !== undefined) this.#drop(token, before);
    const kept: Kept = { caller, call, joining: null, requests: 1, idle: null };
    this.#kept.set(token, kept);
    this.#end(token, kept);
  }

  #bringBack(token: string): Kept {
    const caller = this.#options.newCaller();
    caller.resumes = true;
    const call = this.#options.toolsFor(caller);
    const kept: Kept = { caller, call, joining: call('swarm_join', { token }, nobodyWaits), requests: 0, idle: null };
    this.#kept.set(token, kept);
    return kept;
  }

  #begin(kept: Kept): void {
    kept.requests += 1;
    if (kept.idle !== null) clearTimeout(kept.idle);
    kept.idle = null;
  }

  /** Who acts as nobody, because it could not join or has left, is not kept: so there are no more than agents and claims. */
  #end(token: string, kept: Kept): void {
    kept.requests -= 1;
    if (kept.requests > 0 || this.#kept.get(token) !== kept) return;
    if (kept.caller.acting.size === 0) return this.#drop(token, kept);
    kept.idle = setTimeout(() => this.#drop(token, kept), this.#options.idleMs);
  }

  #drop(token: string, kept: Kept): void {
    if (kept.idle !== null) clearTimeout(kept.idle);
    if (this.#kept.get(token) === kept) this.#kept.delete(token);
    kept.caller.end();
  }
}
