import { z } from 'zod';
import type { Clock } from './clock.js';

/** How many requests a client may make in a window, and whether answers tell (`platform-api.md`, Everywhere). */
export const rateLimitSchema = z.strictObject({
  limit: z.int().positive(),
  windowSeconds: z.number().positive(),
  /** `false`: a platform that leaves out `X-RateLimit-*` and `Retry-After`. */
  headers: z.boolean().default(true),
});
export type RateLimit = z.output<typeof rateLimitSchema>;

/** What became of one request. */
export interface RateVerdict {
  readonly allowed: boolean;
  /** The client went on although an earlier 429 of this window had had time to reach it. */
  readonly ignoredRefusal: boolean;
  /** The headers of the answer, whatever it is. */
  readonly headers: Readonly<Record<string, string>>;
}

interface Window {
  endsAtMs: number;
  used: number;
  refusedAtMs: number | null;
}

/** Requests already under way when the first 429 was sent are not the client's fault; what comes later is. */
const REFUSAL_REACHES_CLIENT_MS = 250;

/** Counts requests in fixed windows, one per client; a window opens with its first request. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();
  #rateLimit: RateLimit;

  constructor(clock: Clock, rateLimit: RateLimit) {
    this.#clock = clock;
    this.#rateLimit = rateLimit;
  }

  /** Sets a new limit; all windows start anew. */
  set(rateLimit: RateLimit): void {
    this.#rateLimit = rateLimit;
    this.#windows.clear();
  }

  /** Counts one request of `clientId`. A refused request costs nothing. */
  take(clientId: string): RateVerdict {
    const { limit, windowSeconds } = this.#rateLimit;
    const nowMs = this.#clock.nowMs();
    let window = this.#windows.get(clientId);
    if (window === undefined || window.endsAtMs <= nowMs) {
      window = { endsAtMs: nowMs + windowSeconds * 1000, used: 0, refusedAtMs: null };
      this.#windows.set(clientId, window);
    }
    const allowed = window.used < limit;
    const ignoredRefusal =
      !allowed && window.refusedAtMs !== null && nowMs - window.refusedAtMs > REFUSAL_REACHES_CLIENT_MS;
    if (allowed) window.used += 1;
    else window.refusedAtMs ??= nowMs;
    return { allowed, ignoredRefusal, headers: this.#headers(window, nowMs, allowed) };
  }

  #headers(window: Window, nowMs: number, allowed: boolean): Record<string, string> {
    if (!this.#rateLimit.headers) return {};
    // Rounded up: who waits exactly that long finds the window reset.
    const resetSeconds = String(Math.ceil((window.endsAtMs - nowMs) / 1000));
    return {
      'X-RateLimit-Limit': String(this.#rateLimit.limit),
      'X-RateLimit-Remaining': String(this.#rateLimit.limit - window.used),
      'X-RateLimit-Reset': resetSeconds,
      ...(allowed ? {} : { 'Retry-After': resetSeconds }),
    };
  }
}
