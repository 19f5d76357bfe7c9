/**
 * Tells whoever lists the live swarms that some have come or gone. However many watch, the coordinator has one listener,
 * and nothing is done for them until something changes.
 */
import type { Coordinator } from '../coordinator/coordinator.ts';

/** However many come and go, it is told this often at most. */
const quietMs = 1_000;

export interface SwarmListWatcher {
  readonly onChange: () => void;
  /** Resolves when the watcher has room for more. */
  readonly writable: () => Promise<void>;
}

export class SwarmList {
  /** Those that wait for room are told once, then. */
  readonly #watchers = new Map<SwarmListWatcher, 'idle' | 'waits'>();
  #isQuiet = false;
  #hasChanged = false;

  constructor(coordinator: Pick<Coordinator, 'onSwarmsChange'>) {
    coordinator.onSwarmsChange(() => this.#changed());
  }

  /** The function that is returned ends it. */
  watch(watcher: SwarmListWatcher): () => void {
    this.#watchers.set(watcher, 'idle');
    return () => this.#watchers.delete(watcher);
  }

  #changed(): void {
    this.#hasChanged = true;
    if (this.#isQuiet || this.#watchers.size === 0) return;
    this.#hasChanged = false;
    this.#isQuiet = true;
    for (const [watcher, state] of this.#watchers) if (state === 'idle') void this.#tell(watcher);
    setTimeout(() => {
      this.#isQuiet = false;
      if (this.#hasChanged) this.#changed();
    }, quietMs).unref();
  }

  async #tell(watcher: SwarmListWatcher): Promise<void> {
    this.#watchers.set(watcher, 'waits');
    await watcher.writable();
    if (!this.#watchers.has(watcher)) return;
    this.#watchers.set(watcher, 'idle');
    watcher.onChange();
  }
}
