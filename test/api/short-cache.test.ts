import { expect, test } from '@jest/globals';
import { ShortCache } from '../../api/short-cache.js';
import { until } from '../support/until.js';

test('while an answer is loaded or fresh, it is asked for once', async () => {
  const cache = new ShortCache<number>(60_000);
  let loads = 0;
  const load = () => Promise.resolve(++loads);
  expect(await Promise.all([cache.get('a', load), cache.get('a', load)])).toEqual([1, 1]);
  expect(await cache.get('a', load)).toBe(1);
  expect(await cache.get('b', load)).toBe(2);
});

test('an old answer is loaded anew', async () => {
  const cache = new ShortCache<number>(5);
  let loads = 0;
  const load = () => Promise.resolve(++loads);
  await cache.get('a', load);
  await until('a second load', async () => (await cache.get('a', load)) > 1);
});

test('a failure is shared by those who wait, and not kept', async () => {
  const cache = new ShortCache<number>(60_000);
  const failing = () => Promise.reject(new Error('no'));
  const both = await Promise.allSettled([cache.get('a', failing), cache.get('a', () => Promise.resolve(1))]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await cache.get('a', () => Promise.resolve(2))).toBe(2);
});
