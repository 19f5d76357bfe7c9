/**
 * One connection: reads lines, hands messages to the dispatcher, sends replies, and never holds more than its limits.
 *
 * A client that does not read its replies stops being read; what it has sent stays in its own buffers. A client that
 * closes its side is answered in full before ours is closed.
 */
import type { Socket } from 'node:net';
import { setMaxListeners } from 'node:events';
import type { Delivery } from '../dialects/dialect.ts';
import type { McpConnection } from '../dialects/mcp/connection.ts';
import type { Log } from '../observe/log.ts';
import type { ProfileName } from '../spec.ts';
import type { LostWorker } from '../tools/index.ts';
import { encodeError, encodeNotification, parse, type Message } from '../wire/jsonrpc.ts';
import { LineDecoder, type Line } from '../wire/lines.ts';
import { batchWindow } from './batch.ts';
import { ToolCaller } from './caller.ts';
import type { Dispatcher } from './dispatch.ts';
import { drain } from './drain.ts';
import type { ConnectionLimits } from './limits.ts';
import { rateLimited, RateLimit } from './rate.ts';
import type { Subscription } from './subscription.ts';

/** Characters that are collected before they are written, at most. */
const writeMax = 64 * 1024;

/**
 * A browser lets any web page post text to this port. The first line that comes then is this one, and of the body, which
 * is the page's, nothing may be read.
 */
const httpRequest = /^[A-Z]+ \S+ HTTP\/\d/;

/** Few, for each may be answered by megabytes; not one, for it takes as long to go on as to answer a ping. */
const linesAtOnce = 8;

/** Calls that a connection may begin before the others have their turn. */
const turnCalls = 64;

export class Session {
  readonly caller: ToolCaller;
  readonly subscriptions = new Map<string, Subscription>();
  readonly log: Log;
  /** What its client wants to be shown in MCP; null: what the listener is set to. */
  profile: ProfileName | null = null;
  /** Set once its client has spoken MCP. */
  mcp: McpConnection | null = null;
  readonly #socket: Socket;
  readonly #dispatcher: Dispatcher;
  readonly #limits: ConnectionLimits;
  readonly #now: () => number;
  readonly #decoder: LineDecoder;
  readonly #rate: RateLimit;
  readonly #gone = new AbortController();
  /**
   * open: it is read and answered. ended: the client has closed its half; what it had sent before is answered.
   * leaving: we close; what is under way is answered, what still comes is dropped. closing: nothing more is sent.
   */
  #state: 'open' | 'ended' | 'leaving' | 'closing' = 'open';
  #inFlight = 0;
  #inFlightChars = 0;
  /** What is left of this turn; 0 or less: it goes on in the next turn of the event loop. */
  #turn = turnCalls;
  #output = '';
  #reading = true;
  /** It reads on in a moment: what is to be sent waits for the answers to what it reads then. */
  #readsOn = false;
  #lineTimer: NodeJS.Timeout | null = null;
  /** Those who wait until there is room for output. */
  readonly #writers: (() => void)[] = [];

