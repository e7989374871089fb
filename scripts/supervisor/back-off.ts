/** Options of {@link BackOff}; times in milliseconds. */
export interface BackOffOptions {
  /** @default 250 */
  readonly firstMs?: number;
  /** @default 10_000 */
  readonly capMs?: number;
  /** A part that ran this long starts over with the first delay. @default 30_000 */
  readonly stableMs?: number;
  /** 0 ≤ n < 1. @default Math.random */
  readonly random?: () => number;
}

/** Delays between restarts: doubling up to a cap, each drawn from its upper half so that parts don't restart in step. */
export class BackOff {
  readonly #first: number;
  readonly #cap: number;
  readonly #stable: number;
  readonly #random: () => number;
  #next: number;

  constructor({ firstMs = 250, capMs = 10_000, stableMs = 30_000, random = Math.random }: BackOffOptions = {}) {
    this.#first = firstMs;
    this.#cap = capMs;
    this.#stable = stableMs;
    this.#random = random;
    this.#next = firstMs;
  }

  /** The delay before the next start, in milliseconds, of a part that ran for `ranMs`. */
  delayAfter(ranMs: number): number {
    const full = ranMs >= this.#stable ? this.#first : this.#next;
    this.#next = Math.min(full * 2, this.#cap);
    return full / 2 + (full / 2) * this.#random();
  }
}
