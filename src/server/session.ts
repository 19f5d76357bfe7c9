/**
 * One connection: reads lines, hands messages to the dispatcher, sends replies, and never holds more than its limits.
 *
 * A client that does not read its replies stops being read; what it has sent stays in its own buffers. A client that
 * closes its side is answered in full before ours is closed.
 */
import type { Socket } from 'node:net';
import { setMaxListeners } from 'node:events';
import type { Log } from '../observe/log.ts';
import type { Caller } from '../tools/index.ts';
import {
  encodeError,
  encodeNotification,
  parse,
  type Message,
  type Notification,
  type Request,
} from '../wire/jsonrpc.ts';
import { LineDecoder, type Line } from '../wire/lines.ts';
import type { Dispatcher } from './dispatch.ts';
import type { ConnectionLimits } from './limits.ts';
import { RateLimit } from './rate.ts';
import type { Subscription } from './subscription.ts';

type Acting = { readonly swarmId: string; readonly actor: { readonly agentId: string; readonly joins: number } };

/** Characters that are collected before they are written, at most. */
const writeMax = 64 * 1024;

export class Session implements Caller {
  readonly endpoint: string;
  readonly acting = new Map<string, Acting>();
  readonly subscriptions = new Map<string, Subscription>();
  newestSwarm: string | null = null;
  settling: Promise<unknown> | null = null;
  readonly #socket: Socket;
  readonly #dispatcher: Dispatcher;
  readonly #limits: ConnectionLimits;
  readonly #log: Log;
  readonly #onLost: (acting: Acting) => void;
  readonly #now: () => number;
  readonly #decoder: LineDecoder;
  readonly #rate: RateLimit;
  readonly #gone = new AbortController();
  #inFlight = 0;
  #waits = 0;
  #output = '';
  #reading = true;
  /** The other side has closed its half: nothing more comes. */
  #ended = false;
  /** We are closing: what still comes is dropped. */
  #closing = false;
  #lineTimer: NodeJS.Timeout | null = null;
  #writable: (() => void)[] = [];

