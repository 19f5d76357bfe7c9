/** The limits of a connection. `protocol/README.md`, section "Limits", documents them. */
export interface ConnectionLimits {
  /** Longest line, in bytes without its newline. */
  readonly lineBytesMax: number;
  /** A line that was begun has to end within this. */
  readonly lineTimeoutMs: number;
  /** Arrays and objects inside each other. */
  readonly depthMax: number;
  readonly batchMax: number;
  /** Requests of a connection under way at once, not counting those that wait; more are read later. */
  readonly inFlightMax: number;
  /** Characters of a connection's requests under way; above it, more are read later. */
  readonly inFlightCharsMax: number;
  /** Requests of a connection that wait for something, such as task_next. */
  readonly waitsMax: number;
  readonly subscriptionsMax: number;
  /** Characters of replies that wait for a client to read them; above it, its requests are not read. */
  readonly outputMax: number;
  /** How long a connection that we close may take to read our last words. */
  readonly lingerMs: number;
  /** Requests per second; 0: no limit. */
  readonly rateLimit: number;
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
  /** MCP sessions over HTTP: each is kept while its client is silent. */
  readonly sessionsMax: number;
  /** How long an MCP session over HTTP may be without a request; the same for an agent that names itself by its token. */
  readonly sessionIdleMs: number;
}

export const defaultConnectionLimits: ConnectionLimits = {
  lineBytesMax: 10 * 1024 * 1024,
  lineTimeoutMs: 60_000,
  depthMax: 64,
  batchMax: 1_000,
  inFlightMax: 256,
  inFlightCharsMax: 16 * 1024 * 1024,
  waitsMax: 1_000,
  subscriptionsMax: 100,
  outputMax: 1024 * 1024,
  lingerMs: 2_000,
  rateLimit: 100,
  keepAliveMs: 30_000,
  connectionsMax: 20_000,
  sessionsMax: 1_000,
  sessionIdleMs: 900_000,
};