  constructor(
    socket: Socket,
    context: {
      readonly dispatcher: Dispatcher;
      readonly limits: ConnectionLimits;
      readonly log: Log;
      readonly now: () => number;
      readonly onLost: (lost: LostWorker) => void;
    },
  ) {
    const { limits } = context;
    this.log = context.log;
    this.#socket = socket;
    this.#dispatcher = context.dispatcher;
    this.#limits = limits;
    this.#now = context.now;
    this.#decoder = new LineDecoder({ lineBytesMax: limits.lineBytesMax });
    this.#rate = new RateLimit(limits.rateLimit, context.now());
    this.caller = new ToolCaller({
      endpoint: endpointOf(socket),
      waitsMax: limits.waitsMax,
      onLost: context.onLost,
    });
    // A request that waits takes no place of one that works.
    this.caller.onWait = () => setImmediate(() => this.#readLinesIfStuck());
    setMaxListeners(0, this.#gone.signal);

    socket.setNoDelay(true);
    socket.setKeepAlive(true, limits.keepAliveMs);
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('end', () => this.#halfClosed());
    socket.on('drain', () => this.#drained());
    socket.on('error', (error: NodeJS.ErrnoException) => this.log.debug({ code: error.code }, 'connection error'));
    socket.on('close', () => this.#closed());
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  // ---- reading

  #received(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    // A chunk comes in a turn of its own, unless what came before it has used this one up.
    if (this.#turn > 0) this.#turn = turnCalls;
    this.#decoder.push(chunk);
    this.#readLines();
  }

  #halfClosed(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#decoder.end();
    this.#readLines();
  }

  /**
   * A few lines at a time. What can be answered without waiting is answered before more are looked at, so that a client
   * that asks for much at once is not read much further than there is room for its answers.
   */
  #readLines(): void {
    if (this.#readsOn) return;
    for (let lines = 0; this.#mayRead(); lines += 1) {
      if (lines === linesAtOnce) return this.#readOnWhenAnswered();
      const line = this.#decoder.next();
      if (line === undefined) break;
      this.#take(line);
    }
    this.#readOrPause();
    this.#watchLine();
    this.#endIfDone();
  }

  #readOnWhenAnswered(): void {
    this.#readsOn = true;
    const readOn = (): void => {
      this.#readsOn = false;
      this.#readLines();
      if (!this.#readsOn) this.#flush();
    };
    // A tick that a microtask asks for runs once no microtask is left, nor any answer that was ready.
    queueMicrotask(() => process.nextTick(readOn));
  }

  #mayRead(): boolean {
    return (
      (this.#state === 'open' || this.#state === 'ended') &&
      this.#turn > 0 &&
      this.#inFlight - this.caller.waits < this.#limits.inFlightMax &&
      this.#inFlightChars < this.#limits.inFlightCharsMax &&
      this.#hasOutputRoom()
    );
  }

  #readOrPause(): void {
    // While we close, the socket is drained.
    const may = this.#state === 'leaving' || this.#state === 'closing' || this.#mayRead();
    if (may === this.#reading) return;
    this.#reading = may;
    if (may) this.#socket.resume();
    else this.#socket.pause();
  }

  /** Replies come in great numbers; there is something to do only when reading had stopped. */
  #readLinesIfStuck(): void {
    if (!this.#reading || this.#state !== 'open') this.#readLines();
  }

  /** A client that sends much at once must not keep the others waiting. */
  #spendTurn(calls: number): void {
    const left = this.#turn;
    this.#turn -= calls;
    if (left <= 0 || this.#turn > 0) return;
    setImmediate(() => {
      this.#turn = turnCalls;
      this.#readLines();
    });
  }

  /** One timer for a line that was begun; it starts anew for each line and only while we are reading. */
  #watchLine(): void {
    const begun = this.#state === 'open' && this.#reading && this.#decoder.pendingBytes > 0;
    if (begun === (this.#lineTimer !== null)) return;
    if (!begun) return this.#stopLineTimer();
    this.#lineTimer = setTimeout(() => {
      const seconds = this.#limits.lineTimeoutMs / 1000;
      this.#refuseAndLeave(
        'line_timeout',
        `a line was begun and not ended within ${seconds} s: end every message with a newline`,
      );
    }, this.#limits.lineTimeoutMs);
  }

  #stopLineTimer(): void {
    if (this.#lineTimer !== null) clearTimeout(this.#lineTimer);
    this.#lineTimer = null;
  }

  #take(line: Line): void {
    // The next line has its own time.
    this.#stopLineTimer();
    switch (line.kind) {
      case 'text': {
        const message = parse(line.text, this.#limits);
        if (message.kind === 'invalid' && httpRequest.test(line.text)) {
          return this.#refuseAndLeave('parse_error', 'this port speaks no HTTP: that is spoken on MCP_HTTP_PORT');
        }
        this.#receive(message, line.text.length);
        break;
      }
      case 'invalid_utf8':
        this.#spendTurn(1);
        this.#refuse('parse_error', 'the line is not valid UTF-8');
        break;
      case 'too_long':
        this.#refuseAndLeave(
          'too_large',
          `a line is longer than ${this.#limits.lineBytesMax} bytes: send large values in parts, or raise MCP_MAX_MESSAGE_BYTES`,
        );
        break;
    }
  }

  #receive(message: Message, chars: number): void {
    const calls = callsIn(message);
    this.#spendTurn(calls);
    switch (message.kind) {
      case 'invalid':
        this.#refuse(message.reason, message.message, message.id);
        return;
      case 'response':
        // We ask our clients nothing.
        return;
    }
    const retryAfterMs = this.#rate.take(calls, this.#now());
    if (retryAfterMs > 0) {
      this.log.debug({ retryAfterMs }, 'rate limited');
      const line = this.#dispatcher.turnDown(message, rateLimited(this.#limits.rateLimit, retryAfterMs));
      if (line !== undefined) this.send(line);
      return;
    }
    this.#answer(this.#dispatcher.answer(message, this), Math.min(calls, batchWindow), chars);
  }

  #answer(answer: Promise<Delivery>, places: number, chars: number): void {
    this.#inFlight += places;
    this.#inFlightChars += chars;
    answer.then(
      ({ line, undelivered }) => {
        if (this.#state === 'closing') undelivered?.();
        else if (line !== undefined) this.send(line);
        this.#answered(places, chars);
      },
      (error: unknown) => {
        this.log.error({ err: error }, 'a request was not answered');
        this.#answered(places, chars);
      },
    );
  }

  #answered(places: number, chars: number): void {
    this.#inFlight -= places;
    this.#inFlightChars -= chars;
    this.#readLinesIfStuck();
  }

  // ---- writing

  /** Once the connection is closing, what is sent is dropped. */
  send(line: string): void {
    if (this.#state === 'closing') return;
    if (this.#output === '' && !this.#readsOn) process.nextTick(() => this.#flush());
    this.#output += line + '\n';
    if (this.#output.length >= writeMax) this.#flush();
  }

  notify(method: string, params: { readonly [name: string]: unknown }): void {
    this.send(encodeNotification(method, params));
  }

  /** Resolves once the client has read enough for more to be sent, or is gone. */
  async writable(): Promise<void> {
    if (this.#state === 'closing' || this.#hasOutputRoom()) return;
    await new Promise<void>((resolve) => this.#writers.push(resolve));
  }

  #hasOutputRoom(): boolean {
    return this.#socket.writableLength + this.#output.length < this.#limits.outputMax;
  }

  #flush(): void {
    if (this.#output === '') return;
    const output = this.#output;
    this.#output = '';
    if (!this.#socket.destroyed) this.#socket.write(output);
  }

  #drained(): void {
    this.#wakeWriter();
    this.#readLines();
  }

  /** One in a turn of the event loop: what it writes may take all the room that there is. */
  #wakeWriter(): void {
    if (this.#writers.length === 0 || !(this.#state === 'closing' || this.#hasOutputRoom())) return;
    this.#writers.shift()!();
    setImmediate(() => this.#wakeWriter());
  }

  #refuse(reason: string, message: string, id = 'null'): void {
    this.log.debug({ reason, detail: message }, 'refused');
    this.send(encodeError(id, this.#dispatcher.dialect.error({ refused: reason, message })));
  }

  // ---- closing

  #refuseAndLeave(reason: string, message: string): void {
    this.#refuse(reason, message);
    this.leave();
  }

  /** Ends the connection from our side: no more is read, and what is under way is answered if that does not take long. */
  leave(): void {
    if (this.#state === 'leaving' || this.#state === 'closing') return;
    this.#state = 'leaving';
    this.#stopLineTimer();
    this.#endSubscriptions();
    this.mcp?.endSubscriptions();
    this.#reading = true;
    drain(this.#socket, this.#limits.lingerMs);
    this.#endIfDone();
  }

  #endIfDone(): void {
    // While reading is possible and has stopped, nothing is left to be read.
    const readAll = this.#state === 'leaving' || (this.#state === 'ended' && this.#mayRead());
    if (!readAll) return;
    if (this.#inFlight === 0) this.#end();
    // Whoever cannot send any more cannot do any work, either; a killed worker looks like this, too.
    else if (this.#inFlight === this.caller.waits) this.caller.loseAgents();
  }

  #end(): void {
    this.#state = 'closing';
    this.#endSubscriptions();
    this.#flush();
    this.#socket.end();
  }

  #closed(): void {
    this.#state = 'closing';
    this.#stopLineTimer();
    this.#endSubscriptions();
    this.#gone.abort();
    this.mcp?.close();
    this.caller.end();
    this.#wakeWriter();
  }

  #endSubscriptions(): void {
    for (const subscription of this.subscriptions.values()) subscription.end();
    this.subscriptions.clear();
  }
}

/** Calls that a message asks for: one, or those of a batch of either kind. */
function callsIn(message: Message): number {
  if (message.kind === 'batch') return message.entries.length;
  if (message.kind !== 'request' && message.kind !== 'notification') return 1;
  const { method, params } = message;
  return method === 'batch' && Array.isArray(params) ? Math.max(1, params.length) : 1;
}

function endpointOf({ localAddress = '', localPort = 0, localFamily }: Socket): string {
  return localFamily === 'IPv6' && !localAddress.startsWith('::ffff:')
    ? `[${localAddress}]:${localPort}`
    : `${localAddress.replace('::ffff:', '')}:${localPort}`;
}
