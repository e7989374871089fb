import type { LegSample } from '../domain/notifications.js';

/** How long samples are gathered, ms: so often somebody who watches a leg may want to see it move. */
const GATHERED_FOR_MS = 1_000;

/** Gathers samples of legs, so that they can be told all at once: of each leg the latest. While there are none, nothing runs. */
export class SampleBatches {
  readonly #tell: (samples: readonly LegSample[]) => void;
  readonly #latest = new Map<string, LegSample>();
  #timer: NodeJS.Timeout | undefined;

  /** @param tell is called about once a second, while there is something to tell */
  constructor(tell: (samples: readonly LegSample[]) => void) {
    this.#tell = tell;
  }

  add(sample: LegSample): void {
    this.#latest.set(sample.monitorSessionId, sample);
    this.#timer ??= setTimeout(() => this.#flush(), GATHERED_FOR_MS).unref();
  }

  /** What is not told yet never is. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#latest.clear();
  }

  #flush(): void {
    const samples = [...this.#latest.values()];
    this.clear();
    this.#tell(samples);
  }
}
