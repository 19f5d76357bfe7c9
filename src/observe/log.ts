/** The log: pino, one line of JSON an entry on standard error, pretty on a terminal. */
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;

export interface LogOptions {
  readonly level: string;
  /** Append to this file instead of standard error. */
  readonly file: string | null;
}

/** @throws when the file cannot be opened for appending. */
export function createLog({ level, file }: LogOptions): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (file !== null) return pino(options, pino.destination({ dest: file, append: true, mkdir: true, sync: true }));
  if (process.stderr.isTTY)
    return pino({ ...options, formatters: {} }, pretty({ destination: 2, sync: true, ignore: 'pid,hostname' }));
  return pino(options, pino.destination({ dest: 2, sync: true }));
}

export function silentLog(): Log {
  return pino({ level: 'silent' });
}
