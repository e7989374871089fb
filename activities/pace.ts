import { setTimeout as sleep } from 'node:timers/promises';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';

/** Between two calls of a round, ms: 600 a minute at most, however many sessions there are. */
const INTERVAL_MS = 100;

/** The part of the platform's window that is left to commands. */
const SHARE_OF_OTHERS = 0.5;

/** However long the platform's window is, a call is made at least so often, ms: its state is not waited for for hours. */
const LONGEST_WAIT_MS = 60_000;

/**
 * When a call that nobody waits for may be made: evenly spaced, and only while half of the platform's window is left, so
 * that commands never wait for it.
 */
export class Pace {
  readonly #platform: Pick<TelephonyPlatform, 'rateLimit'>;
  readonly #signal: AbortSignal;
  readonly #intervalMs: number;
  #nextMs = 0;

  /** @param intervalMs between two calls at least */
  constructor(platform: Pick<TelephonyPlatform, 'rateLimit'>, signal: AbortSignal, intervalMs = INTERVAL_MS) {
    this.#platform = platform;
    this.#signal = signal;
    this.#intervalMs = intervalMs;
  }

  /** Resolves when it is time. @throws the signal's reason */
  async turn(): Promise<void> {
    const now = performance.now();
    const known = this.#platform.rateLimit();
    const isScarce = known !== undefined && known.remaining < known.limit * SHARE_OF_OTHERS && known.resetsAtMs > now;
    const dueMs = Math.max(now, this.#nextMs, isScarce ? known.resetsAtMs : 0);
    const atMs = Math.min(dueMs, now + LONGEST_WAIT_MS);
    this.#nextMs = atMs + this.#intervalMs;
    await sleep(atMs - now, undefined, { signal: this.#signal });
  }

  /** The platform has asked for a pause, ms. */
  pause(ms: number): void {
    this.#nextMs = Math.max(this.#nextMs, performance.now() + ms);
  }
}
