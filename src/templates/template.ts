/**
 * What a template says of an agent's command line: how it is started without a terminal, how it is told of an MCP server,
 * and how what it prints is read. There is one file a command line, written after its own help and what it really
 * printed; the version that was looked at is named there.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What a run used, as the program says. null: it does not say. */
export interface Usage {
  /** All that the models have read, from a cache too. */
  readonly inputTokens: number | null;
  /** All that they have written, their thoughts too. */
  readonly outputTokens: number | null;
  readonly costUsd: number | null;
}

/** The whole of its standard output, and the end of its standard error. */
export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

/** `message` continues a sentence that begins with the program's name. */
export type Answer =
  | { readonly ok: true; readonly result: Json; readonly usage: Usage }
  | {
      readonly ok: false;
      readonly reason: 'agent_error' | 'permission_denied' | 'bad_output';
      readonly message: string;
      readonly usage: Usage;
    };

/** An MCP server that speaks over its standard input and output. */
export interface McpServer {
  readonly command: string;
  readonly args: readonly string[];
  /** Names of variables of the program's environment that it needs. Their values are secret, and in no argument. */
  readonly variables: readonly string[];
}

/** What the program is started with besides, so that it starts the server. */
export interface McpSetup {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** To be called when the run has ended. */
  readonly remove?: () => void;
}

export interface Template {
  /** It reads its prompt on standard input. */
  readonly argv: readonly [string, ...string[]];
  /** What it is configured with by its environment, keys first of all. */
  readonly env: readonly string[];
  /** Pure. */
  readonly parse: (printed: Printed) => Answer;
  /** Beside the servers that its user has configured. @throws Error when that cannot be, with why. */
  readonly addServer: (server: McpServer, env: NodeJS.ProcessEnv) => McpSetup;
}

/** The name of the server, which is part of its tools' names. */
export const serverName = 'skein';
