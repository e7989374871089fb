import { expect, jest, test } from '@jest/globals';
import { MediaWatch } from '../../directory/media-watch.js';
import type { RunningSession } from '../../directory/running-sessions.js';
import { newSessionMedia } from '../../domain/media.js';
import type { MediaAffinity, MediaNews, SessionMedia } from '../../domain/media.js';
import type { MediaHome } from '../../domain/media-placement.js';
import type { LegSample } from '../../domain/notifications.js';
import type { MediaMetrics } from '../../domain/platform-wire.js';
import { snapshot } from '../support/snapshot.js';

const LIMITS = { packetLoss: 0.03, jitterMs: 30, badSamples: 3, goodSamples: 6, changesPerMinute: 4 };
const HOME: MediaHome = { primary: 'near', sameRegion: ['nearby'] };

function running(
  leg: string,
  affinity: MediaAffinity = 'primary',
  mediaServerGroupId: string | null = 'near',
  shown: Partial<SessionMedia> = {},
): RunningSession {
  const session = {
    ...snapshot(),
    monitorSessionId: leg,
    media: { ...newSessionMedia({ mediaServerGroupId, affinity, fallback: null }), ...shown },
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
  readonly samplesTold: LegSample[] = [];
  listed: RunningSession[] = [];
  home: MediaHome | null = HOME;
  homeAsked = 0;
  fails = 0;
  listFails = 0;
  /** Nothing is answered before that. */
  gate: Promise<void> = Promise.resolve();
  answer = true;
  readonly watch: MediaWatch;

  constructor() {
    jest.useFakeTimers({ now: Date.UTC(2026, 10, 1) });
    this.watch = new MediaWatch({
      limits: LIMITS,
      sessions: {
        find: async (ids) => {
          this.lookups.push([...ids]);
          if (this.listFails > 0) {
            this.listFails -= 1;
            throw new Error('lists are out of order');
          }
          await this.gate;
          return this.listed.filter(({ monitorSessionId }) => ids.includes(monitorSessionId ?? ''));
        },
        tell: async (sessionId, news) => {
          if (this.fails > 0) {
            this.fails -= 1;
            throw new Error('Temporal is away');
          }
          this.told.push({ sessionId, news });
          await this.gate;
          return this.answer;
        },
      },
      homeOf: async () => {
        this.homeAsked += 1;
        await this.gate;
        return this.home;
      },
      onTrouble: (error) => this.troubles.push(error),
      onSample: (sample) => this.samplesTold.push(sample),
    });
  }

  [Symbol.dispose](): void {
    this.watch.clear();
    jest.useRealTimers();
  }

  /** Nothing is answered until what it returns is called. */
  hold(): () => void {
    let open = (): void => undefined;
    this.gate = new Promise((resolve) => (open = resolve));
    return open;
  }

  /** One sample, and all that follows from it within a second. */
  async sample(leg: string, network: Partial<MediaMetrics> = {}): Promise<void> {
    this.watch.sample({
      monitorSessionId: leg,
      packetLoss: 0.001,
      jitterMs: 3,
      roundTripMs: 30,
      sampledAt: new Date().toISOString(),
      ...network,
    });
    await jest.advanceTimersByTimeAsync(1_000);
  }

  async samples(count: number, leg: string, network: Partial<MediaMetrics> = {}): Promise<void> {
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
  expect(scene.homeAsked - before).toBeLessThanOrEqual(12);
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

const AGO = new Date(Date.UTC(2026, 9, 31)).toISOString();
const POOR_AT_20: Partial<SessionMedia> = {
  codec: { name: 'opus', bitrateBps: 20_000 },
  playoutDelayMs: 150,
  nackEnabled: true,
  quality: 'poor',
  sampledAt: AGO,
};

test('who takes over goes on from the bit rate that the session shows, and changes nothing for a minute', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1', 'primary', 'near', POOR_AT_20));
  await scene.samples(60, 'ms-1', { packetLoss: 0.2 });
  expect(scene.told).toEqual([]);
  await scene.sample('ms-1', { packetLoss: 0.2 });
  expect(scene.told.map(({ news }) => news.bitrateBps)).toEqual([12_000]);
});

test('a leg is rated with the jitter buffer that it has', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1', 'primary', 'near', { ...POOR_AT_20, quality: 'fair' }));
  // 73 in a buffer of 60 ms, 90 in one of 150.
  await scene.samples(61, 'ms-1', { packetLoss: 0, jitterMs: 29 });
  expect(scene.told.map(({ news }) => [news.quality, news.bitrateBps])).toEqual([['good', 20_000]]);
});

test('a leg that is listed again keeps what is known of it; a session without a leg is none', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1'));
  await scene.sample('ms-1');
  scene.watch.know(running('ms-1'));
  const other = running('ms-2');
  scene.watch.know({ ...other, session: other.session && { ...other.session, media: null } });
  await scene.samples(5, 'ms-1');
  expect(scene.told).toHaveLength(1);
  expect(scene.watch.qualities).toEqual(['good']);
});

test('news that comes while a session is told waits for its turn, and only the last of it is told', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1'));
  const open = scene.hold();
  await scene.sample('ms-1');
  await scene.samples(6, 'ms-1', { packetLoss: 0.2 });
  expect(scene.told).toHaveLength(1);
  open();
  await jest.advanceTimersByTimeAsync(1_000);
  expect(scene.told.map(({ news }) => [news.quality, news.bitrateBps])).toEqual([
    ['good', 32_000],
    ['poor', 12_000],
  ]);
});

