import type { IncomingHttpHeaders } from 'node:http';
import { headerText, httpDate } from './header-values.js';
import { answeredAt, windowResetIn } from './rate-limit-headers.js';

/** Longest delay believed, ms: a platform that asks for more is asked again after this. */
const MAX_DELAY_MS = 300_000;

const SECONDS = /^\d+(?:\.\d+)?$/;

/**
 * How long a `429` asks to wait, ms, at most five minutes: `Retry-After` (seconds, or an HTTP date, where a past one
 * means now), else what is said of the window's reset. `null` where neither is there or readable (`platform-api.md` allows
 * a platform to leave both out).
 * @param now wall clock, ms since the epoch, for the HTTP date
 */
export function retryAfterMs(headers: IncomingHttpHeaders, now: number): number | null {
  const asked = headerText(headers['retry-after']);
  const resetMs = windowResetIn(headers, now);
  return seconds(asked) ?? untilDate(asked, answeredAt(headers, now)) ?? (resetMs === null ? null : capped(resetMs));
}

function seconds(value: string | undefined): number | null {
  return value !== undefined && SECONDS.test(value) ? capped(Number(value) * 1000) : null;
}

function untilDate(value: string | undefined, now: number): number | null {
  const at = httpDate(value);
  return at === undefined ? null : capped(Math.max(0, at - now));
}

function capped(delayMs: number): number {
  return Math.min(Math.ceil(delayMs), MAX_DELAY_MS);
}
