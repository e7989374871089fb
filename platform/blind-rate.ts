import { reserveFrom } from './importance.js';
import type { Importance } from './importance.js';

/** Calls a second: at first, at least and at most. */
const FIRST_RATE = 5;
const LOWEST_RATE = 0.5;
const HIGHEST_RATE = 200;

/**
 * How many calls may be made to a platform that says nothing of its rate limit: a rate that rises slowly while it is used,
 * and is halved by each refusal. Times are by a monotonic clock, ms.
 */
export class BlindRate {
  #perSecond = FIRST_RATE;
  #tokens = FIRST_RATE;
  #filledAtMs: number;
  #cutAtMs = 0;
  /** Somebody had to wait. */
  #isScarce = false;

  constructor(now: number) {
    this.#filledAtMs = now;
  }

  get perMs(): number {
    return this.#perSecond / 1_000;
  }

  /** How long such a call has to wait, ms; 0: it may go now. */
  waitMs(importance: Importance, now: number): number {
    this.#fill(now);
    const needed = 1 + reserveFrom(importance, Math.max(1, Math.floor(this.#perSecond)));
    if (this.#tokens >= needed) return 0;
    this.#isScarce = true;
    return ((needed - this.#tokens) / this.#perSecond) * 1_000;
  }

  spend(): void {
    this.#tokens -= 1;
  }

  /** It was not sent after all. */
  unspend(): void {
    this.#tokens += 1;
  }

  /** By one a second while all of it is used. */
  answered(): void {
    if (this.#isScarce) this.#perSecond = Math.min(HIGHEST_RATE, this.#perSecond + 1 / this.#perSecond);
    this.#isScarce = false;
  }

  /** @param sentAtMs of the call that was refused; those that were sent before the last cut are part of it */
  refused(sentAtMs: number, now: number): void {
    if (sentAtMs < this.#cutAtMs) return;
    this.#perSecond = Math.max(LOWEST_RATE, this.#perSecond / 2);
    this.#tokens = 0;
    this.#cutAtMs = now;
  }

  #fill(now: number): void {
    const most = Math.max(1, this.#perSecond);
    this.#tokens = Math.min(most, this.#tokens + (now - this.#filledAtMs) * this.perMs);
    this.#filledAtMs = now;
  }
}
