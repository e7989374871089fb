import { expect, test } from '@jest/globals';
import { parseSamples, sampleBatches } from '../../bus/samples.js';
import type { LegSample } from '../../domain/notifications.js';

const AT = '2026-11-27T00:00:00.000Z';

function sample(n: number, over: Partial<LegSample> = {}): LegSample {
  return {
    sessionId: `session~int-${n}~anna`,
    monitorSessionId: `ms-${n}`,
    sampledAt: AT,
    packetLoss: 0.01,
    jitterMs: 3.5,
    roundTripMs: 30,
    quality: 'good',
    ...over,
  };
}

test('what is sent comes out as it was, in one text', () => {
  const samples = [sample(1), sample(2, { quality: null, sessionId: 'session~"~é' })];
  const batches = sampleBatches(samples, AT);
  expect(batches.map(parseSamples)).toEqual([{ at: AT, samples }]);
  expect(sampleBatches([])).toEqual([]);
});

test('a thousand are one text, and very many some, each of them bounded', () => {
  expect(sampleBatches(Array.from({ length: 1_000 }, (_, n) => sample(n)))).toHaveLength(1);
  const samples = Array.from({ length: 10_000 }, (_, n) => sample(n));
  const batches = sampleBatches(samples, AT);
  expect(batches.length).toBeGreaterThan(1);
  expect(Math.max(...batches.map(({ length }) => length))).toBeLessThan(200 * 1_024);
  expect(batches.flatMap((batch) => parseSamples(batch)?.samples ?? [])).toEqual(samples);
});

test('what a newer worker says is understood as far as it is known here, or passed over', () => {
  const row = ['session~i~s', 'ms-1', AT, 0.01, 3, 30];
  const told = (message: object): unknown => parseSamples(JSON.stringify(message))?.samples;
  const newer = { kind: 'samples', at: AT, more: 1, samples: [[...row, 'superb', { more: 1 }]] };
  expect(told(newer)).toEqual([sample(1, { sessionId: 'session~i~s', jitterMs: 3, quality: null })]);
  expect(told({ ...newer, kind: 'others' })).toBeUndefined();
  expect(told({ kind: 'samples', at: AT, samples: [row.with(3, 2)] })).toBeUndefined();
  expect(parseSamples('{"kind":"samples"')).toBeUndefined();
});
