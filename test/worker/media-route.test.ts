import { Client, Connection } from '@temporalio/client';
import { expect, test } from '@jest/globals';
import { createMediaRoute } from '../../worker/media-route.js';

const LIMITS = { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 12, changesPerMinute: 4 };

test.each([
  [0, false],
  [10_000, true],
])('with %i ms between two looks legs are asked about: %s', (pollMs, isPolled) => {
  const shown: unknown[] = [];
  const route = createMediaRoute({
    settings: { limits: LIMITS, pollMs },
    // Nothing is asked of it here.
    client: new Client({ connection: Connection.lazy() }),
    platform: { mediaMetrics: () => Promise.reject(new Error('Expected no such call')) },
    mediaServers: () => Promise.resolve({ groups: undefined, failure: undefined }),
    show: (watch) => shown.push(watch.qualities),
  });
  expect(route.poll !== undefined).toBe(isPolled);
  expect(shown).toEqual([[]]);
});
