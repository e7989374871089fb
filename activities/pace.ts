import { setTimeout as sleep } from 'node:timers/promises';

/** Between two calls of a round, ms: 600 a minute at most, however many sessions there are. */
const INTERVAL_MS = 100;

/**
 * When a call that nobody waits for may be made: evenly spaced. That it leaves the platform's window to commands is its
 * importance's doing (`platform/importance.ts`).
 */
export class Pace {
  readonly #signal: AbortSignal;
  readonly #intervalMs: number;
  #nextMs = 0;

  /** @param intervalMs between two calls at least */
  constructor(signal: AbortSignal, intervalMs = INTERVAL_MS) {
    this.#signal = signal;
    this.#intervalMs = intervalMs;
  }

  /** Resolves when it is time. @throws the signal's reason */
  async turn(): Promise<void> {
    const now = performance.now();
    const atMs = Math.max(now, this.#nextMs);
    this.#nextMs = atMs + this.#intervalMs;
    await sleep(atMs - now, undefined, { signal: this.#signal });
  }

  /** The platform has asked for a pause, ms. */
  pause(ms: number): void {
    this.#nextMs = Math.max(this.#nextMs, performance.now() + ms);
  }
}
