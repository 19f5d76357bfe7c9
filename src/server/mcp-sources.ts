/** What MCP is fed with, on connections as over HTTP: the tools, and what there is to hear of. */
import type { TurnedDown } from '../dialects/dialect.ts';
import type { CallTool, Sources } from '../dialects/mcp/server.ts';
import type { Log } from '../observe/log.ts';
import type { Caller, Services } from '../tools/index.ts';
import { readEvents } from './history.ts';
import { SwarmList } from './swarm-list.ts';
import { callTool, internalError, type Passage } from './tool-calls.ts';
import { watchSwarm } from './watching.ts';

export class McpSources {
  readonly #services: Services;
  /** Once somebody wants to hear of it. */
  #list: SwarmList | null = null;

  constructor(services: Services) {
    this.#services = services;
  }

  /** How tools are called for somebody; it never rejects. */
  toolsFor(caller: Caller, log: Log): CallTool {
    return async (name, args, by) => {
      const passage: Passage = Object.assign({ caller, log, undelivered: null }, by);
      let answer: object | TurnedDown;
      try {
        answer = await callTool(this.#services, name, args, passage);
      } catch (error) {
        log.error({ tool: name, err: error }, 'a tool failed');
        return { answer: internalError, undelivered: null };
      }
      return { answer, undelivered: passage.undelivered };
    };
  }

  /** `writable` resolves when there is room for telling of more. */
  sourcesFor(tools: CallTool, writable: () => Promise<void>, log: Log): Sources {
    const { coordinator } = this.#services;
    return {
      callTool: tools,
      watch: (swarmId, taskId, onChange) => watchSwarm(coordinator, swarmId, { taskId, onChange, writable }, log),
      watchList: (onChange) => (this.#list ??= new SwarmList(coordinator)).watch({ onChange, writable }),
      readEvents: (swarmId, from) => readEvents(coordinator, swarmId, from),
    };
  }
}
