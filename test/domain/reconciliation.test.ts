import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judge, ORPHAN_AFTER_MS } from '../../domain/reconciliation.js';
import type { Findings, ListedSession } from '../../domain/reconciliation.js';
import { nextWatermark, SWEEP_OVERLAP_MS } from '../../domain/sweep.js';
import type { LegState } from '../../domain/platform-wire.js';
import type { SessionSnapshot } from '../../domain/session.js';
import { snapshot } from '../support/snapshot.js';

const OURS = 'our-client';
const NOW_MS = 1_000_000_000;
const LEGS = ['ms-1', 'ms-2', 'ms-3', 'ms-4'] as const;
const AT = '2026-11-01T00:00:00.000Z';

const leg = (monitorSessionId: string, over: Partial<LegState> = {}): LegState => ({
  monitorSessionId,
  status: 'active',
  mode: 'silent',
  mediaServerGroupId: null,
  clientId: OURS,
  ...over,
});

const listed = (
  monitorSessionId: string | null,
  over: Partial<SessionSnapshot> = {},
  start: ListedSession['start'] = 'resolved',
): ListedSession => ({
  sessionId: `session-of-${monitorSessionId ?? 'none'}`,
  monitorSessionId,
  start,
  session: snapshot({ monitorSessionId, ...over }),
});

const findings = (over: Partial<Findings> & { legs?: LegState[] } = {}): Findings => {
  const { legs = [], ...rest } = over;
  return {
    state: { interactionId: 'i', bargeStatus: 'inactive', bargeMonitorSessionId: null, monitors: legs },
    sessions: [],
    clientId: OURS,
    unknownBefore: [],
    nowMs: NOW_MS,
    ...rest,
  };
};
const seenSince = (monitorSessionId: string, sinceMs: number) => ({ interactionId: 'i', monitorSessionId, sinceMs });
const LONG_AGO_MS = NOW_MS - ORPHAN_AFTER_MS;

