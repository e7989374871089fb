import type { SessionAnnouncement } from '../../domain/announcements.js';
import { hintOf } from '../../bus/hints.js';
import type { HintListener, HintSource } from '../../bus/hints.js';
import { parseSamples, sampleBatches } from '../../bus/samples.js';
import type { LegSample } from '../../domain/notifications.js';

/** Hints within one process. */
export class LocalHints implements HintSource {
  readonly #listeners = new Set<HintListener>();
  isUp = true;

  readonly announce = (announcement: SessionAnnouncement, run: string): void => {
    if (this.isUp) for (const listener of this.#listeners) listener.hint(hintOf(announcement, run));
  };

  /** As they come out at the other end. */
  readonly tellSamples = (samples: readonly LegSample[]): void => {
    for (const batch of sampleBatches(samples).map(parseSamples)) {
      if (batch !== undefined) for (const listener of this.#listeners) listener.samples(batch);
    }
  };

  listen(listener: HintListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
