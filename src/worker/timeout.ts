/**
 * A timeout that can stand still: what waits for a person is not slow.
 */
export interface Timeout {
  /** The time does not go on until the function that this gives is called, nor while others have called it. */
  pause(): () => void;
  clear(): void;
}

/** What a timer of Node can wait for. */
const timerMsMax = 2 ** 31 - 1;

/** What was waited for people is asked for when the time is over; less than this it does not go on. */
const moreMsMin = 1_000;

/** `waitedMs`: how long was waited without a pause here, as somebody else knows. */
export function startTimeout(
  ms: number,
  onTimeout: () => void,
  now: () => number = () => performance.now(),
  waitedMs: (() => Promise<number>) | null = null,
): Timeout {
  let leftMs = Math.min(ms, timerMsMax);
  let pauses = 0;
  let cleared = false;
  let startedAt = now();
  let grantedMs = 0;
  const goOff = async (): Promise<void> => {
    const waited = await waitedMs!();
    if (cleared) return;
    const more = waited - grantedMs;
    if (more <= 0) return onTimeout();
    grantedMs = waited;
    leftMs = Math.max(more, moreMsMin);
    if (pauses === 0) start();
  };
  const start = (): void => {
    startedAt = now();
    timer = setTimeout(waitedMs === null ? onTimeout : () => void goOff(), leftMs);
  };
  let timer: NodeJS.Timeout;
  start();
  return {
    pause() {
      if (pauses === 0) {
        clearTimeout(timer);
        leftMs -= now() - startedAt;
      }
      pauses += 1;
      return () => {
        pauses -= 1;
        if (pauses > 0 || cleared) return;
        start();
      };
    },
    clear() {
      cleared = true;
      clearTimeout(timer);
    },
  };
}
