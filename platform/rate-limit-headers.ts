import type { IncomingHttpHeaders } from 'node:http';
import { headerText, httpDate } from './header-values.js';

/** What one answer says of the rate limit, which all calls of our OAuth client share (`platform-api.md`, Everywhere). */
export interface RateLimit {
  /** Calls in a window; `null`: not said. */
  readonly limit: number | null;
  /** Calls that are left in this one. */
  readonly remaining: number;
  /** When the next one begins, ms from the answer on; `null`: not said. */
  readonly resetsInMs: number | null;
}

const WHOLE = /^\d{1,9}$/;
const NUMBER = /^\d{1,16}(?:\.\d{1,9})?$/;

/** Seconds that are more than ten years are a date, in seconds or milliseconds since 1970. */
const DATE_FROM_S = 1e9;
const DATE_FROM_MS = 1e12;

/** A window that lasts longer is not believed, ms. */
const LONGEST_WINDOW_MS = 86_400_000;

/** `l=1, r=2;t=3` and the like: names and whole or decimal numbers, between any separators. */
const PARAMETER = /(?:^|[\s;,])([a-z]+)\s*=\s*(\d{1,16}(?:\.\d{1,9})?)(?=$|[\s;,])/gi;

type Fields = Readonly<Record<'limit' | 'remaining' | 'reset', string | undefined>>;

/**
 * What an answer's headers say of the rate limit: `X-RateLimit-Limit`, `-Remaining` and `-Reset` (`platform-api.md`), the
 * same without `X-`, or the IETF's `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers, also its older
 * form). A reset may be seconds from now, seconds or milliseconds since 1970, or an HTTP date. `undefined` where no readable
 * header says what is left; each of the other two is left out where it cannot be read.
 * @param now wall clock, ms since the epoch; a date is measured from the answer's own `Date` where it has one
 */
export function rateLimitIn(headers: IncomingHttpHeaders, now: number): RateLimit | undefined {
  for (const { limit, remaining, reset } of families(headers)) {
    const left = whole(remaining);
    if (left === undefined) continue;
    const window = whole(limit) ?? 0;
    return {
      limit: window > 0 ? window : null,
      remaining: left,
      resetsInMs: resetsInMs(reset, answeredAt(headers, now)),
    };
  }
  return undefined;
}

/** How long until the window resets, ms from the answer on, as {@link rateLimitIn}; `null`: not said. */
export function windowResetIn(headers: IncomingHttpHeaders, now: number): number | null {
  for (const { reset } of families(headers)) {
    const inMs = resetsInMs(reset, answeredAt(headers, now));
    if (inMs !== null) return inMs;
  }
  return null;
}

/** When an answer was given, by the clock that its other dates are by; ms since the epoch. */
export function answeredAt(headers: IncomingHttpHeaders, now: number): number {
  return httpDate(headerText(headers['date'])) ?? now;
}

function families(headers: IncomingHttpHeaders): readonly Fields[] {
  return [named(headers, 'x-ratelimit'), named(headers, 'ratelimit'), structured(headers)];
}

function named(headers: IncomingHttpHeaders, prefix: string): Fields {
  // Earlier drafts repeat all policies after the first number.
  const field = (name: string) =>
    headerText(headers[`${prefix}-${name}`])
      ?.replace(/,.*;.*$/s, '')
      .trim();
  return { limit: field('limit'), remaining: field('remaining'), reset: field('reset') };
}

/** `RateLimit: "default";r=50;t=30` beside `RateLimit-Policy: "default";q=100;w=60`; or `limit=100, remaining=50, reset=30`. */
function structured(headers: IncomingHttpHeaders): Fields {
  const field = headerText(headers['ratelimit']) ?? '';
  const all = parameters(field);
  if (all.has('remaining'))
    return { limit: all.get('limit'), remaining: all.get('remaining'), reset: all.get('reset') };
  // Of several policies the one that leaves the least, with the quota of its name.
  const [tightest] = policies(field)
    .filter(({ found }) => found.has('r'))
    .toSorted((one, other) => Number(one.found.get('r')) - Number(other.found.get('r')));
  const quota = policies(headerText(headers['ratelimit-policy']) ?? '').find(
    ({ name, found }) => name === tightest?.name && found.has('q'),
  );
  return { limit: quota?.found.get('q'), remaining: tightest?.found.get('r'), reset: tightest?.found.get('t') };
}

/** `"name";r=50;t=30, "other";…` */
function policies(field: string): { readonly name: string | undefined; readonly found: Map<string, string> }[] {
  return field.split(',').map((item) => ({ name: /^\s*"([^"]*)"/.exec(item)?.[1], found: parameters(item) }));
}

/** The first of each name. */
function parameters(field: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', value = ''] of field.matchAll(PARAMETER)) {
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), value);
  }
  return found;
}

function resetsInMs(reset: string | undefined, answeredAtMs: number): number | null {
  const inMs = untilMs(reset, answeredAtMs);
  return inMs === undefined || inMs > LONGEST_WINDOW_MS ? null : Math.max(0, Math.ceil(inMs));
}

function untilMs(reset: string | undefined, answeredAtMs: number): number | undefined {
  if (reset === undefined) return undefined;
  if (!NUMBER.test(reset)) {
    const atMs = httpDate(reset);
    return atMs === undefined ? undefined : atMs - answeredAtMs;
  }
  const number = Number(reset);
  if (number >= DATE_FROM_MS) return number - answeredAtMs;
  return number >= DATE_FROM_S ? number * 1_000 - answeredAtMs : number * 1_000;
}

function whole(value: string | undefined): number | undefined {
  return value !== undefined && WHOLE.test(value) ? Number(value) : undefined;
}
