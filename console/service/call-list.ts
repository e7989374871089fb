import type { PageEvent } from '../model/model.js';
import { readCalls, troubleOf } from './rest.js';

/** How often the calls are listed, ms: for each 200 the API asks the platform once a second at most, however many browsers there are. */
const EVERY_MS = 2_500;
/** The same while nobody looks at the page. */
const EVERY_HIDDEN_MS = 15_000;

interface CallListOptions {
  readonly dispatch: (event: PageEvent) => void;
  readonly onRefused: (error: unknown) => void;
}

/** Lists the platform's calls again and again, until it is closed. */
export class CallList {
  readonly #options: CallListOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReading = false;
  #isClosed = false;

  constructor(options: CallListOptions) {
    this.#options = options;
    document.addEventListener('visibilitychange', this.#look);
    void this.#read();
  }

  close(): void {
    this.#isClosed = true;
    document.removeEventListener('visibilitychange', this.#look);
    clearTimeout(this.#timer);
  }

  readonly #look = (): void => {
    if (!document.hidden) void this.#read();
  };

  async #read(): Promise<void> {
    if (this.#isReading || this.#isClosed) return;
    this.#isReading = true;
    clearTimeout(this.#timer);
    const { dispatch, onRefused } = this.#options;
    try {
      const items = await readCalls();
      if (!this.#closed) dispatch({ type: 'calls-listed', items, nowMs: Date.now() });
    } catch (error) {
      if (!this.#closed) {
        onRefused(error);
        dispatch({ type: 'calls-failed', trouble: troubleOf(error) });
      }
    }
    this.#isReading = false;
    if (!this.#closed) this.#timer = setTimeout(() => void this.#read(), document.hidden ? EVERY_HIDDEN_MS : EVERY_MS);
  }

  /** It may have been closed while an answer was on its way. */
  get #closed(): boolean {
    return this.#isClosed;
  }
}