describe('a leg is stopped only if', () => {
  const anyFindings = fc
    .record({
      legs: fc.uniqueArray(
        fc.record({
          monitorSessionId: fc.constantFrom(...LEGS),
          status: fc.constantFrom('pending' as const, 'active' as const, 'failed' as const, 'terminated' as const),
          clientId: fc.constantFrom(OURS, 'another'),
        }),
        { selector: ({ monitorSessionId }) => monitorSessionId },
      ),
      sessions: fc.array(
        fc.record({
          monitorSessionId: fc.option(fc.constantFrom(...LEGS)),
          start: fc.constantFrom('unresolved' as const, 'ambiguous' as const, 'resolved' as const, 'resolved' as const),
          isReadable: fc.boolean(),
        }),
      ),
      unknownBefore: fc.uniqueArray(
        fc.record({
          monitorSessionId: fc.constantFrom(...LEGS),
          ageMs: fc.integer({ min: 0, max: 2 * ORPHAN_AFTER_MS }),
        }),
        { selector: ({ monitorSessionId }) => monitorSessionId },
      ),
    })
    .map(({ legs, sessions, unknownBefore }) =>
      findings({
        legs: legs.map(({ monitorSessionId, ...over }) => leg(monitorSessionId, over)),
        sessions: sessions.map(({ monitorSessionId, start, isReadable }) => {
          const one = listed(monitorSessionId, {}, start);
          return isReadable ? one : { ...one, session: undefined };
        }),
        unknownBefore: unknownBefore.map(({ monitorSessionId, ageMs }) => seenSince(monitorSessionId, NOW_MS - ageMs)),
      }),
    );

  test('it is live, ours, nobody’s, has been so for a while in the round before too, and no start may have made it', () => {
    let stopped = 0;
    fc.assert(
      fc.property(anyFindings, (found) => {
        for (const id of judge(found).orphans) {
          stopped += 1;
          expect(found.state.monitors.find((one) => one.monitorSessionId === id)).toMatchObject({
            clientId: OURS,
            status: expect.stringMatching(/^(pending|active)$/),
          });
          expect(found.sessions.some(({ monitorSessionId }) => monitorSessionId === id)).toBe(false);
          expect(found.sessions.every(({ start }) => start === 'resolved')).toBe(true);
          const before = found.unknownBefore.find((one) => one.monitorSessionId === id);
          expect(NOW_MS - (before?.sinceMs ?? NOW_MS)).toBeGreaterThanOrEqual(ORPHAN_AFTER_MS);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(stopped).toBeGreaterThan(20);
  });

  test('and every other one that may be an orphan is remembered with when it was first seen', () => {
    fc.assert(
      fc.property(anyFindings, (found) => {
        const { orphans, unknown } = judge(found);
        const owned = new Set(found.sessions.map(({ monitorSessionId }) => monitorSessionId));
        const ours = found.state.monitors.filter(
          ({ clientId, status, monitorSessionId }) =>
            clientId === OURS && (status === 'pending' || status === 'active') && !owned.has(monitorSessionId),
        );
        const all = [...orphans, ...unknown.map(({ monitorSessionId }) => monitorSessionId)];
        expect(all.toSorted()).toEqual(ours.map(({ monitorSessionId }) => monitorSessionId).toSorted());
        for (const { monitorSessionId, sinceMs } of unknown) {
          const before = found.unknownBefore.find((one) => one.monitorSessionId === monitorSessionId);
          expect(sinceMs).toBe(before?.sinceMs ?? NOW_MS);
        }
      }),
    );
  });
});

test('an orphan is stopped in the second round at the earliest, and not before its time', () => {
  const orphan = [leg('ms-1')];
  expect(judge(findings({ legs: orphan })).orphans).toEqual([]);
  const early = findings({ legs: orphan, unknownBefore: [seenSince('ms-1', LONG_AGO_MS + 1)] });
  expect(judge(early).orphans).toEqual([]);
  const due = findings({ legs: orphan, unknownBefore: [seenSince('ms-1', LONG_AGO_MS)] });
  expect(judge(due)).toEqual({ mistaken: [], orphans: ['ms-1'], unknown: [] });
});

test.each([
  ['all is as it shows', listed('ms-1'), [leg('ms-1')], false],
  ['its leg is not there', listed('ms-1'), [], true],
  ['its leg has ended', listed('ms-1'), [leg('ms-1', { status: 'terminated' })], true],
  ['its leg speaks', listed('ms-1'), [leg('ms-1', { mode: 'barge' })], true],
  ['who may speak has changed', listed('ms-1', { bargeStatus: 'active' }), [leg('ms-1')], true],
  ['it is waiting for its leg anyway', listed('ms-1', { state: 'PENDING' }), [], false],
  ['it is ending', listed('ms-1', { ending: { reason: 'stopped', since: AT } }), [], false],
  ['it cannot be read', { ...listed('ms-1'), session: undefined }, [], false],
] as const)('a session is told to look unless %s', (_name, session, legs, expected) => {
  expect(judge(findings({ sessions: [session], legs: [...legs] })).mistaken).toHaveLength(expected ? 1 : 0);
});

describe('from when the next sweep looks', () => {
  const ms = (at: string | null): number => (at === null ? Number.NEGATIVE_INFINITY : Date.parse(at));
  const anyTime = fc.option(fc.integer({ min: 0, max: 2 * NOW_MS }).map((at) => new Date(at).toISOString()));

  test('never goes back, nor further than the overlap before the newest end, nor past our own clock', () => {
    fc.assert(
      fc.property(anyTime, anyTime, (before, newest) => {
        const next = ms(nextWatermark(before, newest, NOW_MS));
        expect(next).toBeGreaterThanOrEqual(ms(before));
        if (newest === null) expect(next).toBe(ms(before));
        else expect(next).toBe(Math.max(ms(before), Math.min(ms(newest), NOW_MS) - SWEEP_OVERLAP_MS));
      }),
    );
  });
});
