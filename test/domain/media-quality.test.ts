import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { profileOf, stepOf } from '../../domain/media.js';
import { compareQuality, qualityOf, ratingOf } from '../../domain/media-quality.js';

const AT = '2026-11-01T00:00:00.000Z';
const measures = (packetLoss: number, jitterMs: number, roundTripMs: number) => ({
  packetLoss,
  jitterMs,
  roundTripMs,
  sampledAt: AT,
});

describe('the rating', () => {
  test.each([
    // What G.107 gives for its defaults, and what the decision of the limits goes by (docs/decisions/0015-media-quality.md).
    ['a perfect network', measures(0, 0, 0), 60, 93.2],
    ['3 % lost', measures(0.03, 0, 0), 60, 83.1],
    ['3 % lost at 200 ms one way', measures(0.03, 0, 227), 60, 80.1],
    ['a delay of 400 ms one way', measures(0, 0, 627), 60, 69],
    ['jitter of 30 ms in a buffer of 60 ms', measures(0, 30, 0), 60, 73.1],
    ['jitter of 30 ms in a buffer of 150 ms', measures(0, 30, 0), 150, 90.8],
  ])('of %s is that of the E-model', (_, sample, playoutDelayMs, rating) => {
    expect(Math.abs(ratingOf(sample, playoutDelayMs) - rating)).toBeLessThan(0.2);
  });

  test.each([
    ['good', measures(0.03, 0, 227), 60],
    ['fair', measures(0.031, 0, 227), 60],
    ['fair', measures(0, 30, 0), 60],
    ['fair', measures(0, 0, 600), 60],
    ['poor', measures(0, 0, 627), 60],
    // Both at once cost more than the worse of them.
    ['poor', measures(0.03, 30, 0), 60],
  ] as const)('is %s for %j in a buffer of %i ms', (quality, sample, playoutDelayMs) => {
    expect(qualityOf(sample, playoutDelayMs)).toBe(quality);
  });

  const loss = fc.double({ min: 0, max: 1, noNaN: true });
  const ms = fc.double({ min: 0, max: 2_000, noNaN: true });
  const delay = fc.constantFrom(60, 150);

  test('never rises with loss, jitter or delay', () => {
    fc.assert(
      fc.property(loss, loss, ms, ms, ms, ms, delay, (l1, l2, j1, j2, r1, r2, playout) => {
        const better = measures(Math.min(l1, l2), Math.min(j1, j2), Math.min(r1, r2));
        const worse = measures(Math.max(l1, l2), Math.max(j1, j2), Math.max(r1, r2));
        expect(ratingOf(worse, playout)).toBeLessThanOrEqual(ratingOf(better, playout) + 1e-9);
        expect(compareQuality(qualityOf(worse, playout), qualityOf(better, playout))).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

test('each step has a profile of its own, whose bit rate names it', () => {
  for (const affinity of ['primary', 'same-region', 'none'] as const) {
    for (const step of [0, 1, 2]) expect(stepOf(profileOf(affinity, step).codec.bitrateBps)).toBe(step);
  }
  expect(profileOf('primary', 0)).toEqual({
    codec: { name: 'opus', bitrateBps: 32_000 },
    playoutDelayMs: 60,
    nackEnabled: false,
  });
  expect(profileOf('none', 0)).toMatchObject({ playoutDelayMs: 150, nackEnabled: true });
  expect(profileOf('primary', 1)).toMatchObject({ playoutDelayMs: 150, nackEnabled: true });
  // What an older or newer worker may have called a step.
  expect([stepOf(64_000), stepOf(24_000), stepOf(6_000)]).toEqual([0, 1, 2]);
});
