import { expect, jest, test } from '@jest/globals';
import { MediaWatch } from '../../directory/media-watch.js';
import type { LegSample } from '../../directory/media-watch.js';
import type { RunningSession } from '../../directory/running-sessions.js';
import { newSessionMedia } from '../../domain/media.js';
import type { MediaAffinity, MediaNews } from '../../domain/media.js';
import type { MediaHome } from '../../domain/media-placement.js';
import { snapshot } from '../support/snapshot.js';

const LIMITS = { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 6, changesPerMinute: 4 };
const HOME: MediaHome = { primary: 'near', sameRegion: ['nearby'] };

function running(leg: string, affinity: MediaAffinity = 'primary', mediaServerGroupId = 'near'): RunningSession {
  const session = {
    ...snapshot(),
    monitorSessionId: leg,
    media: newSessionMedia({ mediaServerGroupId, affinity, fallback: null }),
  };
  const { sessionId, interactionId, runId } = session;
  return {
    sessionId: `${sessionId}-${leg}`,
    interactionId,
    session,
    runId,
    startedAtMs: 0,
    start: 'resolved',
    monitorSessionId: leg,
  };
}

/** A watch whose clock is the test's. */
class Scene {
  readonly told: { readonly sessionId: string; readonly news: MediaNews }[] = [];
  readonly lookups: string[][] = [];
  readonly troubles: unknown[] = [];
  listed: RunningSession[] = [];
  home: MediaHome | null = HOME;
  homeAsked = 0;
  fails = 0;
  answer = true;
  readonly watch: MediaWatch;

  constructor() {
    jest.useFakeTimers({ now: Date.UTC(2026, 10, 1) });
    this.watch = new MediaWatch({
      limits: LIMITS,
      sessions: {
        find: (ids) => {
          this.lookups.push([...ids]);
          return Promise.resolve(this.listed.filter(({ monitorSessionId }) => ids.includes(monitorSessionId ?? '')));
        },
        tell: (sessionId, news) => {
          if (this.fails > 0) {
            this.fails -= 1;
            return Promise.reject(new Error('Temporal is away'));
          }
          this.told.push({ sessionId, news });
          return Promise.resolve(this.answer);
        },
      },
      homeOf: () => {
        this.homeAsked += 1;
        return Promise.resolve(this.home);
      },
      onTrouble: (error) => this.troubles.push(error),
    });
  }

  [Symbol.dispose](): void {
    this.watch.clear();
    jest.useRealTimers();
  }

  /** One sample, and all that follows from it within a second. */
  async sample(leg: string, network: Partial<LegSample> = {}): Promise<void> {
    this.watch.sample({
      interactionId: 'int-1',
      monitorSessionId: leg,
      packetLoss: 0.001,
      jitterMs: 3,
      roundTripMs: 30,
      sampledAt: new Date().toISOString(),
      ...network,
    });
    await jest.advanceTimersByTimeAsync(1_000);
  }

  async samples(count: number, leg: string, network: Partial<LegSample> = {}): Promise<void> {
    for (let n = 0; n < count; n += 1) await this.sample(leg, network);
  }
}

const BAD = { packetLoss: 0.12 };

test('samples of a leg that somebody listens to find its session, whom the next one tells', async () => {
  using scene = new Scene();
  scene.listed = [running('ms-1')];
  await scene.sample('ms-1');
  expect(scene.lookups).toEqual([['ms-1']]);
  await scene.samples(20, 'ms-1');
  expect(scene.told.map(({ sessionId, news }) => [sessionId, news.quality, news.bitrateBps])).toEqual([
    [running('ms-1').sessionId, 'good', 32_000],
  ]);
  expect(scene.lookups).toHaveLength(1);
});

