import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LAST_STEP } from '../../domain/media.js';
import type { MediaMeasures, MediaQuality } from '../../domain/media.js';
import { newTrend, withSample } from '../../domain/media-trend.js';
import type { MediaChange, MediaLimits, MediaTrend } from '../../domain/media-trend.js';

const LIMITS: MediaLimits = { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 12, changesPerMinute: 4 };
const EVERY_MS = 5_000;
const START_MS = Date.UTC(2026, 10, 1);
const NEW: Shown = { quality: null, step: 0, tellsFromMs: 0 };

const at = (ms: number): string => new Date(START_MS + ms).toISOString();
type Network = Omit<MediaMeasures, 'sampledAt'>;
const GOOD: Network = { packetLoss: 0.001, jitterMs: 3, roundTripMs: 30 };
const BETWEEN: Network = { packetLoss: 0.02, jitterMs: 20, roundTripMs: 60 };
const LOSSY: Network = { packetLoss: 0.06, jitterMs: 5, roundTripMs: 60 };
const JITTERY: Network = { packetLoss: 0, jitterMs: 45, roundTripMs: 60 };
const AWFUL: Network = { packetLoss: 0.4, jitterMs: 60, roundTripMs: 400 };

interface Shown {
  readonly quality: MediaQuality | null;
  readonly step: number;
  readonly tellsFromMs: number;
}

interface Played {
  readonly trend: MediaTrend;
  readonly changes: readonly (MediaChange & { readonly sample: number; readonly atMs: number })[];
}

/** A sample every 5 s, by both clocks. */
function play(
  networks: readonly Network[],
  { shown = NEW, limits = LIMITS }: { shown?: Shown; limits?: MediaLimits } = {},
): Played {
  let trend = newTrend(shown);
  const changes: Played['changes'][number][] = [];
  for (const [sample, network] of networks.entries()) {
    const nowMs = START_MS + sample * EVERY_MS;
    const heard = withSample(
      trend,
      { ...network, sampledAt: at(sample * EVERY_MS) },
      { playoutDelayMs: 60, limits, nowMs },
    );
    trend = heard.trend;
    if (heard.change !== undefined) changes.push({ ...heard.change, sample, atMs: nowMs });
  }
  return { trend, changes };
}

const times = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const told = ({ changes }: Played) => changes.map(({ sample, quality, step }) => [sample, quality, step]);

test('the first sample says how well a leg is heard, and a steady network nothing more', () => {
  expect(told(play(times(500, GOOD)))).toEqual([[0, 'good', 0]]);
});

test.each([
  ['loss', LOSSY],
  ['jitter', JITTERY],
])(
  '%s beyond its limit for three samples takes the bit rate back, step by step, and no further than the last',
  (_, bad) => {
    const steps = play([...times(2, GOOD), ...times(40, bad)]).changes.filter(
      ({ step }, i, all) => step !== all[i - 1]?.step,
    );
    expect(steps.map(({ sample, step }) => [sample, step])).toEqual([
      [0, 0],
      [4, 1],
      [7, 2],
    ]);
  },
);

test('two bad samples are none, however often', () => {
  expect(told(play(times(100, [LOSSY, LOSSY, GOOD]).flat())).filter(([, , step]) => step !== 0)).toEqual([]);
});

test('the bit rate comes back after a minute well within the limits, one step at a time', () => {
  const { changes } = play([...times(6, LOSSY), ...times(30, GOOD)]);
  expect(changes.filter(({ sample }) => sample > 5).map(({ sample, step }) => [sample, step])).toEqual([
    [17, 1],
    [29, 0],
  ]);
});

test('a network that is just within the limits gives it back to nobody', () => {
  const { changes } = play([...times(6, LOSSY), ...times(500, BETWEEN)]);
  expect(changes.at(-1)?.step).toBe(2);
});

test('a bit rate that has to be taken back again waits twice as long, and again, up to eight times', () => {
  const waits: number[] = [];
  let networks: Network[] = times(3, LOSSY);
  for (let round = 0; round < 6; round += 1) {
    const before = networks.length;
    networks = [...networks, ...times(12 * 9, GOOD)];
    const risen = play(networks).changes.find(({ sample, step }) => sample >= before && step === 0);
    waits.push((risen?.sample ?? Number.NaN) - before + 1);
    networks = [...networks.slice(0, (risen?.sample ?? 0) + 1), ...times(3, LOSSY)];
  }
  expect(waits).toEqual([12, 24, 48, 96, 96, 96]);
});

test('worse is told after three samples, as bad as the mildest of them; better after twelve', () => {
  const { changes } = play([GOOD, AWFUL, AWFUL, LOSSY, ...times(3, AWFUL), ...times(12, GOOD)]);
  expect(changes.map(({ sample, quality }) => [sample, quality])).toEqual([
    [0, 'good'],
    [3, 'fair'],
    [6, 'poor'],
    [18, 'good'],
  ]);
});

test('what goes up and down is told ever more seldom, and as it is worst', () => {
  const { changes } = play(times(100, [...times(3, AWFUL), ...times(12, GOOD)]).flat());
  expect(changes.length).toBeLessThan(10);
  expect(changes.at(-1)?.quality).toBe('poor');
  // After eight minutes without trouble the next trouble is a new one.
  const after = play([...times(100, [...times(3, AWFUL), ...times(12, GOOD)]).flat(), ...times(400, GOOD)]).trend;
  expect(after).toMatchObject({ quality: 'good', step: 0 });
  const relapse = play([...times(3, AWFUL), ...times(12, GOOD), ...times(97, GOOD), ...times(3, AWFUL)]).trend;
  expect(relapse.patience).toBe(1);
});

