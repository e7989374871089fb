import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { retryAfterMs } from '../../platform/retry-after.js';

const NOW = Date.parse('2026-11-02T10:00:00Z');

test.each([
  ['12', 12_000],
  ['0', 0],
  ['1.5', 1_500],
  [' 3 ', 3_000],
  ['299', 299_000],
  ['301', 300_000],
  ['99999999999999999999', 300_000],
  ['Mon, 02 Nov 2026 10:00:20 GMT', 20_000],
  ['Mon, 02 Nov 2026 09:00:00 GMT', 0],
  ['Mon, 02 Nov 2036 09:00:00 GMT', 300_000],
  ['Mon, 99 Nov 2026 10:00:20 GMT', null],
  ['-1', null],
  ['', null],
  ['soon', null],
  ['1e3', null],
  ['0x10', null],
  ['NaN', null],
  ['Infinity', null],
  ['call me in 2001', null],
  ['10, 20', null],
])('Retry-After %j is %j ms', (value, expected) => {
  expect(retryAfterMs({ 'retry-after': value }, NOW)).toBe(expected);
});

test('without Retry-After the window reset counts', () => {
  expect(retryAfterMs({ 'x-ratelimit-reset': '7' }, NOW)).toBe(7_000);
});

test('Retry-After goes before the window reset', () => {
  expect(retryAfterMs({ 'retry-after': '2', 'x-ratelimit-reset': '7' }, NOW)).toBe(2_000);
});

test('neither header is null, not zero', () => {
  expect(retryAfterMs({}, NOW)).toBeNull();
});

test('any header text gives null or a delay from 0 to five minutes', () => {
  const text = fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String), fc.date().map(String));
  fc.assert(
    fc.property(text, text, fc.integer(), (retryAfter, reset, now) => {
      const delay = retryAfterMs({ 'retry-after': retryAfter, 'x-ratelimit-reset': reset }, now);
      if (delay === null) return;
      expect(Number.isInteger(delay)).toBe(true);
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(delay).toBeLessThanOrEqual(300_000);
    }),
  );
});

test('an HTTP date in the near future gives the time until then', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 299 }), (seconds) => {
      const date = new Date(NOW + seconds * 1000).toUTCString();
      expect(retryAfterMs({ 'retry-after': date }, NOW)).toBe(seconds * 1000);
    }),
  );
});

test('a date is measured by the clock of the answer that names it', () => {
  const headers = { date: 'Mon, 02 Nov 2026 11:00:00 GMT', 'retry-after': 'Mon, 02 Nov 2026 11:00:05 GMT' };
  expect(retryAfterMs(headers, NOW)).toBe(5_000);
});
