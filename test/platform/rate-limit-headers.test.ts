import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rateLimitIn, windowResetIn } from '../../platform/rate-limit-headers.js';

const NOW = Date.parse('2026-11-02T10:00:00.400Z');

const seed = (limit: string, remaining: string, reset: string) => ({
  'x-ratelimit-limit': limit,
  'x-ratelimit-remaining': remaining,
  'x-ratelimit-reset': reset,
});

test('what the three headers of the platform say is taken', () => {
  expect(rateLimitIn(seed('300', '12', '7'), NOW)).toEqual({ limit: 300, remaining: 12, resetsInMs: 7_000 });
  expect(rateLimitIn(seed(' 300 ', '0', '0.5'), NOW)).toEqual({ limit: 300, remaining: 0, resetsInMs: 500 });
});

test.each([
  ['three fields of a draft', { 'ratelimit-limit': '100', 'ratelimit-remaining': '50', 'ratelimit-reset': '30' }],
  ['one field of a draft', { ratelimit: 'limit=100, remaining=50, reset=30' }],
  ['the draft of today', { ratelimit: '"default";r=50;t=30', 'ratelimit-policy': '"default";q=100;w=60' }],
  [
    'several policies',
    { ratelimit: '"burst";r=50;t=30, "day";r=900;t=4000', 'ratelimit-policy': '"burst";q=100;w=60' },
  ],
  [
    'policies after the first number',
    { 'ratelimit-limit': '100, 100;w=60', 'ratelimit-remaining': '50', 'ratelimit-reset': '30' },
  ],
  [
    'the tightest of several, wherever it stands',
    {
      ratelimit: '"day";r=900;t=4000, "burst";r=50;t=30',
      'ratelimit-policy': '"day";q=1000;w=86400, "burst";q=100;w=60',
    },
  ],
])('the IETF’s fields say the same: %s', (_, headers) => {
  expect(rateLimitIn(headers, NOW)).toEqual({ limit: 100, remaining: 50, resetsInMs: 30_000 });
});

test.each([
  ['seconds since 1970', String(Math.floor(NOW / 1_000) + 7), {}, 6_600],
  ['milliseconds since 1970', String(NOW + 7_000), {}, 7_000],
  ['an HTTP date', 'Mon, 02 Nov 2026 10:00:07 GMT', {}, 6_600],
  [
    'a date by a clock that is ahead',
    'Mon, 02 Nov 2026 11:00:07 GMT',
    { date: 'Mon, 02 Nov 2026 11:00:00 GMT' },
    7_000,
  ],
  ['a date in the past', 'Mon, 02 Nov 2026 09:00:00 GMT', {}, 0],
])('a reset may be %s', (_, reset, more, resetsInMs) => {
  expect(rateLimitIn({ ...seed('10', '5', reset), ...more }, NOW)).toEqual({ limit: 10, remaining: 5, resetsInMs });
  expect(windowResetIn({ 'x-ratelimit-reset': reset, ...more }, NOW)).toBe(resetsInMs);
});

test('without a readable remainder nothing is known; without the others, only that', () => {
  for (const bad of ['', '-1', 'many', '1e3', 'NaN', '99999999999999999999', '1;2']) {
    expect(rateLimitIn(seed('9', bad, '1'), NOW)).toBeUndefined();
    expect(rateLimitIn(seed(bad, '1', '1'), NOW)).toEqual({ limit: null, remaining: 1, resetsInMs: 1_000 });
    expect(rateLimitIn(seed('9', '1', bad), NOW)).toEqual({ limit: 9, remaining: 1, resetsInMs: null });
  }
  // The seed names this one only.
  expect(rateLimitIn({ 'x-ratelimit-remaining': '3' }, NOW)).toEqual({ limit: null, remaining: 3, resetsInMs: null });
  expect(rateLimitIn(seed('0', '0', '1'), NOW)).toMatchObject({ limit: null });
  expect(rateLimitIn({}, NOW)).toBeUndefined();
});

test('garbage in one family leaves the other readable', () => {
  expect(rateLimitIn({ ...seed('x', 'y', 'z'), ratelimit: '"a";r=4;t=2' }, NOW)).toEqual({
    limit: null,
    remaining: 4,
    resetsInMs: 2_000,
  });
});

test('no header can do any harm', () => {
  const text = fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String), fc.date().map(String));
  fc.assert(
    fc.property(text, text, text, text, text, (limit, remaining, reset, ratelimit, policy) => {
      const found = rateLimitIn({ ...seed(limit, remaining, reset), ratelimit, 'ratelimit-policy': policy }, NOW);
      if (found === undefined) return;
      expect(found.remaining).toBeGreaterThanOrEqual(0);
      expect(found.limit ?? 1).toBeGreaterThanOrEqual(1);
      expect(found.resetsInMs ?? 0).toBeGreaterThanOrEqual(0);
      expect(found.resetsInMs ?? 0).toBeLessThanOrEqual(86_400_000);
    }),
  );
});

test('a window that is said to last for days is not believed', () => {
  expect(rateLimitIn(seed('10', '0', '864000'), NOW)).toEqual({ limit: 10, remaining: 0, resetsInMs: null });
  expect(windowResetIn({ 'x-ratelimit-reset': '864000' }, NOW)).toBeNull();
});
