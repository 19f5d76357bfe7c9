/**
 * The built-in host: starts the workers of agents whose type is a command, and ends them with all that they started.
 *
 * A worker is a process of its own that connects back over TCP like any other. It outlives the coordinator: after a
 * restart it joins again, and until then nobody here knows its process. What was left behind is found by the mark in
 * its environment (`sweep.ts`).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Log } from '../observe/log.ts';
import { sweep } from './sweep.ts';

export interface StartOrder {
  readonly swarmId: string;
  readonly agentId: string;
  readonly agentType: string;
  readonly joinToken: string;
  readonly restarts: number;
}

/** How long a worker may take to end by itself before it is killed, with all that it started. */
const killGraceMs = 5_000;

interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface CommandHostOptions {
  /** Program and arguments of a worker. */
  readonly workerCommand: readonly string[];
  readonly configFile: string;
  readonly log: Log;
  /** A worker could not be started, or has ended. */
  readonly onEnd: (order: StartOrder, reason: string) => void;
}

export class CommandHost {
  readonly #options: CommandHostOptions;
  readonly #workers = new Map<string, ChildProcess>();
  /** Ends that are under way: a new start of the same agent comes after them. */
  readonly #ending = new Map<string, Promise<void>>();
  /** Where the workers find the coordinator; not known before it listens. */
  readonly #server: Promise<ServerAddress>;
  #listening: (server: ServerAddress) => void = () => {};

  constructor(options: CommandHostOptions) {
    this.#options = options;
    this.#server = new Promise((resolve) => (this.#listening = resolve));
  }

  /** Starts what has been ordered so far, and from now on at once. */
  serverAt(host: string, port: number): void {
    const wildcard = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
    this.#listening({ host: wildcard, port });
  }

  start(order: StartOrder): void {
    void (async () => {
      const server = await this.#server;
      await this.#ending.get(order.agentId);
      this.#spawn(order, server);
    })();
  }

  stop(agentId: string): void {
    const before = this.#ending.get(agentId) ?? Promise.resolve();
    const ending = before.then(() => this.#end(agentId));
    this.#ending.set(agentId, ending);
    void ending.finally(() => {
      if (this.#ending.get(agentId) === ending) this.#ending.delete(agentId);
    });
  }

  #spawn(order: StartOrder, server: ServerAddress): void {
    const { workerCommand, configFile, log, onEnd } = this.#options;
    const [program, ...args] = workerCommand;
    const own = log.child({ agentId: order.agentId, agentType: order.agentType });
    const child = spawn(program!, [...args, '--type', order.agentType], {
      // Its own group: a signal to the coordinator's terminal is not for it.
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        MCP_HOST: server.host,
        MCP_TCP_PORT: String(server.port),
        MCP_CONFIG: configFile,
        SKEIN_SWARM_ID: order.swarmId,
        SKEIN_AGENT_ID: order.agentId,
        SKEIN_JOIN_TOKEN: order.joinToken,
      },
    });
    this.#workers.set(order.agentId, child);
    // The coordinator may end before its workers do.
    child.unref();
    let ended = false;
    const end = (reason: string): void => {
      if (ended) return;
      ended = true;
      if (this.#workers.get(order.agentId) === child) this.#workers.delete(order.agentId);
      own.info({ pid: child.pid, reason }, 'worker ended');
      // A worker that was killed had no time to end what it had started.
      this.stop(order.agentId);
      onEnd(order, reason);
    };
    child.once('spawn', () => own.info({ pid: child.pid }, 'worker started'));
    child.once('error', (error) => end(`its worker could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      end(signal === null ? `its worker ended with exit code ${code}` : `its worker was ended by ${signal}`);
    });
  }

  async #end(agentId: string): Promise<void> {
    const child = this.#workers.get(agentId);
    const swept = await sweep({ agentId }, { killGraceMs });
    if (!swept.supported) child?.kill('SIGTERM');
    else if (swept.terminated > 0 || swept.killed > 0) this.#options.log.debug({ agentId, ...swept }, 'agent ended');
  }
}
