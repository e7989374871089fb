import { Client, Connection } from '@temporalio/client';
import { expect, jest, test } from '@jest/globals';
import { MediaWatch } from '../../directory/media-watch.js';
import { newSessionMedia } from '../../domain/media.js';
import type { LegSample } from '../../domain/notifications.js';
import { createMediaRoute } from '../../worker/media-route.js';
import type { MediaRouteOptions } from '../../worker/media-route.js';
import { snapshot } from '../support/snapshot.js';

const LIMITS = { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 12, changesPerMinute: 4 };

/** Nothing is asked of what it has. */
function idle(settings: MediaRouteOptions['settings'], show: MediaRouteOptions['show']): MediaRouteOptions {
  return {
    settings,
    client: new Client({ connection: Connection.lazy() }),
    platform: { mediaMetrics: () => Promise.reject(new Error('Expected no such call')) },
    mediaServers: () => Promise.resolve({ groups: undefined, failure: undefined }),
    show,
  };
}

test.each([
  [0, false],
  [10_000, true],
])('with %i ms between two looks legs are asked about: %s', (pollMs, isPolled) => {
  const shown: unknown[] = [];
  const route = createMediaRoute(idle({ limits: LIMITS, pollMs }, (watch) => shown.push(watch.qualities)));
  expect(route.poll !== undefined).toBe(isPolled);
  expect(shown).toEqual([[]]);
});

test('what it hears of known legs is told once a second, and nothing more once somebody else goes on', () => {
  jest.useFakeTimers();
  const told: (readonly LegSample[])[] = [];
  const route = createMediaRoute(
    idle({ limits: LIMITS, pollMs: 0, onSamples: (samples) => told.push(samples) }, (watch) => {
      if (!(watch instanceof MediaWatch)) throw new Error('unreachable');
      // As its session shows it already, so that there is no change to tell.
      const media = {
        ...newSessionMedia({ mediaServerGroupId: 'near', affinity: 'primary', fallback: null }),
        quality: 'good' as const,
      };
      const session = snapshot({ media });
      const { sessionId, interactionId, runId, monitorSessionId } = session;
      watch.know({ sessionId, interactionId, runId, monitorSessionId, session, startedAtMs: 0, start: 'resolved' });
    }),
  );
  const hear = (second: number): void =>
    route.take({
      monitorSessionId: 'ms-own',
      sampledAt: new Date(Date.UTC(2026, 10, 1, 0, 0, second)).toISOString(),
      packetLoss: 0,
      jitterMs: 3,
      roundTripMs: 30,
    });
  hear(1);
  jest.advanceTimersByTime(1_000);
  expect(told.flat().map(({ sessionId, quality }) => [sessionId, quality])).toEqual([['session~i~anna', 'good']]);
  hear(2);
  route.leave();
  jest.advanceTimersByTime(10_000);
  expect(told).toHaveLength(1);
  jest.useRealTimers();
});
