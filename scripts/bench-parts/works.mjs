/**
 * The kinds of work. Each is done by many flows at once, `inFlight` on each of `connections`: a flow asks, gets its
 * answer, checks it, and asks on; round and round until the turn is over. A work connects and prepares, and answers with
 * `begin`, which starts the flows, and `close`. Every turn has a swarm (or a tube) of its own.
 */
import { Redis } from 'ioredis';
import { connectBeanstalkd, connectJsonRpc, connectMcpHttp, startFlows } from './flows.mjs';

const valueBytes = 200;
const jobBytes = 64;
/** Of all flows together: the store holds more than what is being written. */
const keys = 10_240;

/** A text that differs from operation to operation. */
function text(flow, bytes) {
  return `${flow.name}:${flow.rounds}`.padStart(bytes, '.');
}

function key(flow, flows) {
  return `key:${flow.name}:${flow.rounds % (keys / flows)}`;
}

function expect(holds, answer) {
  if (!holds) throw new Error(`unexpected answer: ${JSON.stringify(answer)}`);
}

function call(name, args, meta = {}) {
  return `"method":"tools/call","params":${JSON.stringify({ name, arguments: args, ...meta })}`;
}

async function connectAll(connect, port, connections) {
  return Promise.all(Array.from({ length: connections }, () => connect(port)));
}

/** With a swarm, made for the turn and destroyed after it: nothing of a turn is left to be done in the next. */
async function inSwarm({ port, connections }, { connect, meta } = plain) {
  const sockets = await connectAll(connect, port, connections);
  const made = await sockets[0].ask(call('swarm_init', { topology: 'mesh' }, meta));
  const { swarmId } = made.structuredContent ?? made;
  const end = async () => {
    for (const socket of sockets) socket.close();
    const last = await connect(port);
    await last.ask(call('swarm_destroy', { swarmId }, meta));
    last.close();
  };
  return { sockets, swarmId, end };
}

