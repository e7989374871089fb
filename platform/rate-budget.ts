import { BlindRate } from './blind-rate.js';
import { reserveFrom } from './importance.js';
import type { Importance } from './importance.js';
import type { RateLimit } from './rate-limit-headers.js';

/** Assumed of a window that the platform says nothing of, ms. */
const DEFAULT_WINDOW_MS = 1_000;

/** A first call of a new window that has not been answered for so long is followed by another, ms. */
const PROBE_PATIENCE_MS = 1_000;

/** A call may be under way to the platform for so long before that counts it, ms. */
const TRANSIT_MS = 1_000;

/** Without a `Retry-After`, ms: doubling with each 429 in a row. One that asks for less gets a part of it from the second on. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const LEAST_PART = 0.25;

/** No window holds more that matters. */
const MOST_UNCERTAIN = 1_000;

/** What was said of a window is believed so long without another word, ms: it may have been of something else than calls. */
const BELIEVED_MS = 60_000;

/** Whatever is said of others, a stop is tried so often, ms, until one is refused itself. */
const RELEASE_EVERY_MS = 5_000;

/** A delay is stretched by at most this part of it, so that those who wait do not all come back at once. */
const JITTER = 0.1;

/** Before anything is known: a call in so many ms. */
const FIRST_TURN_EVERY_MS = 200;

/** Nobody is sent away for longer, ms; by then the platform may have changed its mind. */
const LONGEST_DELAY_MS = 60_000;

/** A call that counts against the budget. */
export interface Spent {
  readonly importance: Importance;
  readonly sentAtMs: number;
}

/** What came back for it. */
export interface Answered {
  readonly rateLimit: RateLimit | undefined;
  /** Set for a `429`: the delay that it asks for, ms; `null`: none. */
  readonly throttled?: { readonly retryAfterMs: number | null } | undefined;
}

/** What the platform's headers say. */
interface Told {
  readonly limit: number;
  /** Calls left, as of `knownAtMs`; those in flight may be among them. */
  remaining: number;
  knownAtMs: number;
  /** When the first call that is known to be in this window was sent. */
  readonly sinceMs: number;
  resetsAtMs: number;
  /** Calls of this worker in it. */
  used: number;
  /** The first call of the window got no answer that says so: one goes out at a time until one does. */
  readonly isUnsure: boolean;
}

export interface RateBudgetOptions {
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly random: () => number;
}

/**
 * How many calls may be made now, by what the platform's answers say of its rate limit, for one worker process. It only
 * counts; `CallGate` does the waiting. See docs/decisions/0009-rate-and-outages.md.
 *
 * Of a new window only the first call goes out, until its answer says what the window holds: clocks and rounding differ.
 */
export class RateBudget {
  /** Workers that share the platform's limit. */
  workers = 1;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #inFlight = new Set<Spent>();
  /** Calls that are over, with the time from which on the platform has counted them, if it ever does; no answer shows it yet. */
  #uncertain: { readonly sentAtMs: number; readonly untilMs: number }[] = [];
  /** When the next one of each kind that is sent away may come back, ms. */
  readonly #nextTurnMs = new Map<Importance, number>();
  /** What the headers say, or the rate that is felt for without them; neither before the first answer. */
  #told: Told | undefined;
  #blind: BlindRate | undefined;
  #windowMs = DEFAULT_WINDOW_MS;
  #blockedUntilMs = 0;
  /** By the refusal of a stop. */
  #releasesBlockedUntilMs = 0;
  #lastReleaseMs: number;
  #refusals = 0;

  constructor({ now, random }: RateBudgetOptions) {
    this.#now = now;
    this.#random = random;
    this.#lastReleaseMs = now();
  }