const OPTIONS = { playoutDelayMs: 60, limits: LIMITS };

test('what comes late, or twice, changes nothing', () => {
  const { trend } = play([...times(2, GOOD), ...times(2, LOSSY)]);
  const nowMs = START_MS + 4 * EVERY_MS;
  for (const agoMs of [0, 1, EVERY_MS, 59_000, 120_000, 86_400_000]) {
    let heard = trend;
    // However many of them come at once.
    for (let n = 0; n < 20; n += 1) {
      const late = { ...AWFUL, sampledAt: at(3 * EVERY_MS - agoMs + n) };
      const { trend: next, change } = withSample(heard, late, { ...OPTIONS, nowMs: nowMs + n });
      expect(change).toBeUndefined();
      heard = next;
      if (agoMs < 20) break;
    }
    expect({ ...heard, staleSinceMs: null }).toEqual(trend);
  }
});

test('a clock that was set back is believed once nothing else has come for a minute', () => {
  let { trend } = play(times(3, GOOD));
  const changes: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    const sample = { ...LOSSY, sampledAt: at(-3_600_000 + n * EVERY_MS) };
    const heard = withSample(trend, sample, { ...OPTIONS, nowMs: START_MS + (3 + n) * EVERY_MS });
    trend = heard.trend;
    if (heard.change !== undefined) changes.push(n);
  }
  expect(changes[0]).toBe(14);
});

test('who takes over from another changes nothing before it may', () => {
  const shown: Shown = { quality: 'good', step: 0, tellsFromMs: START_MS + 60_000 };
  const { changes } = play(times(40, AWFUL), { shown });
  expect(changes.at(0)?.atMs).toBe(START_MS + 60_000);
});

const network: fc.Arbitrary<Network> = fc.oneof(
  fc.constantFrom(GOOD, BETWEEN, LOSSY, JITTERY, AWFUL),
  fc.record({
    packetLoss: fc.double({ min: 0, max: 1, noNaN: true }),
    jitterMs: fc.double({ min: 0, max: 200, noNaN: true }),
    roundTripMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
  }),
);
/** The same network for a while, as networks are. */
const weather = fc
  .array(fc.tuple(network, fc.integer({ min: 1, max: 40 })), { maxLength: 30 })
  .map((spells) => spells.flatMap(([spell, samples]) => times(samples, spell)));
const limits = fc.record({
  packetLoss: fc.constantFrom(0.01, 0.03, 0.2),
  jitterMs: fc.constantFrom(10, 30),
  badSamples: fc.integer({ min: 1, max: 5 }),
  goodSamples: fc.integer({ min: 1, max: 20 }),
  changesPerMinute: fc.integer({ min: 1, max: 6 }),
});

test('in any weather: no minute has more changes than allowed, each changes something, and steps go one by one', () => {
  fc.assert(
    fc.property(weather, limits, (networks, own) => {
      const { changes } = play(networks, { limits: own });
      let before: { quality: MediaQuality | null; step: number } = { quality: null, step: 0 };
      for (const [index, change] of changes.entries()) {
        const minute = changes.filter(({ atMs }) => atMs <= change.atMs && change.atMs - atMs < 60_000);
        expect(minute.length).toBeLessThanOrEqual(own.changesPerMinute);
        expect([change.quality, change.step]).not.toEqual([before.quality, before.step]);
        expect(Math.abs(change.step - before.step)).toBeLessThanOrEqual(1);
        expect(change.step).toBeGreaterThanOrEqual(0);
        expect(change.step).toBeLessThanOrEqual(LAST_STEP);
        if (index > 0 && change.step > before.step) {
          const last = networks.slice(change.sample - own.badSamples + 1, change.sample + 1);
          expect(last.every(({ packetLoss, jitterMs }) => packetLoss > own.packetLoss || jitterMs > own.jitterMs)).toBe(
            true,
          );
        }
        before = change;
      }
    }),
  );
});

test('any network that stays as it is comes to rest', () => {
  fc.assert(
    fc.property(weather, network, limits, (networks, steady, own) => {
      const calm = times(own.goodSamples * 8 * (LAST_STEP + 4) + 200, steady);
      const { changes } = play([...networks, ...calm], { limits: own });
      expect(changes.filter(({ sample }) => sample >= networks.length + calm.length - 50)).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

test('better is told as good as the worst of its samples', () => {
  const { changes } = play([AWFUL, ...times(11, GOOD), LOSSY]);
  expect(changes.map(({ sample, quality }) => [sample, quality])).toEqual([
    [0, 'poor'],
    [12, 'fair'],
  ]);
});

test('only the first step down after one up costs patience', () => {
  const networks = [...times(3, LOSSY), ...times(12, GOOD), ...times(6, LOSSY)];
  const { changes } = play([...networks, ...times(40, GOOD)]);
  expect(changes.filter(({ sample }) => sample >= networks.length && sample < networks.length + 30)).toMatchObject([
    { sample: networks.length + 23, quality: 'good', step: 1 },
  ]);
});

test('changes that are dated in the future, by a clock that was set back, hold nothing up', () => {
  let { trend } = play([GOOD, ...times(3, AWFUL), ...times(3, AWFUL)]);
  trend = { ...trend, changedAtMs: times(4, START_MS + 3_600_000), step: 0 };
  const changes = [0, 1, 2].flatMap((n) => {
    const sample = { ...AWFUL, sampledAt: at(100_000 + n * EVERY_MS) };
    const heard = withSample(trend, sample, { ...OPTIONS, nowMs: START_MS + n * EVERY_MS });
    trend = heard.trend;
    return heard.change ?? [];
  });
  expect(changes).toMatchObject([{ step: 1 }]);
});
