/**
 * A swarm's events for one reader: in order, without gap or repetition, read from the journal at the reader's own pace.
 * Nothing is buffered for a slow reader; it is simply further behind.
 */
import type { Event } from '../core/event.ts';
import { publish, type PublicEvent } from '../core/publish.ts';
import type { Journal } from '../journal/journal.ts';

/** An event can be as large as the values in it, and a reader that has stopped reading holds a page. */
const pageEvents = 64;

export class Feed {
  readonly #journal: Journal<Event>;
  readonly #swarmId: string;
  readonly #onClose: (feed: Feed) => void;
  /** The version of the last event that was handed out. */
  #at: number;
  #closed = false;
  #news = false;
  #wake: () => void = () => {};

  constructor(journal: Journal<Event>, swarmId: string, from: number, onClose: (feed: Feed) => void) {
    this.#journal = journal;
    this.#swarmId = swarmId;
    this.#at = from;
    this.#onClose = onClose;
  }

  /**
   * The next events, as soon as there are any; null once closed. `{ oldest }`: the events wanted have been trimmed, and
   * reading can begin again after version `oldest`.
   */
  async next(): Promise<readonly PublicEvent[] | { readonly oldest: number } | null> {
    while (!this.#closed) {
      this.#news = false;
      const page = await this.#journal.read(this.#swarmId, this.#at, pageEvents);
      if (page.snapshot !== undefined) return { oldest: page.snapshot.head.version };
      const events: PublicEvent[] = [];
      for (const commit of page.commits) {
        const first = commit.head.version - commit.events.length + 1;
        commit.events.forEach((event, index) => {
          if (first + index > this.#at) events.push(publish(this.#swarmId, first + index, event));
        });
      }
      if (events.length > 0) {
        this.#at = events.at(-1)!.version;
        return events;
      }
      // What was committed while we read has been announced already.
      if (!this.#news && !this.#closed) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return null;
  }

  /** The version after which events are still kept, when those wanted are not; null: all is there. */
  async trimmed(): Promise<number | null> {
    const page = await this.#journal.read(this.#swarmId, this.#at, 1);
    return page.snapshot?.head.version ?? null;
  }

  /** Something has been committed. */
  wake(): void {
    this.#news = true;
    this.#wake();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this);
    this.#wake();
  }
}