  /**
   * How long such a call has to wait, ms; 0: it may go now. `null`: until some call in flight is answered, or the time
   * it may take is over.
   */
  waitMs(importance: Importance): number | null {
    const waitMs = this.#waitMs(importance);
    if (importance !== 'release' || waitMs === 0) return waitMs;
    const now = this.#now();
    const tryAtMs = Math.max(this.#releasesBlockedUntilMs, this.#lastReleaseMs + RELEASE_EVERY_MS);
    if (now >= tryAtMs) return 0;
    return waitMs === null ? null : Math.min(waitMs, tryAtMs - now);
  }

  #waitMs(importance: Importance): number | null {
    const now = this.#now();
    if (now < this.#blockedUntilMs) return this.#blockedUntilMs - now;
    if (this.#blind !== undefined) return this.#blind.waitMs(importance, now);
    const told = this.#told;
    if (told === undefined) return this.#mayProbe(importance, 0, 1) ? 0 : null;
    const isOver = now >= told.resetsAtMs || now - told.knownAtMs >= BELIEVED_MS;
    if (isOver) return this.#mayProbe(importance, Math.min(told.resetsAtMs, now), told.limit) ? 0 : null;
    if (told.isUnsure && this.#sentSince(now - TRANSIT_MS) > 0) return null;
    return this.#left(told, importance, now) >= 1 ? 0 : told.resetsAtMs - now;
  }

  /** What the platform's answers say of its limit, as of now; `null`: nothing. */
  get told(): { readonly calls: number; readonly remaining: number } | null {
    const told = this.#told;
    if (told === undefined) return null;
    return { calls: told.limit, remaining: this.#now() >= told.resetsAtMs ? told.limit : told.remaining };
  }

  /** For how long a refusal holds up every call, ms. */
  get pausedForMs(): number {
    return Math.max(0, this.#blockedUntilMs - this.#now());
  }

  /** A call goes out. To be followed by {@link answered} or {@link unanswered}. */
  spend(importance: Importance): Spent {
    const spent = { importance, sentAtMs: this.#now() };
    if (importance === 'release') this.#lastReleaseMs = spent.sentAtMs;
    this.#inFlight.add(spent);
    this.#blind?.spend();
    if (this.#told !== undefined) this.#told.used += 1;
    return spent;
  }

  answered(spent: Spent, { rateLimit, throttled }: Answered): void {
    const now = this.#now();
    this.#inFlight.delete(spent);
    if (rateLimit !== undefined) this.#learn(spent, rateLimit, now);
    else this.#count(spent, now);
    if (throttled === undefined) this.#refusals = 0;
    // One that says how many are left means this call alone, which its caller tries again.
    else if (rateLimit !== undefined && rateLimit.remaining > 0) return;
    else this.#refused(spent, throttled.retryAfterMs ?? rateLimit?.resetsInMs ?? null, now);
  }

  /** No answer came. The platform may have counted it. */
  unanswered(spent: Spent): void {
    if (this.#inFlight.delete(spent) && this.#told !== undefined) this.#countTold(this.#told, spent);
  }

  /** It was not sent after all. */
  unsent(spent: Spent): void {
    if (!this.#inFlight.delete(spent)) return;
    this.#blind?.unspend();
    if (this.#told !== undefined) this.#told.used -= 1;
  }

  /**
   * When a call that cannot be made now should be tried again, ms from now. Those who ask one after the other get times one
   * after the other, as far apart as the platform can take them.
   */
  turnInMs(importance: Importance): number {
    const now = this.#now();
    const { fromMs, perMs } = this.#prospects(importance, now);
    const turnMs = Math.min(Math.max(this.#nextTurnMs.get(importance) ?? 0, fromMs), now + LONGEST_DELAY_MS);
    this.#nextTurnMs.set(importance, turnMs + 1 / perMs);
    const inMs = Math.max(turnMs - now, 1);
    return Math.ceil(inMs * (1 + this.#random() * JITTER));
  }

  #prospects(importance: Importance, now: number): { readonly fromMs: number; readonly perMs: number } {
    const fromMs = Math.max(now, this.#blockedUntilMs);
    const told = this.#told;
    if (told === undefined) return { fromMs, perMs: this.#blind?.perMs ?? 1 / FIRST_TURN_EVERY_MS };
    const each = Math.max(1, Math.floor((told.limit - reserveFrom(importance, told.limit)) / this.workers));
    return { fromMs: Math.max(fromMs, told.resetsAtMs), perMs: each / this.#windowMs };
  }

  /** The first call of something unknown. A stop does not wait for the answer of another one. */
  #mayProbe(importance: Importance, sinceMs: number, limit: number): boolean {
    const recentMs = Math.max(sinceMs, this.#now() - PROBE_PATIENCE_MS);
    const probes = countSince(this.#inFlight, recentMs);
    if (importance !== 'release') return probes === 0;
    return probes < Math.max(1, reserveFrom('start', limit));
  }

  /**
   * What is left of this window. Of that which all workers see left, each takes its part at most, whatever the others do at
   * the same time. Its share of the whole window is free from the beginning; what the others do not use of theirs becomes
   * free as the window goes by, so that who comes late, or saw the reset later, finds something.
   */
  #left(told: Told, importance: Importance, now: number): number {
    const reserve = reserveFrom(importance, told.limit);
    // Stops are few and not shared out: with more workers than calls left nobody could make one.
    const workers = importance === 'release' ? 1 : this.workers;
    const ofAll = Math.floor((told.remaining - reserve) / workers);
    const left = ofAll - this.#sentSince(Math.min(told.sinceMs, now - TRANSIT_MS));
    if (workers === 1) return left;
    const whole = told.limit - reserve;
    const share = Math.max(1, Math.floor(whole / workers));
    const goneBy = (now - told.sinceMs) / Math.max(1, told.resetsAtMs - told.sinceMs);
    return Math.min(left, share + (whole - share) * goneBy - told.used);
  }

  #sentSince(sinceMs: number): number {
    return countSince(this.#inFlight, sinceMs) + countSince(this.#uncertain, sinceMs);
  }

  #learn(spent: Spent, { limit, remaining, resetsInMs }: RateLimit, now: number): void {
    const before = this.#told;
    const known = limit ?? Math.max(before?.limit ?? 1, remaining);
    const resetsAtMs = now + (resetsInMs ?? DEFAULT_WINDOW_MS);
    if (known !== before?.limit) this.#windowMs = DEFAULT_WINDOW_MS;
    this.#windowMs = Math.max(this.#windowMs, resetsInMs ?? 0);
    if (before !== undefined && known === before.limit && !isAnotherWindow(spent, remaining, before)) {
      // Of the window before, or of this one: then it is one call more.
      if (spent.sentAtMs < before.sinceMs) return this.#doubt(spent, now);
      this.#believe(spent);
      // An answer that was overtaken by a later one says what was left then.
      before.remaining = Math.min(before.remaining, remaining);
      before.knownAtMs = now;
      // Rounded up, most likely: the earliest is the truest.
      before.resetsAtMs = Math.min(before.resetsAtMs, resetsAtMs);
      return;
    }
    this.#believe(spent);
    const sinceMs = spent.sentAtMs;
    const used = 1 + this.#sentSince(sinceMs);
    this.#blind = undefined;
    this.#told = { limit: known, remaining, knownAtMs: now, sinceMs, resetsAtMs, used, isUnsure: false };
  }

  /** An answer that says nothing of the limit, as from something between the platform and us. */
  #count(spent: Spent, now: number): void {
    if (this.#told !== undefined) return this.#countTold(this.#told, spent);
    if (this.#blind !== undefined) return this.#blind.answered();
    this.#blind = new BlindRate(now);
    this.#blind.spend();
  }

  /** A call that the platform may have counted, in a window that it may have begun. */
  #countTold(told: Told, spent: Spent): void {
    const now = this.#now();
    this.#doubt(spent, now);
    const { sentAtMs } = spent;
    if (sentAtMs < told.resetsAtMs) return;
    const resetsAtMs = now + this.#windowMs;
    this.#told = {
      ...told,
      remaining: told.limit,
      knownAtMs: now,
      sinceMs: sentAtMs,
      resetsAtMs,
      used: 1,
      isUnsure: true,
    };
  }

  #doubt({ sentAtMs }: Spent, untilMs: number): void {
    const since = Math.min(this.#told?.sinceMs ?? untilMs, untilMs - TRANSIT_MS);
    this.#uncertain = this.#uncertain.filter((one) => one.sentAtMs >= since).slice(-MOST_UNCERTAIN);
    this.#uncertain.push({ sentAtMs, untilMs });
  }

  /** Its answer has counted whatever was over when it was sent. */
  #believe({ sentAtMs }: Spent): void {
    this.#uncertain = this.#uncertain.filter(({ untilMs }) => untilMs > sentAtMs);
  }

  #refused(spent: Spent, retryAfterMs: number | null, now: number): void {
    const growing = Math.min(FIRST_PAUSE_MS * 2 ** this.#refusals, LONGEST_PAUSE_MS);
    const least = this.#refusals === 0 ? 1 : growing * LEAST_PART;
    const pauseMs = Math.max(retryAfterMs ?? growing, least) * (1 + this.#random() * JITTER);
    // Those that were in flight together are one refusal.
    if (spent.sentAtMs >= this.#blockedUntilMs) this.#refusals += 1;
    this.#blockedUntilMs = Math.max(this.#blockedUntilMs, now + pauseMs);
    if (spent.importance === 'release') this.#releasesBlockedUntilMs = this.#blockedUntilMs;
    this.#blind?.refused(spent.sentAtMs, now);
    if (this.#told === undefined) return;
    this.#told.remaining = 0;
    this.#told.resetsAtMs = this.#blockedUntilMs;
  }
}

function countSince(calls: Iterable<{ readonly sentAtMs: number }>, sinceMs: number): number {
  let count = 0;
  for (const { sentAtMs } of calls) if (sentAtMs >= sinceMs) count += 1;
  return count;
}

/**
 * A call that was sent after the reset, or after it was known how few were left, found more. Of an unsure window nothing is
 * known, not even its end: it begins with the first answer.
 */
function isAnotherWindow({ sentAtMs }: Spent, remaining: number, before: Told): boolean {
  if (before.isUnsure) return sentAtMs >= before.sinceMs;
  return sentAtMs >= before.resetsAtMs || (sentAtMs >= before.knownAtMs && remaining > before.remaining);
}
