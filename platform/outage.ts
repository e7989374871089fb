/** So many calls in a row without a usable answer, and none with one for so long, ms: the platform is away. */
const FAILURES_IN_A_ROW = 5;
const SILENT_FOR_MS = 1_000;

/** Between two looks whether it is back, ms: doubling, and drawn anew each time so that no two workers look in step. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

/** Those who are sent away come back over so long a time after the next look, ms. */
const SPREAD_MS = 5_000;

/** Calls at a time to a platform that has just come back; one more for each that is answered. */
const FIRST_AT_ONCE = 4;

/** What somebody is told whose call is not made because the platform is away. */
export interface Away {
  /** When the first of the calls went wrong that made it so, ISO 8601. */
  readonly since: string;
  /** When it is worth trying again, ms from now. */
  readonly retryAfterMs: number;
}

export interface OutageOptions {
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** Wall clock, ms since the epoch. */
  readonly wallNow: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  /** Asks the platform something harmless; whether it answered. */
  readonly probe: () => Promise<boolean>;
  /** Is told when it goes away (since when, ISO 8601) and comes back (`undefined`). */
  readonly onChange: (since: string | undefined) => void;
}

interface Absence {
  readonly since: string;
  looks: number;
  nextLookAtMs: number;
}

/**
 * Notices that the platform is away, and asks it now and then whether it is back, so that nobody else needs to: a circuit
 * breaker for one worker process. See docs/decisions/0009-rate-and-outages.md.
 */
export class Outage {
  readonly #options: OutageOptions;
  #failures = 0;
  #failingSince: string | undefined;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #away: Absence | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** Calls that may be in flight, while it recovers. */
  #atOnce = Number.POSITIVE_INFINITY;

  constructor(options: OutageOptions) {
    this.#options = options;
  }

  /** Calls that may be in flight at the same time. */
  get atOnce(): number {
    return this.#atOnce;
  }

  /** What to tell those who want to call it; `undefined`: they may. */
  get away(): Away | undefined {
    if (this.#away === undefined) return undefined;
    const { since, nextLookAtMs } = this.#away;
    const untilLookMs = Math.max(0, nextLookAtMs - this.#options.now());
    return { since, retryAfterMs: Math.ceil(untilLookMs + this.#options.random() * SPREAD_MS) };
  }

  /** The platform has said something that makes sense, be it a refusal. */
  answered(): void {
    this.#answeredAtMs = this.#options.now();
    this.#failures = 0;
    this.#failingSince = undefined;
    this.#atOnce += 1;
  }

  /** It could not be reached, did not answer, or was not able to. */
  failed(): void {
    const { now, wallNow } = this.#options;
    this.#failures += 1;
    this.#failingSince ??= new Date(wallNow()).toISOString();
    const isRecovering = this.#atOnce < Number.POSITIVE_INFINITY;
    const isSilent = now() - this.#answeredAtMs >= SILENT_FOR_MS;
    if (this.#away !== undefined || this.#isClosed || this.#failures < FAILURES_IN_A_ROW) return;
    if (!isSilent && !isRecovering) return;
    this.#away = { since: this.#failingSince, looks: 0, nextLookAtMs: 0 };
    this.#options.onChange(this.#away.since);
    this.#lookLater(this.#away);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #lookLater(away: Absence): void {
    const { now, random } = this.#options;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** away.looks, LONGEST_PAUSE_MS) * (0.5 + random() / 2);
    away.looks += 1;
    away.nextLookAtMs = now() + pauseMs;
    this.#timer = setTimeout(() => void this.#look(away), pauseMs);
    this.#timer.unref();
  }

  async #look(away: Absence): Promise<void> {
    // Whatever goes wrong with the look itself, there will be another.
    const isBack = await this.#options.probe().catch(() => false);
    if (this.#isClosed) return;
    if (!isBack) return this.#lookLater(away);
    this.#away = undefined;
    this.#failures = 0;
    this.#failingSince = undefined;
    this.#atOnce = FIRST_AT_ONCE;
    this.#options.onChange(undefined);
  }
}