/** How a dialect is spoken: what begins a connection, what each call carries, and where the fields of an answer are. */
const plain = { connect: connectJsonRpc, handshake: null, meta: {}, fields: (result) => result };
const clientInfo = { name: 'bench', version: '1' };
const mcpLegacy = {
  connect: connectJsonRpc,
  handshake: `"method":"initialize","params":${JSON.stringify({ protocolVersion: '2025-11-25', capabilities: {}, clientInfo })}`,
  meta: {},
  fields: ({ structuredContent }) => structuredContent,
};
const mcpModern = {
  connect: connectJsonRpc,
  handshake: null,
  meta: {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': clientInfo,
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
  fields: ({ structuredContent }) => structuredContent,
};

async function memory({ port, connections, inFlight }, record, dialect) {
  const { handshake, meta, fields } = dialect;
  const { sockets, swarmId, end } = await inSwarm({ port, connections }, dialect);
  if (handshake !== null) await Promise.all(sockets.map((socket) => socket.ask(handshake)));
  const at = (flow) => ({ swarmId, key: key(flow, connections * inFlight) });
  // As JSON the text has quotes round it.
  const value = (flow) => text(flow, valueBytes - 2);
  const steps = [
    {
      ask: (flow) => call('memory_store', { ...at(flow), value: value(flow) }, meta),
      check: (stored) => expect(fields(stored).stored === true, stored),
    },
    {
      ask: (flow) => call('memory_retrieve', at(flow), meta),
      check: (found, flow) => expect(fields(found).value === value(flow), found),
    },
  ];
  return { begin: () => startFlows(sockets, inFlight, steps, record), close: end };
}

export const works = {
  async ping({ port, connections, inFlight }, record) {
    const sockets = await connectAll(connectJsonRpc, port, connections);
    const steps = [
      { ask: () => '"method":"ping","params":{}', check: ({ status }) => expect(status === 'ok', status) },
    ];
    return {
      begin: () => startFlows(sockets, inFlight, steps, record),
      close: async () => sockets.forEach((socket) => socket.close()),
    };
  },

  memory: (target, record) => memory(target, record, plain),
  memoryMcpLegacy: (target, record) => memory(target, record, mcpLegacy),
  memoryMcpModern: (target, record) => memory(target, record, mcpModern),

  /** As many requests in flight as elsewhere, each on a connection of its own. */
  memoryMcpHttp: ({ port, connections, inFlight }, record) =>
    memory({ port, connections: connections * inFlight, inFlight: 1 }, record, {
      ...mcpModern,
      connect: connectMcpHttp,
    }),

  /** One client, as many flows as elsewhere on all connections: ioredis puts what they ask into common pipelines. */
  async redis({ port, connections, inFlight }, record) {
    const redis = new Redis(port, '127.0.0.1', { enableAutoPipelining: true });
    await redis.ping();
    const flows = connections * inFlight;
    let over = false;
    const run = async (flow) => {
      for (; !over; flow.rounds += 1) {
        const since = performance.now();
        const value = text(flow, valueBytes);
        const stored = await redis.set(key(flow, flows), value);
        expect(stored === 'OK', stored);
        const found = await redis.get(key(flow, flows));
        expect(found === value, found);
        record.done(since, performance.now());
      }
    };
    let running;
    return {
      begin() {
        const all = Array.from({ length: flows }, (_, index) => run({ name: String(index), rounds: 0 }));
        running = Promise.all(all).catch((error) => record.failed(error));
      },
      async close() {
        over = true;
        await running;
        redis.disconnect();
      },
    };
  },

  /** On every connection an agent; all are alike, so a flow may well work on a task that another one submitted. */
  async cycle({ port, connections, inFlight }, record) {
    const { sockets, swarmId, end } = await inSwarm({ port, connections });
    const join = call('swarm_join', { swarmId, maxConcurrent: inFlight });
    await Promise.all(sockets.map((socket) => socket.ask(join)));
    const steps = [
      {
        ask: (flow) => call('task_orchestrate', { swarmId, task: text(flow, jobBytes) }),
        check: (task) => expect(task.status === 'orchestrating', task),
      },
      {
        ask: () => call('task_next', {}),
        check({ assignment }, flow) {
          expect(assignment !== null && assignment.description.length === jobBytes, assignment);
          flow.held = assignment;
        },
      },
      {
        ask({ held: { assignmentId, leaseToken } }) {
          return call('task_complete', { assignmentId, leaseToken, result: 'done' });
        },
        check: (done) => expect(done.status === 'succeeded' && done.taskStatus === 'completed', done),
      },
    ];
    return { begin: () => startFlows(sockets, inFlight, steps, record), close: end };
  },

  async beanstalkd({ port, connections, inFlight }, record) {
    const sockets = await connectAll(connectBeanstalkd, port, connections);
    const tube = `turn-${performance.now()}`;
    for (const socket of sockets) {
      for (const command of [`use ${tube}`, `watch ${tube}`, 'ignore default']) await socket.ask(`${command}\r\n`);
    }
    const steps = [
      {
        ask: (flow) => `put 0 0 60 ${jobBytes}\r\n${text(flow, jobBytes)}\r\n`,
        check: (answer) => expect(answer.startsWith('INSERTED '), answer),
      },
      {
        // Never waits: what is asked for has been put before.
        ask: () => 'reserve\r\n',
        check(answer, flow) {
          const [, id, bytes] = /^RESERVED (\d+) (\d+)\r\n/.exec(answer) ?? [];
          expect(Number(bytes) === jobBytes, answer);
          flow.held = id;
        },
      },
      { ask: ({ held }) => `delete ${held}\r\n`, check: (answer) => expect(answer === 'DELETED\r\n', answer) },
    ];
    return {
      begin: () => startFlows(sockets, inFlight, steps, record),
      close: async () => sockets.forEach((socket) => socket.close()),
    };
  },
};