  constructor(
    socket: Socket,
    context: {
      readonly dispatcher: Dispatcher;
      readonly limits: ConnectionLimits;
      readonly log: Log;
      readonly now: () => number;
      readonly onLost: (acting: Acting) => void;
    },
  ) {
    const { limits } = context;
    this.#socket = socket;
    this.#dispatcher = context.dispatcher;
    this.#limits = limits;
    this.#log = context.log;
    this.#onLost = context.onLost;
    this.#now = context.now;
    this.#decoder = new LineDecoder({ lineBytesMax: limits.lineBytesMax });
    this.#rate = new RateLimit(limits.rateLimit, context.now());
    this.endpoint = endpointOf(socket);
    setMaxListeners(0, this.#gone.signal);

    socket.setNoDelay(true);
    socket.setKeepAlive(true, limits.keepAliveMs);
    socket.on('data', (chunk: Buffer) => {
      if (this.#closing) return;
      this.#decoder.push(chunk);
      this.#readLines();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#decoder.end();
      this.#readLines();
    });
    socket.on('drain', () => this.#hasRoom());
    socket.on('error', (error: NodeJS.ErrnoException) => this.#log.debug({ code: error.code }, 'connection error'));
    socket.on('close', () => this.#closed());
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  // ---- what tools see

  joined(swarmId: string, actor: Acting['actor']): void {
    const acting = { swarmId, actor };
    if (this.signal.aborted) this.#onLost(acting);
    else this.acting.set(actor.agentId, acting);
  }

  left(agentId: string): void {
    this.acting.delete(agentId);
  }

  beginWait(): boolean {
    if (this.#waits >= this.#limits.waitsMax) return false;
    this.#waits += 1;
    // A request that waits takes no place of one that works.
    setImmediate(() => this.#readLines());
    return true;
  }

  endWait(): void {
    this.#waits -= 1;
  }

  // ---- reading

  #readLines(): void {
    while (this.#mayRead()) {
      const line = this.#decoder.next();
      if (line === undefined) break;
      this.#take(line);
    }
    if (this.#closing) return;
    this.#readOrPause();
    this.#watchLine();
    if (this.#ended && this.#inFlight === 0 && this.#mayRead()) this.#close();
  }

  #mayRead(): boolean {
    return (
      !this.#closing &&
      this.#inFlight - this.#waits < this.#limits.inFlightMax &&
      this.#socket.writableLength + this.#output.length < this.#limits.outputMax
    );
  }

  #readOrPause(): void {
    const may = this.#mayRead();
    if (may === this.#reading) return;
    this.#reading = may;
    if (may) this.#socket.resume();
    else this.#socket.pause();
  }

  /** One timer for a line that was begun; it starts anew for each line and only while we are reading. */
  #watchLine(): void {
    const begun = this.#decoder.pendingBytes > 0 && this.#reading;
    if (begun === (this.#lineTimer !== null)) return;
    if (this.#lineTimer !== null) {
      clearTimeout(this.#lineTimer);
      this.#lineTimer = null;
      return;
    }
    this.#lineTimer = setTimeout(() => {
      const seconds = this.#limits.lineTimeoutMs / 1000;
      this.#refuseAndClose(
        'line_timeout',
        `a line was begun and not ended within ${seconds} s: end every message with a newline`,
      );
    }, this.#limits.lineTimeoutMs);
  }

  #take(line: Line): void {
    // The next line has its own time.
    if (this.#lineTimer !== null) {
      clearTimeout(this.#lineTimer);
      this.#lineTimer = null;
    }
    switch (line.kind) {
      case 'text':
        this.#receive(parse(line.text, this.#limits));
        break;
      case 'invalid_utf8':
        this.#refuse('null', 'parse_error', 'the line is not valid UTF-8');
        break;
      case 'too_long':
        this.#refuseAndClose(
          'too_large',
          `a line is longer than ${this.#limits.lineBytesMax} bytes: send large values in parts, or raise MCP_MAX_MESSAGE_BYTES`,
        );
        break;
    }
  }

  #receive(message: Message): void {
    switch (message.kind) {
      case 'invalid':
        this.#refuse(message.id, message.reason, message.message);
        break;
      case 'response':
        // We ask our clients nothing.
        break;
      case 'request':
      case 'notification':
        this.#call(message);
        break;
      case 'batch': {
        const wait = this.#rate.take(message.entries.length, this.#now());
        if (wait > 0) this.#refuse('null', 'rate_limited', rateMessage(this.#limits.rateLimit), { retryAfterMs: wait });
        else this.#answer(this.#dispatcher.batch(message.entries, this));
        break;
      }
    }
  }

  #call(message: Request | Notification): void {
    const count = message.method === 'batch' && Array.isArray(message.params) ? Math.max(1, message.params.length) : 1;
    const wait = this.#rate.take(count, this.#now());
    if (wait === 0) this.#answer(this.#dispatcher.answer(message, this));
    else if (message.kind === 'request') {
      this.#refuse(message.id, 'rate_limited', rateMessage(this.#limits.rateLimit), { retryAfterMs: wait });
    }
  }

  #answer(answer: Promise<Delivery>): void {
    this.#inFlight += 1;
    answer.then(
      ({ line, undelivered }) => {
        this.#inFlight -= 1;
        if (line !== undefined) {
          if (this.signal.aborted || this.#closing) undelivered?.();
          else this.send(line);
        }
        this.#readLinesIfStuck();
      },
      (error: unknown) => {
        this.#inFlight -= 1;
        this.#log.error({ err: error }, 'a request was not answered');
        this.#readLinesIfStuck();
      },
    );
  }

  /** Replies come in great numbers; there is something to do only when reading had stopped. */
  #readLinesIfStuck(): void {
    if (!this.#reading || this.#ended) this.#readLines();
  }

  // ---- writing

  send(line: string): void {
    if (this.signal.aborted) return;
    if (this.#output === '') process.nextTick(() => this.#flush());
    this.#output += line + '\n';
    if (this.#output.length >= writeMax) this.#flush();
  }

  notify(method: string, params: { readonly [name: string]: unknown }): void {
    this.send(encodeNotification(method, params));
  }

  /** Resolves once the client has read enough for more to be sent, or is gone. */
  async writable(): Promise<void> {
    if (this.signal.aborted || this.#socket.writableLength + this.#output.length < this.#limits.outputMax) return;
    await new Promise<void>((resolve) => this.#writable.push(resolve));
  }

  #flush(): void {
    if (this.#output === '') return;
    const output = this.#output;
    this.#output = '';
    if (!this.#socket.destroyed) this.#socket.write(output);
  }

  #hasRoom(): void {
    const waiting = this.#writable;
    this.#writable = [];
    for (const resolve of waiting) resolve();
    this.#readLines();
  }

  #refuse(id: string, reason: string, message: string, data?: Readonly<Record<string, unknown>>): void {
    this.#log.debug({ reason, detail: message }, 'refused');
    const error = this.#dispatcher.dialect.error({ refused: reason, message, ...(data && { data }) });
    this.send(encodeError(id, error));
  }

  // ---- closing

  /** Says why, and closes once that has been read, or soon after. */
  #refuseAndClose(reason: string, message: string): void {
    this.#refuse('null', reason, message);
    this.#close();
  }

  /** A connection that is ended by the server: nothing more is read from it. */
  end(): void {
    this.#close();
  }

  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#flush();
    this.#socket.end();
    // Closing with unread input would reset the connection and take our last words with it.
    this.#socket.resume();
    const linger = setTimeout(() => this.#socket.destroy(), this.#limits.lingerMs);
    this.#socket.once('close', () => clearTimeout(linger));
  }

  #closed(): void {
    this.#closing = true;
    if (this.#lineTimer !== null) clearTimeout(this.#lineTimer);
    for (const subscription of this.subscriptions.values()) subscription.end();
    this.subscriptions.clear();
    this.#gone.abort();
    for (const acting of this.acting.values()) this.#onLost(acting);
    this.#hasRoom();
  }
}

/** A reply, and what to do when it cannot be delivered. No line: nothing is to be answered. */
export interface Delivery {
  readonly line: string | undefined;
  readonly undelivered: (() => void) | null;
}

function rateMessage(rateLimit: number): string {
  return `this connection sends more than ${rateLimit} requests a second: wait, use more connections, or raise MCP_RATE_LIMIT`;
}

function endpointOf({ localAddress = '', localPort = 0, localFamily }: Socket): string {
  return localFamily === 'IPv6' && !localAddress.startsWith('::ffff:')
    ? `[${localAddress}]:${localPort}`
    : `${localAddress.replace('::ffff:', '')}:${localPort}`;
}
