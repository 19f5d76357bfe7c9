/**
 * Flows over pipelined connections, for protocols of text. Cheap, so that the server is the one to be measured: there
 * are no promises on the way, and what the flows of a connection ask in one turn leaves in one write.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

/**
 * Starts `inFlight` flows on each connection, which go through the steps again and again. A step is what to `ask`, of a
 * flow, and a `check` that throws unless the answer is right. `record` hears of each time through the steps.
 */
export function startFlows(connections, inFlight, steps, record) {
  connections.forEach((connection, index) => {
    const flows = Array.from({ length: inFlight }, (_, n) => ({ name: `${index}.${n}`, rounds: 0, step: 0, since: 0 }));
    const advance = (flow, answer) => {
      steps[flow.step].check(answer, flow);
      flow.step += 1;
      if (flow.step === steps.length) {
        const now = performance.now();
        record.done(flow.since, now);
        flow.since = now;
        flow.rounds += 1;
        flow.step = 0;
      }
      connection.send(flow, steps[flow.step].ask(flow));
    };
    connection.onAnswer = advance;
    connection.onFault = (error) => record.failed(error);
    for (const flow of flows) {
      flow.since = performance.now();
      connection.send(flow, steps[0].ask(flow));
    }
    connection.flush();
  });
}

class Connection {
  #socket;
  #protocol;
  #input = '';
  #output = '';
  onAnswer;
  onFault;

  constructor(socket, protocol) {
    this.#socket = socket;
    this.#protocol = protocol;
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.onFault?.(error));
    socket.on('end', () => this.onFault?.(new Error('the server closed the connection')));
  }

  /** To be followed by `flush`, except from within `onAnswer`. */
  send(flow, request) {
    this.#output += this.#protocol.encode(flow, request);
  }

  flush() {
    this.#socket.write(this.#output, 'latin1');
    this.#output = '';
  }

  /** One request on its own, before the flows. */
  ask(request) {
    return new Promise((resolve, reject) => {
      this.onAnswer = (_flow, answer) => resolve(answer);
      this.onFault = reject;
      this.send({}, request);
      this.flush();
    });
  }

  #read(chunk) {
    const input = this.#input + chunk;
    let at = 0;
    try {
      for (let end = this.#protocol.frameEnd(input, at); end > at; end = this.#protocol.frameEnd(input, at)) {
        const [flow, answer] = this.#protocol.decode(input.slice(at, end));
        at = end;
        this.onAnswer(flow, answer);
      }
    } catch (error) {
      this.onFault(error);
    }
    this.#input = input.slice(at);
    if (this.#output !== '') this.flush();
  }

  close() {
    this.onFault = undefined;
    this.#socket.destroy();
  }
}

async function open(port, protocol) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return new Connection(socket, protocol);
}

/** Replies come in any order and are told by their ids, of which none is used twice. */
export function connectJsonRpc(port) {
  const waiting = new Map();
  let last = 0;
  return open(port, {
    encode(flow, request) {
      last += 1;
      waiting.set(last, flow);
      return `{"jsonrpc":"2.0","id":${last},${request}}\n`;
    },
    frameEnd: (input, at) => input.indexOf('\n', at) + 1,
    decode(line) {
      const { id, result } = JSON.parse(line);
      const flow = waiting.get(id);
      if (flow === undefined || result === undefined) throw new Error(`unexpected answer: ${line}`);
      waiting.delete(id);
      return [flow, result];
    },
  });
}

/** MCP 2026-07-28 over HTTP, one request at a time. */
export function connectMcpHttp(port) {
  let asking;
  return open(port, {
    encode(flow, request) {
      asking = flow;
      const body = `{"jsonrpc":"2.0","id":1,${request}}`;
      const [, tool] = /"name":"(\w+)"/.exec(request);
      const headers = [
        'POST /mcp HTTP/1.1',
        `host: 127.0.0.1:${port}`,
        'content-type: application/json',
        'accept: application/json, text/event-stream',
        'mcp-protocol-version: 2026-07-28',
        'mcp-method: tools/call',
        `mcp-name: ${tool}`,
        `content-length: ${body.length}`,
      ];
      return `${headers.join('\r\n')}\r\n\r\n${body}`;
    },
    frameEnd(input, at) {
      const body = input.indexOf('\r\n\r\n', at) + 4;
      if (body === 3) return 0;
      const [, length] = /content-length: (\d+)/i.exec(input.slice(at, body));
      return body + Number(length) <= input.length ? body + Number(length) : 0;
    },
    decode(response) {
      const { result } = JSON.parse(response.slice(response.indexOf('\r\n\r\n')));
      if (result === undefined) throw new Error(`unexpected answer: ${response}`);
      return [asking, result];
    },
  });
}

/** Answers come in the order of the commands; that of `reserve` has a body. */
export function connectBeanstalkd(port) {
  const waiting = [];
  return open(port, {
    encode(flow, command) {
      waiting.push(flow);
      return command;
    },
    frameEnd(input, at) {
      const end = input.indexOf('\r\n', at) + 2;
      if (end === 1 || !input.startsWith('RESERVED ', at)) return end === 1 ? 0 : end;
      const bodyEnd = end + Number(input.slice(input.lastIndexOf(' ', end), end)) + 2;
      return bodyEnd <= input.length ? bodyEnd : 0;
    },
    decode: (answer) => [waiting.shift(), answer],
  });
}