test('legs that are nobody’s are looked up together, and ever more seldom', async () => {
  using scene = new Scene();
  for (let second = 0; second < 900; second += 1) {
    for (const leg of ['a', 'b']) {
      scene.watch.sample({
        interactionId: 'i',
        monitorSessionId: leg,
        packetLoss: 0,
        jitterMs: 0,
        roundTripMs: 0,
        sampledAt: new Date().toISOString(),
      });
    }
    await jest.advanceTimersByTimeAsync(1_000);
  }
  for (const legs of scene.lookups) expect(legs.toSorted()).toEqual(['a', 'b']);
  // At once, after 2, 5 and 30 s, then every five minutes.
  expect(scene.lookups.length).toBeGreaterThanOrEqual(5);
  expect(scene.lookups.length).toBeLessThanOrEqual(7);
});

test('what could not be told is told with the next sample, as it is then', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1'));
  await scene.sample('ms-1');
  scene.fails = 1;
  await scene.samples(3, 'ms-1', BAD);
  expect(scene.troubles).toHaveLength(1);
  expect(scene.told).toHaveLength(1);
  await scene.sample('ms-1', BAD);
  expect(scene.told).toHaveLength(2);
  expect(scene.told[1]?.news).toMatchObject({ bitrateBps: 20_000, packetLoss: 0.12 });
});

test('a session that is over is told nothing more, and its leg is looked for anew', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1'));
  scene.answer = false;
  await scene.sample('ms-1');
  await scene.samples(5, 'ms-1', BAD);
  expect(scene.told).toHaveLength(1);
  expect(scene.lookups.flat()).toContain('ms-1');
});

test('worse: where its call is carried is looked up; well heard near it: not', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1'));
  await scene.sample('ms-1');
  expect(scene.homeAsked).toBe(0);
  scene.home = { primary: 'far', sameRegion: [] };
  await scene.samples(3, 'ms-1', BAD);
  expect(scene.homeAsked).toBe(1);
  expect(scene.told.at(-1)?.news).toMatchObject({ affinity: 'none' });
});

test('an answer that was too old is asked for again after a minute, while the leg is not heard well', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1'));
  await scene.samples(10, 'ms-1', { packetLoss: 0.08 });
  const asked = scene.homeAsked;
  scene.home = { primary: 'far', sameRegion: ['near'] };
  await scene.samples(70, 'ms-1', { packetLoss: 0.08 });
  expect(scene.homeAsked - asked).toBeLessThanOrEqual(2);
  expect(scene.told.at(-1)?.news.affinity).toBe('same-region');
});

test('of many legs that are heard badly no more than two a second are placed anew', async () => {
  using scene = new Scene();
  const legs = Array.from({ length: 50 }, (_, index) => `ms-${index}`);
  for (const leg of legs) scene.watch.know(running(leg));
  const round = async (): Promise<void> => {
    for (const leg of legs) {
      scene.watch.sample({
        interactionId: leg,
        monitorSessionId: leg,
        packetLoss: 0.08,
        jitterMs: 5,
        roundTripMs: 60,
        sampledAt: new Date().toISOString(),
      });
    }
    await jest.advanceTimersByTimeAsync(5_000);
  };
  for (let n = 0; n < 20; n += 1) await round();
  const before = scene.homeAsked;
  for (let n = 0; n < 12; n += 1) await round();
  expect(scene.homeAsked - before).toBeLessThanOrEqual(12 * 10);
  expect(scene.homeAsked - before).toBeGreaterThan(0);
});

test('which legs were not heard of', async () => {
  using scene = new Scene();
  for (const leg of ['a', 'b', 'c']) scene.watch.know(running(leg));
  await scene.sample('b');
  await scene.sample('a');
  expect(scene.watch.silentFor(1_500).map(({ monitorSessionId }) => monitorSessionId)).toEqual(['c', 'b']);
  expect(scene.watch.qualities.toSorted()).toEqual(['good', 'good', null]);
  // Sessions that ended long ago leave nothing behind.
  await jest.advanceTimersByTimeAsync(700_000);
  await scene.sample('a');
  expect(scene.watch.silentFor(0)).toEqual([]);
});
