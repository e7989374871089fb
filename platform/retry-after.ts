import type { IncomingHttpHeaders } from 'node:http';

/** Longest delay believed, ms: a platform that asks for more is asked again after this. */
const MAX_DELAY_MS = 300_000;

const SECONDS = /^\d+(?:\.\d+)?$/;
/** RFC 9110, IMF-fixdate: the one form of an HTTP date that is still sent. `Date.parse` alone takes nearly anything. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * How long a `429` asks to wait, ms, at most five minutes: `Retry-After` (seconds, or an HTTP date, where a past one
 * means now), else `X-RateLimit-Reset` (seconds). `null` where neither is there or readable (`platform-api.md` allows
 * a platform to leave both out).
 * @param now wall clock, ms since the epoch, for the HTTP date
 */
export function retryAfterMs(headers: IncomingHttpHeaders, now: number): number | null {
  const asked = first(headers['retry-after']);
  return seconds(asked) ?? untilDate(asked, now) ?? seconds(first(headers['x-ratelimit-reset']));
}

function seconds(value: string | undefined): number | null {
  return value !== undefined && SECONDS.test(value) ? capped(Number(value) * 1000) : null;
}

function untilDate(value: string | undefined, now: number): number | null {
  if (value === undefined || !HTTP_DATE.test(value)) return null;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : capped(Math.max(0, at - now));
}

function capped(delayMs: number): number {
  return Math.min(Math.ceil(delayMs), MAX_DELAY_MS);
}

function first(value: string | string[] | undefined): string | undefined {
  return (Array.isArray(value) ? value[0] : value)?.trim();
}
