/**
 * Progress of a request that waits: clients that ask for it use it to tell waiting from being stuck, and many of them
 * begin their timeout anew with each.
 */

/** `waited` and `total`: seconds. */
export type TellProgress = (waited: number, total: number) => void;

const progressSeconds = 10;

/** Tells at once and from then on; the function that is returned ends it. */
export function tellWhileWaiting(tell: TellProgress, total: number): () => void {
  let waited = 0;
  tell(waited, total);
  const timer = setInterval(() => {
    waited += progressSeconds;
    tell(waited, total);
  }, progressSeconds * 1000);
  return () => clearInterval(timer);
}
