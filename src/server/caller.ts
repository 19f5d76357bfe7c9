/**
 * Who calls tools, and as which agents it acts: a connection, an MCP session over HTTP, or an agent that names itself by
 * its token with each request. When it is over, its agents are lost.
 */
import type { Acting, Caller, LostWorker } from '../tools/index.ts';

export interface CallerOptions {
  readonly endpoint: string;
  /** Requests that wait for something, at most. */
  readonly waitsMax: number;
  readonly onLost: (lost: LostWorker) => void;
}

export class ToolCaller implements Caller {
  readonly endpoint: string;
  readonly acting = new Map<string, Acting>();
  newestSwarm: string | null = null;
  resumes = false;
  settling: Promise<unknown> | null = null;
  /** Called when a request begins to wait. */
  onWait: (() => void) | null = null;
  readonly #waitsMax: number;
  readonly #onLost: CallerOptions['onLost'];
  #waits = 0;
  #over = false;

  constructor({ endpoint, waitsMax, onLost }: CallerOptions) {
    this.endpoint = endpoint;
    this.#waitsMax = waitsMax;
    this.#onLost = onLost;
  }

  /** Requests that wait for something to happen. */
  get waits(): number {
    return this.#waits;
  }

  joined(acting: Acting): void {
    if (this.#over) this.#lose(acting);
    else this.acting.set(acting.actor.agentId, acting);
  }

  left(agentId: string): void {
    this.acting.delete(agentId);
  }

  beginWait(): boolean {
    if (this.#waits >= this.#waitsMax) return false;
    this.#waits += 1;
    this.onWait?.();
    return true;
  }

  endWait(): void {
    this.#waits -= 1;
  }

  loseAgents(): void {
    for (const acting of this.acting.values()) this.#lose(acting);
    this.acting.clear();
  }

  /** A companion takes nothing with it when it goes. */
  #lose({ swarmId, actor }: Acting): void {
    if ('joins' in actor) this.#onLost({ swarmId, actor });
  }

  /** Nobody calls any more; what still joins is lost at once. */
  end(): void {
    this.#over = true;
    this.loseAgents();
  }
}
