/**
 * Reports what comes often so seldom that it costs nothing: the first at once, then the newest, at most once in
 * `everyMs`. What is still to be reported when `ended` is aborted is not reported any more.
 */
export function coalesce<T>(send: (newest: T) => void, everyMs: number, ended: AbortSignal): (value: T) => void {
  let waiting: { readonly value: T } | undefined;
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    timer = undefined;
    if (waiting === undefined || ended.aborted) return;
    const { value } = waiting;
    waiting = undefined;
    timer = setTimeout(next, everyMs);
    send(value);
  };
  ended.addEventListener('abort', () => clearTimeout(timer));
  return (value) => {
    waiting = { value };
    if (timer === undefined) next();
  };
}
