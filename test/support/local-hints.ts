import type { SessionAnnouncement } from '../../domain/announcements.js';
import { hintOf } from '../../bus/hints.js';
import type { HintListener, HintSource } from '../../bus/hints.js';

/** Hints within one process. */
export class LocalHints implements HintSource {
  readonly #listeners = new Set<HintListener>();
  isUp = true;

  readonly announce = (announcement: SessionAnnouncement, run: string): void => {
    if (this.isUp) for (const listener of this.#listeners) listener.hint(hintOf(announcement, run));
  };

  listen(listener: HintListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
