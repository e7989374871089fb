import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decideClaim } from '../../domain/lost-start.js';
import type { NeighbouringSession } from '../../domain/lost-start.js';
import type { LegState } from '../../domain/platform-wire.js';

const OURS = 'our-client';

function leg(monitorSessionId: string, over: Partial<LegState> = {}): LegState {
  return {
    monitorSessionId,
    status: 'pending',
    mode: 'silent',
    mediaServerGroupId: null,
    clientId: OURS,
    ...over,
  };
}

const self = { runId: 'run-self', startedAtMs: 1_000 };
const neighbour = (over: Partial<NeighbouringSession>): NeighbouringSession => ({
  runId: 'run-other',
  startedAtMs: 1_000,
  start: 'resolved',
  monitorSessionId: null,
  ...over,
});

const decide = (legs: LegState[], neighbours: NeighbouringSession[] = [], seenBefore?: string[]) =>
  decideClaim({
    self,
    clientId: OURS,
    seenAtMs: 10_000,
    seenBefore: seenBefore ?? legs.map((one) => one.monitorSessionId),
    legs,
    neighbours,
  });

test.each(['pending', 'active'] as const)('the one %s leg that nobody owns is adopted', (status) => {
  expect(decide([leg('ms-1', { status })])).toEqual({ kind: 'adopt', monitorSessionId: 'ms-1', surplus: [] });
});

test.each([
  ['another client’s', leg('ms-1', { clientId: 'other' })],
  ['an unnamed client’s', leg('ms-1', { clientId: null })],
  ['a failed', leg('ms-1', { status: 'failed' })],
  ['a terminated', leg('ms-1', { status: 'terminated' })],
])('%s leg is never adopted', (_, other) => {
  expect(decide([other])).toEqual({ kind: 'none' });
});

test('a leg of a running session is never adopted', () => {
  expect(decide([leg('ms-1')], [neighbour({ monitorSessionId: 'ms-1' })])).toEqual({ kind: 'none' });
});

test('a leg that was not there at the first look belongs to somebody who started later', () => {
  expect(decide([leg('ms-1')], [], [])).toEqual({ kind: 'none' });
});

test('a neighbour whose answer is under way may still be told of the leg', () => {
  expect(decide([leg('ms-1')], [neighbour({ start: 'unresolved', startedAtMs: 9_999 })])).toEqual({ kind: 'wait' });
});

test('a neighbour that started after the first look is not waited for: it cannot own what was there', () => {
  expect(decide([leg('ms-1')], [neighbour({ start: 'unresolved', startedAtMs: 10_001 })])).toEqual({
    kind: 'adopt',
    monitorSessionId: 'ms-1',
    surplus: [],
  });
});

test('the order in which the platform lists legs changes nothing', () => {
  expect(decide([leg('ms-2'), leg('ms-1')])).toEqual(decide([leg('ms-1'), leg('ms-2')]));
});

test('of sessions that are all in doubt the oldest decides first, and leaves the others theirs', () => {
  const older = neighbour({ start: 'ambiguous', startedAtMs: 1 });
  const younger = neighbour({ start: 'ambiguous', startedAtMs: 5_000 });
  expect(decide([leg('ms-1'), leg('ms-2')], [older])).toEqual({ kind: 'wait' });
  expect(decide([leg('ms-1'), leg('ms-2'), leg('ms-3')], [younger])).toEqual({
    kind: 'adopt',
    monitorSessionId: 'ms-1',
    surplus: ['ms-3'],
  });
});

test('of two in doubt that started at the same time one decides first', () => {
  const rival = (runId: string) => neighbour({ start: 'ambiguous', startedAtMs: self.startedAtMs, runId });
  expect(decide([leg('ms-1'), leg('ms-2')], [rival('run-a')])).toEqual({ kind: 'wait' });
  expect(decide([leg('ms-1'), leg('ms-2')], [rival('run-z')])).toMatchObject({ kind: 'adopt' });
});

test('a neighbour that has its leg spares no orphan', () => {
  expect(decide([leg('ms-1'), leg('ms-2'), leg('ms-3')], [neighbour({ monitorSessionId: 'ms-3' })])).toEqual({
    kind: 'adopt',
    monitorSessionId: 'ms-1',
    surplus: ['ms-2'],
  });
});

test('any number of sessions in doubt adopt each leg at most once, and come to an end', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.record({ at: fc.nat(3), made: fc.boolean() }), {
        minLength: 1,
        maxLength: 6,
        selector: JSON.stringify,
      }),
      fc.nat(2),
      (starts, orphans) => {
        interface Doubtful {
          readonly place: typeof self;
          readonly made: string | undefined;
          start: NeighbouringSession['start'];
          monitorSessionId: string | null;
        }
        const sessions = starts.map<Doubtful>(({ at, made }, index) => ({
          place: { runId: `run-${index}`, startedAtMs: at },
          made: made ? `ms-${index}` : undefined,
          start: 'ambiguous',
          monitorSessionId: null,
        }));
        let legs = [
          ...sessions.flatMap(({ made }) => (made === undefined ? [] : [leg(made)])),
          ...Array.from({ length: orphans }, (_, index) => leg(`ms-orphan-${index}`)),
        ];
        const seenBefore = legs.map((one) => one.monitorSessionId);
        for (let round = 0; sessions.some(({ start }) => start === 'ambiguous'); round += 1) {
          expect(round).toBeLessThanOrEqual(sessions.length);
          for (const session of sessions.filter(({ start }) => start === 'ambiguous')) {
            const neighbours = sessions
              .filter((other) => other !== session)
              .map(({ place, start, monitorSessionId }) => ({ ...place, start, monitorSessionId }));
            const decision = decideClaim({
              self: session.place,
              clientId: OURS,
              seenBefore,
              seenAtMs: 10_000,
              legs,
              neighbours,
            });
            if (decision.kind === 'wait') continue;
            session.start = 'resolved';
            if (decision.kind === 'none') continue;
            session.monitorSessionId = decision.monitorSessionId;
            legs = legs.filter((one) => !decision.surplus.includes(one.monitorSessionId));
          }
        }
        const adopted = sessions.flatMap(({ monitorSessionId }) => monitorSessionId ?? []);
        expect(new Set(adopted).size).toBe(adopted.length);
        // Nobody lost a leg that was stopped as surplus, and what nobody owns is gone.
        expect(adopted.length).toBe(Math.min(sessions.length, seenBefore.length));
        expect(legs.map((one) => one.monitorSessionId).sort()).toEqual(adopted.sort());
      },
    ),
  );
});
