import type { SessionResource } from '../../domain/session.js';
import type { Model, PageEvent } from '../model/model.js';
import { ownSessions } from '../model/rows.js';
import { readSession, RestError } from './rest.js';

/** How often it is looked, ms. */
const EVERY_MS = 3_000;

interface OwnSessionsOptions {
  readonly model: () => Model;
  readonly dispatch: (event: PageEvent) => void;
  readonly onRefused: (error: unknown) => void;
}

/**
 * Reads those of our own sessions of which the connection may never tell: what was there before a break and is not now, and what
 * was started and may have ended before anybody listed it.
 */
export class OwnSessions {
  readonly #options: OwnSessionsOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  /** Runs that are being read. */
  readonly #reading = new Set<string>();
  #isClosed = false;

  constructor(options: OwnSessionsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.lookForVanished();
      for (const session of ownSessions(options.model())) if (session.state === 'PENDING') void this.#read(session);
    }, EVERY_MS);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  /** Finds out at once what has become of those that are no longer there. */
  lookForVanished(): void {
    for (const session of this.#options.model().vanished) void this.#read(session);
  }

  /** What cannot be read is tried again the next time. */
  async #read({ sessionId, runId }: SessionResource): Promise<void> {
    if (this.#reading.has(runId)) return;
    this.#reading.add(runId);
    const { dispatch, onRefused } = this.#options;
    try {
      const session = await readSession(sessionId, runId);
      if (!this.#isClosed) dispatch({ type: 'session-read', session, nowMs: Date.now() });
    } catch (error) {
      onRefused(error);
      if (!this.#isClosed && error instanceof RestError && error.status === 404)
        dispatch({ type: 'session-missing', sessionId });
    } finally {
      this.#reading.delete(runId);
    }
  }
}
