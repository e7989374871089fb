import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { newsIn, NO_STORY, withEvent } from '../../domain/interaction-story.js';
import { isUrgentTo, newsTo } from '../../domain/leg-news.js';
import type { LegNews } from '../../domain/leg-news.js';
import { parseCallEvent } from '../../domain/platform-events.js';
import type { MonitorEvent, CallEvent } from '../../domain/platform-events.js';
import type { SessionSnapshot } from '../../domain/session.js';
import { snapshot as session } from '../support/snapshot.js';

const OWN = 'ms-own';
const AT = '2026-11-01T00:00:00.000Z';

const waiting = (position: number): SessionSnapshot =>
  session({ bargeStatus: 'active', waiting: { mode: 'barge', position, expiresAt: AT } });
const news = (over: Partial<LegNews> = {}): LegNews => ({
  monitorSessionId: OWN,
  status: 'active',
  mode: 'silent',
  bargeStatus: 'inactive',
  ...over,
});
const pending = (monitorSessionId: string | null): SessionSnapshot => session({ state: 'PENDING', monitorSessionId });

describe('what an event of a leg is to a session', () => {
  test.each([
    ['what it shows already', session(), news(), undefined],
    ['its leg has ended', session(), news({ status: 'terminated' }), 'leg'],
    ['its leg failed', session(), news({ status: 'failed' }), 'leg'],
    ['its leg speaks', session(), news({ mode: 'barge', bargeStatus: 'active' }), 'leg'],
    ['another leg has ended', session(), news({ monitorSessionId: 'ms-2', status: 'terminated' }), undefined],
    [
      'another leg speaks',
      session(),
      news({ monitorSessionId: 'ms-2', mode: 'barge', bargeStatus: 'active' }),
      'channel',
    ],
    ['its pending leg is active', pending(OWN), news(), 'leg'],
    ['its pending leg is pending', pending(OWN), news({ status: 'pending' }), undefined],
    ['a leg that may be its own is active', pending(null), news({ monitorSessionId: 'ms-2' }), 'leg'],
    ['another leg is active while its own is pending', pending(OWN), news({ monitorSessionId: 'ms-2' }), undefined],
    [
      'its end is under way',
      session({ ending: { reason: 'stopped', since: AT } }),
      news({ status: 'failed' }),
      undefined,
    ],
    ['it is over', session({ state: 'TERMINATED' }), news({ status: 'terminated' }), undefined],
  ] as const)('%s', (_name, shown, told, expected) => {
    expect(newsTo(shown, told)).toBe(expected);
  });

  test('who speaks is urgent to the next in line, and to nobody else', () => {
    const free = news({ monitorSessionId: 'ms-2' });
    expect(isUrgentTo(waiting(1), free)).toBe(true);
    expect(isUrgentTo(waiting(2), free)).toBe(false);
    expect(isUrgentTo(session({ bargeStatus: 'active' }), free)).toBe(false);
    // What it may have done itself is not.
    expect(isUrgentTo(session(), news({ status: 'terminated' }))).toBe(false);
    expect(isUrgentTo(session(), news({ mode: 'barge', bargeStatus: 'active' }))).toBe(false);
    expect(isUrgentTo(pending(OWN), news())).toBe(true);
    expect(isUrgentTo(pending(OWN), news({ status: 'pending' }))).toBe(false);
  });
});

const anyMonitorEvent: fc.Arbitrary<MonitorEvent> = fc
  .record({
    leg: fc.constantFrom(OWN, 'ms-2', 'ms-3'),
    second: fc.integer({ min: 0, max: 59 }),
    status: fc.constantFrom('pending' as const, 'active' as const, 'failed' as const, 'terminated' as const),
    mode: fc.constantFrom('silent' as const, 'whisper' as const, 'barge' as const),
  })
  .map(({ leg, second, status, mode }) => ({
    topic: 'interaction.telephony.monitor',
    id: 'evt',
    timestamp: `2026-11-01T00:00:${String(second).padStart(2, '0')}.000Z`,
    data: {
      interactionId: 'i',
      monitorSessionId: leg,
      status,
      mode,
      bargeStatus: mode === 'silent' ? 'inactive' : 'active',
    },
  }));
const ended: CallEvent = {
  topic: 'interaction.telephony.ended',
  id: 'e',
  timestamp: AT,
  data: { interactionId: 'i' },
};

describe('what is known of a call', () => {
  const told = (events: readonly CallEvent[]) => events.reduce(withEvent, NO_STORY);
  /** One event a second and leg: of two at the same time either may be the last. */
  const distinct = fc.uniqueArray(anyMonitorEvent, {
    selector: ({ timestamp, data }) => `${timestamp} ${data.monitorSessionId}`,
  });

  test('is the latest of each leg, whatever comes late or twice', () => {
    fc.assert(
      fc.property(distinct, fc.array(fc.nat()), (events, shuffle) => {
        const latest = told(events.toSorted((one, other) => one.timestamp.localeCompare(other.timestamp)));
        const order = events.map((event, index) => ({ event, key: shuffle[index] ?? 0 }));
        const shuffled = order.toSorted((one, other) => one.key - other.key).map(({ event }) => event);
        const late = told([...shuffled, ...shuffled]);
        expect(new Map([...late.legs].toSorted())).toEqual(new Map([...latest.legs].toSorted()));
      }),
    );
  });

  test('that it is over is never taken back', () => {
    fc.assert(
      fc.property(fc.array(anyMonitorEvent), fc.array(anyMonitorEvent), (before, after) => {
        expect(told([...before, ended, ...after]).ended).toBe('ended');
      }),
    );
  });

  test('a session hears of its own leg and of who may speak now, and one without a leg of all of them', () => {
    fc.assert(
      fc.property(fc.array(anyMonitorEvent, { minLength: 1 }), (events) => {
        const story = told(events);
        const ids = (found: readonly LegNews[]) => found.map(({ monitorSessionId }) => monitorSessionId);
        expect(ids(newsIn(story, undefined)).toSorted()).toEqual([...story.legs.keys()].toSorted());
        const own = ids(newsIn(story, session()));
        expect(own.includes(OWN)).toBe(story.legs.has(OWN));
        const newestMs = Math.max(...[...story.legs.values()].map(({ atMs }) => atMs));
        for (const [id, { atMs }] of story.legs) if (atMs === newestMs) expect(own).toContain(id);
      }),
    );
  });
});

describe('an event as it comes', () => {
  const monitor = {
    id: 'evt-1',
    topic: 'interaction.telephony.monitor',
    timestamp: AT,
    data: { interactionId: 'i', monitorSessionId: OWN, status: 'active', mode: 'silent', bargeStatus: 'inactive' },
  };

  test('with more than is documented is taken without it', () => {
    const more = { ...monitor, version: 2, data: { ...monitor.data, colour: 'blue' } };
    expect(parseCallEvent(more)).toEqual(monitor);
  });

  test('of a topic that means nothing here is none', () => {
    expect(parseCallEvent({ topic: 'interaction.telephony.media-metrics' })).toBeUndefined();
  });

  test.each([
    undefined,
    null,
    'text',
    [],
    {},
    { ...monitor, timestamp: 'yesterday' },
    { ...monitor, data: { ...monitor.data, status: 'humming' } },
    { ...monitor, data: { ...monitor.data, monitorSessionId: '' } },
    { ...monitor, data: { ...monitor.data, interactionId: "x' OR 1=1" } },
  ])('that is not as documented is refused: %j', (content) => {
    expect(() => parseCallEvent(content)).toThrow();
  });
});
