import type { Importance } from './importance.js';

/** So many calls in a row without a usable answer, and none with one for so long, ms: the platform may be away. */
const FAILURES_IN_A_ROW = 5;
const SILENT_FOR_MS = 1_000;

/** Between two calls to a platform that is away, ms: doubling, and drawn anew so that no two workers come in step. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

/** A stop is tried more often, ms. */
const RELEASE_PAUSE_MS = 1_000;

/** Nobody has come to try it: so long after it was due the platform is asked something harmless, ms. */
const UNUSED_MS = 1_000;

/** Those who are sent away come back over a tenth of the time that the platform has been away, and at least and most this, ms. */
const SPREAD = { part: 0.1, leastMs: 500, mostMs: 30_000 } as const;
const RELEASE_SPREAD = { part: 0.05, leastMs: 250, mostMs: 5_000 } as const;

/** Calls at a time to a platform that has just come back; one more for each that is answered, until it is a crowd. */
const FIRST_AT_ONCE = 4;
const CROWD = 64;

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
  readonly sinceMs: number;
  tries: number;
  nextTryAtMs: number;
  nextReleaseAtMs: number;
}

/**
 * Notices that the platform is away, and lets one call at a time find out whether it is back: a circuit breaker for one
 * worker process. See docs/decisions/0009-rate-and-outages.md.
 *
 * Calls go wrong for reasons of their own, too. So it asks something else before it holds the platform for away, and any
 * usable answer to any call says that it is back.
 */
export class Outage {
  readonly #options: OutageOptions;
  #failures = 0;
  #failing: { readonly since: string; readonly sinceMs: number } | undefined;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #away: Absence | undefined;
  /** Rises with each absence and each return: what was sent before says nothing about after. */
  #phase = 0;
  #isAsking = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #atOnce = Number.POSITIVE_INFINITY;

  constructor(options: OutageOptions) {
    this.#options = options;
  }

  /** Calls that may be in flight at the same time. */
  get atOnce(): number {
    return this.#atOnce;
  }

  /** Since when the platform is away, ISO 8601; `undefined`: it is not. */
  get since(): string | undefined {
    return this.#away?.since;
  }

  /** To be handed in again with what came of a call. */
  get phase(): number {
    return this.#phase;
  }

  /** Why a call may not go out; `undefined`: it may. */
  refusal(importance: Importance): Away | undefined {
    const away = this.#away;
    if (away === undefined) return undefined;
    const now = this.#options.now();
    const isRelease = importance === 'release';
    if (now >= away.nextTryAtMs || (isRelease && now >= away.nextReleaseAtMs)) return undefined;
    const { part, leastMs, mostMs } = isRelease ? RELEASE_SPREAD : SPREAD;
    const spreadMs = Math.min(Math.max((now - away.sinceMs) * part, leastMs), mostMs);
    const untilMs = (isRelease ? Math.min(away.nextReleaseAtMs, away.nextTryAtMs) : away.nextTryAtMs) - now;
    return { since: away.since, retryAfterMs: Math.ceil(untilMs + this.#options.random() * spreadMs) };
  }

  /** A call goes out. One that goes to a platform that is away finds out for all others. */
  goesOut(): void {
    if (this.#away !== undefined) this.#tried(this.#away, this.#options.now());
  }

  /** The platform has said something that makes sense, be it a refusal. */
  answered(): void {
    this.#answeredAtMs = this.#options.now();
    this.#failures = 0;
    this.#failing = undefined;
    if (this.#away !== undefined) return this.#return();
    this.#atOnce += 1;
    if (this.#atOnce >= CROWD) this.#atOnce = Number.POSITIVE_INFINITY;
  }

  /**
   * It could not be reached, did not answer, or was not able to.
   * @param phase in which the call was sent
   */
  failed(importance: Importance, phase: number): void {
    // What nobody waits for hammers nobody.
    if (phase !== this.#phase || this.#away !== undefined || importance === 'background') return;
    const { now, wallNow } = this.#options;
    this.#failures += 1;
    this.#failing ??= { since: new Date(wallNow()).toISOString(), sinceMs: now() };
    const isRecovering = this.#atOnce < Number.POSITIVE_INFINITY;
    const isSilent = now() - this.#answeredAtMs >= SILENT_FOR_MS;
    if (this.#failures >= FAILURES_IN_A_ROW && (isSilent || isRecovering)) void this.#suspect();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #suspect(): Promise<void> {
    if (this.#isAsking || this.#isClosed) return;
    if (await this.#asks()) this.answered();
    else this.#leave();
  }

  #leave(): void {
    // Somebody may have had an answer meanwhile.
    if (this.#failing === undefined || this.#isClosed) return;
    this.#phase += 1;
    this.#away = { ...this.#failing, tries: 0, nextTryAtMs: 0, nextReleaseAtMs: 0 };
    this.#tried(this.#away, this.#options.now());
    this.#options.onChange(this.#away.since);
  }

  #return(): void {
    this.#away = undefined;
    this.#phase += 1;
    this.#atOnce = FIRST_AT_ONCE;
    clearTimeout(this.#timer);
    this.#options.onChange(undefined);
  }

  #tried(away: Absence, now: number): void {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** away.tries, LONGEST_PAUSE_MS) * (0.5 + this.#options.random() / 2);
    away.tries += 1;
    away.nextTryAtMs = now + pauseMs;
    away.nextReleaseAtMs = now + Math.min(pauseMs, RELEASE_PAUSE_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#tryItself(away), pauseMs + UNUSED_MS);
    this.#timer.unref();
  }

  async #tryItself(away: Absence): Promise<void> {
    this.#tried(away, this.#options.now());
    const isBack = await this.#asks();
    if (isBack && this.#away === away && !this.#isClosed) this.answered();
  }

  async #asks(): Promise<boolean> {
    this.#isAsking = true;
    try {
      return await this.#options.probe();
    } catch {
      // Whatever goes wrong with asking is no answer.
      return false;
    } finally {
      this.#isAsking = false;
    }
  }
}
