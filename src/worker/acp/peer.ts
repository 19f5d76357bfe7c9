/**
 * JSON-RPC with a program over its standard streams, a message a line: requests both ways, and notifications.
 *
 * - Every request of the program is answered, in whatever order the answers are there.
 * - What is no message ends the conversation: `onBroken` says what it was, and nothing is heard any more. So does a line
 *   that is longer than 10 MiB, of which nothing is kept.
 * - A request that the program never answers stays open: whoever asked watches the program.
 */
import type { Readable, Writable } from 'node:stream';
import {
  encodeError,
  encodeNotification,
  encodeRequest,
  encodeResult,
  parse,
  type ErrorObject,
  type Params,
  type RawId,
  type Response,
} from '../../wire/jsonrpc.ts';
import { LineDecoder, type Line } from '../../wire/lines.ts';

/** A tool call may carry the text of the files that it changes. */
const lineBytesMax = 10 * 1024 * 1024;
/** Nothing of what is read so deep is passed on. */
const depthMax = 1_000;
const excerptChars = 200;

export type Answer = { readonly result: object } | { readonly error: ErrorObject };

export interface PeerHandlers {
  onRequest(method: string, params: Params | undefined): Answer | Promise<Answer>;
  onNotification(method: string, params: Params | undefined): void;
  /** `message` continues a sentence that begins with the program's name. */
  onBroken(message: string): void;
}

export interface Peer {
  request(method: string, params: Params): Promise<Response>;
  notify(method: string, params: Params): void;
  /** Nothing is heard any more. */
  close(): void;
}

export function openPeer(stdin: Writable, stdout: Readable, handlers: PeerHandlers): Peer {
  const decoder = new LineDecoder({ lineBytesMax });
  const asked = new Map<RawId, (response: Response) => void>();
  let lastId = 0;
  let closed = false;

  const send = (line: string): void => void stdin.write(`${line}\n`);
  const broken = (message: string): void => {
    closed = true;
    handlers.onBroken(message);
  };

  const reply = async (id: RawId, method: string, params: Params | undefined): Promise<void> => {
    const answer = await handlers.onRequest(method, params);
    send('error' in answer ? encodeError(id, answer.error) : encodeResult(id, JSON.stringify(answer.result)));
  };

  const hear = (line: Line): void => {
    if (line.kind === 'too_long')
      return broken(`wrote a line of more than ${lineBytesMax} bytes to its standard output`);
    if (line.kind === 'invalid_utf8') return broken('wrote a line that is not UTF-8 to its standard output');
    const message = parse(line.text, { depthMax, batchMax: 1 });
    switch (message.kind) {
      case 'request':
        void reply(message.id, message.method, message.params);
        return;
      case 'notification':
        return handlers.onNotification(message.method, message.params);
      case 'response':
        asked.get(message.id)?.(message);
        asked.delete(message.id);
        return;
      default: {
        const why = message.kind === 'batch' ? 'the Agent Client Protocol knows no batches' : message.message;
        const begins = JSON.stringify(line.text.slice(0, excerptChars));
        broken(`wrote a line to its standard output that is no message to a client: ${why}; it begins ${begins}`);
      }
    }
  };

  const hearAll = (): void => {
    while (!closed) {
      const line = decoder.next();
      if (line === undefined) return;
      hear(line);
    }
  };
  stdout.on('data', (chunk: Buffer) => {
    if (closed) return;
    decoder.push(chunk);
    hearAll();
  });
  stdout.on('end', () => {
    decoder.end();
    hearAll();
  });

  return {
    request: (method, params) =>
      new Promise((resolve) => {
        const id = String(++lastId);
        asked.set(id, resolve);
        send(encodeRequest(id, method, params));
      }),
    notify: (method, params) => send(encodeNotification(method, params)),
    close: () => void (closed = true),
  };
}
