/** What `skein doctor` has to say about one thing, and what to do about it. */
export interface Finding {
  readonly about: string;
  /** A problem keeps something from working; a warning may surprise. */
  readonly level: 'ok' | 'warning' | 'problem';
  readonly message: string;
  readonly advice?: string;
}

export function ok(about: string, message: string): Finding {
  return { about, level: 'ok', message };
}

export function warning(about: string, message: string, advice: string): Finding {
  return { about, level: 'warning', message, advice };
}

export function problem(about: string, message: string, advice: string): Finding {
  return { about, level: 'problem', message, advice };
}
