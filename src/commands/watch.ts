/** Prints what a look at the server shows: once, or again whenever it has changed, until it is over. */
import { setTimeout as sleep } from 'node:timers/promises';

const watchMs = 1_000;

export async function show(
  watch: boolean,
  look: () => Promise<{ readonly text: string; readonly over: boolean }>,
): Promise<void> {
  for (let shown: string | null = null; ;) {
    const { text, over } = await look();
    if (text !== shown) console.log(watch && process.stdout.isTTY ? `\x1b[2J\x1b[H${text}` : text);
    shown = text;
    if (!watch || over) return;
    await sleep(watchMs);
  }
}