test('news that comes while its place is looked up is not undone by it', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1', 'primary', 'near', { ...POOR_AT_20, codec: { name: 'opus', bitrateBps: 12_000 } }));
  // Poor, and its place is looked up once a minute; while it is, the leg becomes good.
  await scene.samples(119, 'ms-1', { packetLoss: 0.2 });
  const open = scene.hold();
  scene.home = { primary: 'far', sameRegion: [] };
  const asked = scene.homeAsked;
  await scene.samples(2, 'ms-1', { packetLoss: 0.2 });
  expect([scene.homeAsked, scene.told]).toEqual([asked + 1, []]);
  await scene.samples(6, 'ms-1');
  open();
  await jest.advanceTimersByTimeAsync(1_000);
  expect(scene.told.map(({ news }) => [news.quality, news.affinity])).toEqual([['good', 'primary']]);
});

test('where its call is: a leg that was far is looked up even when heard well, and what is told is told once', async () => {
  using scene = new Scene();
  scene.watch.know(running('ms-1', 'none'));
  await scene.sample('ms-1');
  expect(scene.told.at(-1)?.news.affinity).toBe('primary');
  scene.home = { primary: 'far', sameRegion: [] };
  scene.watch.know(running('ms-2'));
  await scene.samples(20, 'ms-2', { packetLoss: 0.2 });
  expect(scene.told.at(-1)?.news.affinity).toBe('none');
  const told = scene.told.length;
  await scene.samples(200, 'ms-2', { packetLoss: 0.2 });
  expect(scene.told).toHaveLength(told);
});

test('where its call is: stays as it was where nobody can tell, and is not asked of a leg in no group', async () => {
  using scene = new Scene();
  scene.home = null;
  scene.watch.know(running('ms-1'));
  await scene.samples(4, 'ms-1', { packetLoss: 0.2 });
  expect(scene.told.at(-1)?.news.affinity).toBe('primary');
  const asked = scene.homeAsked;
  scene.watch.know(running('ms-2', 'none', null));
  await scene.samples(4, 'ms-2', { packetLoss: 0.2 });
  expect(scene.homeAsked).toBe(asked);
});

test('legs are looked up a hundred at a time, and those that come meanwhile afterwards', async () => {
  using scene = new Scene();
  const meet = (leg: string): void => {
    const at = new Date().toISOString();
    const measures = { packetLoss: 0, jitterMs: 0, roundTripMs: 0, sampledAt: at };
    scene.watch.sample({ monitorSessionId: leg, ...measures });
  };
  for (let n = 0; n < 250; n += 1) meet(`ms-${n}`);
  const open = scene.hold();
  await jest.advanceTimersByTimeAsync(300);
  meet('late');
  open();
  await jest.advanceTimersByTimeAsync(300);
  expect(scene.lookups.map(({ length }) => length)).toEqual([100, 100, 50, 1]);
});

test('a lookup that fails is told of, and the next sample asks again', async () => {
  using scene = new Scene();
  scene.listed = [running('ms-1')];
  scene.listFails = 1;
  await scene.sample('ms-1');
  expect(scene.troubles).toHaveLength(1);
  await scene.samples(2, 'ms-1');
  expect(scene.told).toHaveLength(1);
});

test('who hands over and takes it up again looks legs up anew', async () => {
  using scene = new Scene();
  scene.listed = [running('ms-1')];
  scene.watch.sample({
    monitorSessionId: 'ms-1',
    packetLoss: 0,
    jitterMs: 0,
    roundTripMs: 0,
    sampledAt: AGO,
  });
  scene.watch.clear();
  await scene.samples(2, 'ms-1');
  expect(scene.lookups).toEqual([['ms-1']]);
  expect(scene.told).toHaveLength(1);
});

test('a leg that was found just now is not forgotten for not having been heard of', async () => {
  using scene = new Scene();
  scene.watch.know(running('a'));
  await jest.advanceTimersByTimeAsync(599_000);
  scene.watch.know(running('new'));
  await scene.samples(3, 'a');
  expect(scene.watch.silentFor(2_500).map(({ monitorSessionId }) => monitorSessionId)).toEqual(['new']);
});

test('a leg whose session is over is looked for at once if it is heard of again', async () => {
  using scene = new Scene();
  scene.listed = [running('ms-1')];
  scene.answer = false;
  await scene.samples(3, 'ms-1');
  expect(scene.told).toHaveLength(1);
  expect(scene.lookups).toHaveLength(2);
});

test('each sample of a known leg is told on with its session, but none that is late or was there before', async () => {
  using scene = new Scene();
  await scene.sample('ms-1');
  expect(scene.samplesTold).toEqual([]);
  scene.watch.know(running('ms-1'));
  const sampledAt = new Date().toISOString();
  await scene.sample('ms-1', { sampledAt });
  await scene.sample('ms-1', { sampledAt });
  await scene.sample('ms-1', { sampledAt: AGO });
  await scene.sample('ms-1', { packetLoss: 0.2 });
  const { sessionId } = running('ms-1');
  const leg = { sessionId, monitorSessionId: 'ms-1', jitterMs: 3, roundTripMs: 30, quality: 'good' };
  expect(scene.samplesTold).toEqual([
    { ...leg, sampledAt, packetLoss: 0.001 },
    { ...leg, sampledAt: expect.any(String), packetLoss: 0.2 },
  ]);
});
