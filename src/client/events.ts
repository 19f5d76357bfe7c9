/**
 * A swarm's events as an async iterable: in order, without gap or repetition, also across lost connections and
 * restarts of the coordinator. Protocol: section "Events" of protocol/README.md.
 *
 * It has a connection of its own, so that whoever reads slowly slows down nothing else: when enough events wait, no
 * more are taken in, and the coordinator reads on for this stream when there is room.
 */
import { errors } from '../spec.ts';
import type { Params } from '../wire/jsonrpc.ts';
import { Connection, type Request } from './connection.ts';
import { now } from './deadline.ts';
import { closed, fromServer, SkeinError, type Failure } from './errors.ts';
import type { Settings } from './options.ts';
import { reopen, retry } from './retry.ts';

export interface SwarmEvent {
  readonly swarmId: string;
  /** Number of the event in its swarm, from 1, without gaps. */
  readonly version: number;
  /** One of `protocol/events.json`. */
  readonly type: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly [field: string]: unknown;
}

export interface SubscribeOptions {
  /** Version of the last event seen; 0: from the beginning. Only new events when absent. */
  readonly from?: number;
}

/** Events that wait to be read; with more than these, none are taken in. */
const waitingMax = 1_000;

interface Reader {
  resolve(result: IteratorResult<SwarmEvent, undefined>): void;
  reject(error: SkeinError): void;
}

export class EventStream implements AsyncIterableIterator<SwarmEvent, undefined> {
  readonly swarmId: string;
  /** Resolves once the coordinator has agreed: from then on nothing is missed. Rejects as the first `next` does. */
  readonly opened: Promise<void>;
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #closing = new AbortController();
  readonly #onEnd: () => void;
  readonly #events: SwarmEvent[] = [];
  readonly #readers: Reader[] = [];
  /** Version of the last event that came in. */
  #seen: number | undefined;
  /** Why no more events come in; `done`: the reader wants no more, or has been told. */
  #end: Failure | 'done' | null = null;

  /** Use `Client.subscribe`. */
  constructor(settings: Settings, swarmId: string, from: number | undefined, onEnd: () => void) {
    this.swarmId = swarmId;
    this.#settings = settings;
    this.#seen = from;
    this.#onEnd = onEnd;
    this.#connection = new Connection(settings, {
      prepare: (request) => this.#subscribe(request),
      onNotification: (method, params) => this.#take(method, params),
      onLost: () => this.#resume(),
    });
    this.opened = this.#open();
    // Whoever reads is told.
    this.opened.catch(() => {});
  }

  /** @throws SkeinError when no more events can come: `history_trimmed`, `swarm_not_found`, `closed`, ... */
  next(): Promise<IteratorResult<SwarmEvent, undefined>> {
    const event = this.#events.shift();
    if (event !== undefined) {
      if (this.#events.length === waitingMax / 2) this.#connection.resume();
      return Promise.resolve({ done: false, value: event });
    }
    if (this.#end === null) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    if (this.#end === 'done') return Promise.resolve({ done: true, value: undefined });
    const error = new SkeinError(this.#end);
    this.#end = 'done';
    return Promise.reject(error);
  }

  /** Ends the subscription; `break` out of a loop does it, too. */
  return(_?: undefined): Promise<IteratorResult<SwarmEvent, undefined>> {
    this.#events.length = 0;
    this.#finish('done');
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The client is closing: the reader is told, after what has come in. */
  close(): void {
    this.#finish(closed('client', { definite: true }));
  }

  async #open(): Promise<void> {
    const until = now() + this.#settings.callTimeoutMs;
    const { signal } = this.#closing;
    try {
      await retry(() => this.#connection.open(), { ...this.#settings, repeatable: true, until, signal });
    } catch (error) {
      this.#finish(error as SkeinError);
      throw error;
    }
  }

  async #subscribe(request: Request): Promise<void> {
    const { swarmId } = this;
    const from = this.#seen === undefined ? {} : { from: this.#seen };
    const reply = (await request('subscribe', { swarmId, ...from })) as { readonly from: number };
    this.#seen ??= reply.from;
  }

  #take(method: string, params: Params | undefined): void {
    if (method === 'event') this.#add((params as unknown as { readonly event: SwarmEvent }).event);
    if (method === 'subscription_ended') this.#finish(ended(this.swarmId, params as never));
  }

  #add(event: SwarmEvent): void {
    this.#seen = event.version;
    const reader = this.#readers.shift();
    if (reader !== undefined) reader.resolve({ done: false, value: event });
    else if (this.#events.push(event) >= waitingMax) this.#connection.pause();
  }

  #resume(): void {
    const { retryDelayMs: delayMs } = this.#settings;
    const { signal } = this.#closing;
    reopen(() => this.#connection.open(), { delayMs, forMs: Infinity, signal }).catch((error: SkeinError) => {
      this.#finish(error);
    });
  }

  #finish(end: Failure | 'done'): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#closing.abort();
    this.#connection.close();
    this.#onEnd();
    if (this.#readers.length === 0) return;
    for (const [index, reader] of this.#readers.splice(0).entries()) {
      if (index === 0 && end !== 'done') reader.reject(new SkeinError(end));
      else reader.resolve({ done: true, value: undefined });
    }
    this.#end = 'done';
  }
}

/** The notification `subscription_ended`. */
function ended(swarmId: string, { reason, oldest }: { readonly reason: string; readonly oldest?: number }): Failure {
  const hint = oldest === undefined ? '' : `: subscribe from ${oldest}, after looking at swarm_status and task_list`;
  const message = `no more events of swarm ${swarmId} come (${errors.get(reason)?.meaning ?? reason})${hint}`;
  const code = errors.get(reason)?.code ?? -32000;
  return fromServer({ code, message, data: { reason, definite: true, ...(oldest !== undefined && { oldest }) } });
}
