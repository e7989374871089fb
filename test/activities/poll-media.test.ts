import { expect, test } from '@jest/globals';
import { pollMedia } from '../../activities/poll-media.js';
import { MediaWatch } from '../../directory/media-watch.js';
import type { RunningSession } from '../../directory/running-sessions.js';
import { newSessionMedia } from '../../domain/media.js';
import { PlatformError } from '../../platform/platform-error.js';
import type { PlatformFault } from '../../platform/platform-error.js';
import { snapshot } from '../support/snapshot.js';
import { until } from '../support/until.js';

const POLL_MS = 5;

function running(leg: string): RunningSession {
  const media = newSessionMedia({ mediaServerGroupId: 'near', affinity: 'primary', fallback: null });
  const session = snapshot({ monitorSessionId: leg, media });
  const { sessionId, interactionId, runId } = session;
  return { sessionId, interactionId, session, runId, startedAtMs: 0, start: 'resolved', monitorSessionId: leg };
}

/** Polls legs of a platform that answers as the test says, until it is disposed of. */
class Scene implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly troubles: unknown[] = [];
  lists = 0;
  readonly #over = new AbortController();
  readonly #polling: Promise<void>;
  readonly watch = new MediaWatch({
    limits: { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 12, changesPerMinute: 4 },
    sessions: { find: () => Promise.resolve([]), tell: () => Promise.resolve(true) },
    homeOf: () => Promise.resolve(null),
    onTrouble: (error) => this.troubles.push(error),
  });

  constructor(
    public legs: readonly string[],
    faultOf: (leg: string) => PlatformFault | undefined,
    paceMs = 1,
  ) {
    this.#polling = pollMedia({
      pollMs: POLL_MS,
      paceMs,
      watch: this.watch,
      signal: this.#over.signal,
      onTrouble: (error) => this.troubles.push(error),
      sessions: () => {
        this.lists += 1;
        return Promise.resolve(this.legs.map(running));
      },
      platform: {
        mediaMetrics: ({ monitorSessionId }) => {
          this.asked.push(monitorSessionId);
          const fault = faultOf(monitorSessionId);
          if (fault !== undefined) return Promise.reject(new PlatformError('GET media metrics', fault));
          const sampledAt = new Date().toISOString();
          return Promise.resolve({ monitorSessionId, packetLoss: 0, jitterMs: 1, roundTripMs: 20, sampledAt });
        },
      },
    });
  }

  times(leg: string): number {
    return this.asked.filter((one) => one === leg).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#polling;
    this.watch.clear();
  }
}

const BROKEN: PlatformFault = { kind: 'ambiguous', detail: 'unusable answer 200' };

test('every leg is asked about, again and again', async () => {
  await using scene = new Scene(['a', 'b', 'c'], () => undefined);
  await until('each has been asked about', () => ['a', 'b', 'c'].every((leg) => scene.times(leg) >= 3));
  expect(scene.watch.qualities).toEqual(['good', 'good', 'good']);
});

test.each([
  ['that makes no sense', BROKEN],
  ['that is gone', { kind: 'gone', what: 'leg', ended: false }],
  ['that is refused', { kind: 'invalid', status: 400, code: 'bad.request' }],
] as const)('one %s keeps nobody from asking about the others, and is left alone', async (_, fault) => {
  await using scene = new Scene(['a', 'b', 'c'], (leg) => (leg === 'a' ? fault : undefined));
  await until('the others have been asked about', () => scene.times('b') >= 5 && scene.times('c') >= 5);
  expect(scene.times('a')).toBe(1);
});

test('a platform that answers nobody is told of, and asked ever more seldom', async () => {
  const legs = Array.from({ length: 40 }, (_, index) => `leg-${index}`);
  await using scene = new Scene(legs, () => ({ kind: 'gone', what: 'leg', ended: false }));
  await until('it has been told of', () => scene.troubles.length >= 3);
  // Five at a time, and each of them once.
  expect(scene.asked.length).toBeLessThanOrEqual(5 * (scene.troubles.length + 1));
  expect(new Set(scene.asked).size).toBe(scene.asked.length);
});

test('one that has had too much is asked again when it says', async () => {
  let isTired = true;
  await using scene = new Scene(['a', 'b'], () => (isTired ? { kind: 'throttled', retryAfterMs: 60 } : undefined));
  await until('it has been asked', () => scene.asked.length > 0);
  expect(scene.asked).toHaveLength(1);
  isTired = false;
  await until('it is asked again', () => scene.times('a') >= 2 && scene.times('b') >= 1);
  expect(scene.troubles).toEqual([]);
});

test('while events tell of every leg, nobody is asked about and lists are rare', async () => {
  await using scene = new Scene(['a'], () => undefined);
  await until('it is known', () => scene.lists > 0 && scene.times('a') > 0);
  const telling = setInterval(() => {
    const sampledAt = new Date().toISOString();
    scene.watch.sample({
      monitorSessionId: 'a',
      packetLoss: 0,
      jitterMs: 1,
      roundTripMs: 20,
      sampledAt,
    });
  }, 1);
  try {
    const [lists, asked] = [scene.lists, scene.times('a')];
    const sinceMs = Date.now();
    await until('some rounds have gone by', () => Date.now() - sinceMs > 40 * POLL_MS);
    // A busy machine may be late with the one or the other.
    expect(scene.lists - lists).toBeLessThan(20);
    expect(scene.times('a') - asked).toBeLessThan(20);
  } finally {
    clearInterval(telling);
  }
});

test('one after the other, no faster than that, and sessions that are over are forgotten', async () => {
  const sinceMs = performance.now();
  await using scene = new Scene(['a', 'b', 'c', 'd', 'e'], () => undefined, 40);
  await until('all have been asked about', () => scene.asked.length >= 5);
  expect(scene.asked.slice(0, 5)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(performance.now() - sinceMs).toBeGreaterThan(4 * 40);
  scene.legs = ['e'];
  await until('the others are forgotten', () => scene.watch.qualities.length === 1);
});
