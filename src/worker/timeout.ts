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

export function startTimeout(ms: number, onTimeout: () => void, now: () => number = () => performance.now()): Timeout {
  let leftMs = Math.min(ms, timerMsMax);
  let pauses = 0;
  let cleared = false;
  let startedAt = now();
  let timer = setTimeout(onTimeout, leftMs);
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
        startedAt = now();
        timer = setTimeout(onTimeout, leftMs);
      };
    },
    clear() {
      cleared = true;
      clearTimeout(timer);
    },
  };
}
