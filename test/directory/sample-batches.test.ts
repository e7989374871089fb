import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { SampleBatches } from '../../directory/sample-batches.js';
import type { LegSample } from '../../domain/notifications.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function sample(leg: string, jitterMs: number): LegSample {
  const sampledAt = new Date().toISOString();
  const measures = { sampledAt, packetLoss: 0, jitterMs, roundTripMs: 30 };
  return { sessionId: `session~${leg}~anna`, monitorSessionId: leg, ...measures, quality: 'good' };
}

const jitters = (told: readonly (readonly LegSample[])[]): number[][] =>
  told.map((batch) => batch.map(({ jitterMs }) => jitterMs));

test('samples are told once a second, of each leg the latest, and nothing where there are none', () => {
  const told: (readonly LegSample[])[] = [];
  const batches = new SampleBatches((samples) => told.push(samples));
  batches.add(sample('a', 1));
  batches.add(sample('b', 2));
  batches.add(sample('a', 3));
  jest.advanceTimersByTime(999);
  expect(told).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(jitters(told)).toEqual([[3, 2]]);
  jest.advanceTimersByTime(10_000);
  expect(told).toHaveLength(1);
  batches.add(sample('a', 4));
  jest.advanceTimersByTime(1_000);
  expect(jitters(told)).toEqual([[3, 2], [4]]);
});

test('who hands over tells nothing more, and begins anew when it is its turn again', () => {
  const told: (readonly LegSample[])[] = [];
  const batches = new SampleBatches((samples) => told.push(samples));
  batches.add(sample('a', 1));
  batches.clear();
  jest.advanceTimersByTime(2_000);
  expect(told).toEqual([]);
  batches.add(sample('b', 2));
  jest.advanceTimersByTime(1_000);
  expect(jitters(told)).toEqual([[2]]);
});
