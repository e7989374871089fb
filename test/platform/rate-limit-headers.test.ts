import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rateLimitIn } from '../../platform/rate-limit-headers.js';

const headers = (limit: string, remaining: string, reset: string) => ({
  'x-ratelimit-limit': limit,
  'x-ratelimit-remaining': remaining,
  'x-ratelimit-reset': reset,
});

test('what the three headers say is taken, by our own clock', () => {
  expect(rateLimitIn(headers('300', '12', '7'), 1_000)).toEqual({ limit: 300, remaining: 12, resetsAtMs: 8_000 });
  expect(rateLimitIn(headers(' 300 ', '0', '0.5'), 1_000)).toEqual({ limit: 300, remaining: 0, resetsAtMs: 1_500 });
});

test('one that is missing, or is no number, leaves the limit unknown', () => {
  for (const bad of ['', '-1', 'many', '1e3', 'NaN', '99999999999']) {
    expect(rateLimitIn(headers(bad, '1', '1'), 0)).toBeUndefined();
    expect(rateLimitIn(headers('1', bad, '1'), 0)).toBeUndefined();
    expect(rateLimitIn(headers('1', '1', bad), 0)).toBeUndefined();
  }
  for (const name of Object.keys(headers('1', '1', '1'))) {
    expect(rateLimitIn({ ...headers('1', '1', '1'), [name]: undefined }, 0)).toBeUndefined();
  }
});

test('no header can do any harm', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (...texts) => {
      const found = rateLimitIn(headers(...texts), 0);
      if (found !== undefined) for (const value of Object.values(found)) expect(Number.isFinite(value)).toBe(true);
    }),
  );
});
