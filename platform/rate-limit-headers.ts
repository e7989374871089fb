import type { IncomingHttpHeaders } from 'node:http';
import type { RateLimit } from './telephony-platform.js';

const WHOLE = /^\d{1,9}$/;
const SECONDS = /^\d{1,9}(?:\.\d+)?$/;

/**
 * What an answer says of the rate limit by `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds until the window
 * resets, `platform-api.md`); `undefined` where one is missing or no number.
 * @param now monotonic clock, ms
 */
export function rateLimitIn(headers: IncomingHttpHeaders, now: number): RateLimit | undefined {
  const limit = numberIn(headers['x-ratelimit-limit'], WHOLE);
  const remaining = numberIn(headers['x-ratelimit-remaining'], WHOLE);
  const resetSeconds = numberIn(headers['x-ratelimit-reset'], SECONDS);
  if (limit === undefined || remaining === undefined || resetSeconds === undefined) return undefined;
  return { limit, remaining, resetsAtMs: now + resetSeconds * 1_000 };
}

function numberIn(value: string | string[] | undefined, form: RegExp): number | undefined {
  const text = (Array.isArray(value) ? value[0] : value)?.trim() ?? '';
  return form.test(text) ? Number(text) : undefined;
}
