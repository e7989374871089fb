/** Undoes a timer that has not fired yet; harmless afterwards. */
export type CancelTimer = () => void;

/** Where the simulator gets its time and its timers from, so that tests can put their own time in. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Calls `run` once, `delayMs` milliseconds from now (at once if negative, but never synchronously). */
  after(delayMs: number, run: () => void): CancelTimer;
}

/** The machine's own time. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, run) => {
    // Past 2^31 ms Node would fire at once.
    const timer = setTimeout(run, Math.min(delayMs, 2 ** 31 - 1));
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Timers that end with their owner: none fires after `cancelAll`, and none can be added. */
export class Timers {
  readonly #clock: Clock;
  readonly #pending = new Set<CancelTimer>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As `Clock.after`. */
  after(delayMs: number, run: () => void): CancelTimer {
    if (this.#closed) return () => undefined;
    const cancel = this.#clock.after(delayMs, () => {
      this.#pending.delete(cancel);
      run();
    });
    this.#pending.add(cancel);
    return () => {
      this.#pending.delete(cancel);
      cancel();
    };
  }

  /** Calls `run` every `intervalMs` milliseconds until cancelled. */
  every(intervalMs: number, run: () => void): CancelTimer {
    let cancel: CancelTimer = () => undefined;
    const next = (): void => {
      cancel = this.after(intervalMs, () => {
        next();
        run();
      });
    };
    next();
    return () => {
      cancel();
    };
  }

  /** Ends all timers for good. */
  cancelAll(): void {
    this.#closed = true;
    for (const cancel of this.#pending) cancel();
    this.#pending.clear();
  }
}
