import { expect, it } from '@jest/globals';
import { BackOff } from '../../scripts/supervisor/back-off.js';

const delays = (backOff: BackOff, count: number, ranMs = 0): number[] =>
  Array.from({ length: count }, () => backOff.delayAfter(ranMs));

it('doubles from 250 ms and never waits more than 10 s', () => {
  const longest = new BackOff({ random: () => 1 });
  expect(delays(longest, 8)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
});

it('draws each delay from its upper half', () => {
  expect(delays(new BackOff({ random: () => 0 }), 3)).toEqual([125, 250, 500]);
});

it('starts over after a part ran well for a while', () => {
  const backOff = new BackOff({ random: () => 1 });
  delays(backOff, 5);
  expect(backOff.delayAfter(29_999)).toBe(8_000);
  expect(backOff.delayAfter(30_000)).toBe(250);
  expect(backOff.delayAfter(0)).toBe(500);
});
