import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { affinityOf, homeIn, placementOf, planPlacement } from '../../domain/media-placement.js';
import type { MediaServerGroup } from '../../domain/platform-wire.js';

const group = (id: string, region: string | null, over: Partial<MediaServerGroup> = {}): MediaServerGroup => ({
  id,
  region,
  state: 'available',
  primary: false,
  ...over,
});
const GROUPS = [
  group('us-1', 'us', { primary: true }),
  group('us-2', 'us'),
  group('us-3', 'us'),
  group('us-4', 'us'),
  group('eu-1', 'eu'),
];
const withPrimary = (state: MediaServerGroup['state']) => GROUPS.map((one) => (one.primary ? { ...one, state } : one));
const preferred = (mediaServerGroupId?: string) => ({
  isStrict: false,
  ...(mediaServerGroupId === undefined ? {} : { mediaServerGroupId }),
});

describe('without a wish', () => {
  test('the leg goes to the group that carries the call, else to another of its region, else anywhere', () => {
    const plan = planPlacement(GROUPS, preferred());
    expect(plan).toMatchObject({ wanted: 'us-1', candidates: ['us-1', 'us-2', 'us-3', null] });
    expect(plan && placementOf(plan, 0)).toMatchObject({ mediaServerGroupId: 'us-1', fallback: null });
    expect(plan && placementOf(plan, 1).fallback).toEqual({ wanted: 'us-1', reason: 'unavailable' });
    expect(plan && placementOf(plan, 3)).toMatchObject({ mediaServerGroupId: null, fallback: { wanted: 'us-1' } });
  });

  test.each(['draining', 'down'] as const)('a group that is %s is not asked, and that is told', (state) => {
    const plan = planPlacement(withPrimary(state), preferred());
    expect(plan?.candidates).toEqual(['us-2', 'us-3', null]);
    expect(plan && placementOf(plan, 0).fallback).toEqual({ wanted: 'us-1', reason: state });
    expect(plan && placementOf(plan, 2).fallback).toEqual({ wanted: 'us-1', reason: state });
  });

  test.each([
    ['nobody could look it up', undefined],
    ['there are no groups', []],
    ['none of them carries the call', GROUPS.filter(({ primary }) => !primary)],
  ] as const)('%s: the platform chooses, and that is told', (_, groups) => {
    const plan = planPlacement(groups, preferred());
    expect(plan).toMatchObject({ home: null, wanted: null, candidates: [null] });
    expect(plan && placementOf(plan, 0).fallback).toEqual({ wanted: null, reason: 'lookup-failed' });
  });
});

describe('a wish', () => {
  test('is asked for first, whatever is known of it; then comes the call’s own group', () => {
    const plan = planPlacement(GROUPS, preferred('eu-1'));
    expect(plan?.candidates).toEqual(['eu-1', 'us-1', 'us-2', 'us-3', null]);
    expect(plan && placementOf(plan, 0).fallback).toBeNull();
    expect(plan && placementOf(plan, 1).fallback).toEqual({ wanted: 'eu-1', reason: 'unavailable' });
    const blind = planPlacement(undefined, preferred('eu-1'));
    expect(blind?.candidates).toEqual(['eu-1', null]);
    expect(blind && placementOf(blind, 1).fallback).toEqual({ wanted: 'eu-1', reason: 'unavailable' });
    const nowhere = planPlacement(GROUPS, preferred('nowhere'));
    expect(nowhere && placementOf(nowhere, 1).fallback).toEqual({ wanted: 'nowhere', reason: 'unknown' });
    const drained = planPlacement(withPrimary('draining'), preferred('us-1'));
    expect(drained && placementOf(drained, 0).fallback).toBeNull();
    expect(drained && placementOf(drained, 1).fallback).toEqual({ wanted: 'us-1', reason: 'draining' });
    expect(planPlacement(withPrimary('down'), preferred('us-1'))?.candidates).toEqual(['us-1', 'us-2', 'us-3', null]);
  });

  test('that is strict has no alternative', () => {
    expect(planPlacement(GROUPS, { ...preferred('eu-1'), isStrict: true })?.candidates).toEqual(['eu-1']);
    expect(planPlacement(GROUPS, { isStrict: true })?.candidates).toEqual(['us-1']);
    expect(planPlacement(withPrimary('down'), { isStrict: true })?.candidates).toEqual(['us-1']);
    expect(planPlacement(undefined, { isStrict: true })).toBeUndefined();
  });
});

test('affinity is how near a group is to the one that carries the call', () => {
  const home = homeIn(GROUPS);
  const near = (id: string | null) => affinityOf(home, id);
  expect([near('us-1'), near('us-4'), near('eu-1'), near('unheard-of'), near(null)]).toEqual([
    'primary',
    'same-region',
    'none',
    'none',
    'none',
  ]);
  expect(affinityOf(null, 'us-1')).toBe('none');
  // Regions that nobody tells are not the same one.
  expect(affinityOf(homeIn([group('a', null, { primary: true }), group('b', null)]), 'b')).toBe('none');
});

test('any plan asks for nothing twice, for few, last for anything, and for nothing that is known to be in vain', () => {
  const groups = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
      region: fc.constantFrom('us', 'eu', null),
      state: fc.constantFrom('available' as const, 'draining' as const, 'down' as const),
      primary: fc.boolean(),
    }),
    { selector: ({ id }) => id },
  );
  fc.assert(
    fc.property(fc.option(groups, { nil: undefined }), fc.constantFrom(undefined, 'a', 'z'), (known, named) => {
      const plan = planPlacement(known, preferred(named));
      const { candidates = [] } = plan ?? {};
      expect(new Set(candidates).size).toBe(candidates.length);
      expect(candidates.length).toBeLessThanOrEqual(5);
      expect(candidates.at(-1)).toBeNull();
      const ours = candidates.filter((id) => id !== null && id !== named);
      for (const id of ours) expect(known?.find((one) => one.id === id)?.state).toBe('available');
    }),
  );
});

test('near to a wish where nobody knows which group carries the call, and to nothing where regions are not told', () => {
  const unknown = GROUPS.filter(({ primary }) => !primary);
  expect(planPlacement(unknown, preferred('us-2'))?.candidates).toEqual(['us-2', 'us-3', 'us-4', null]);
  const untold = [group('a', null, { primary: true }), group('b', null)];
  expect(planPlacement(untold, preferred())?.candidates).toEqual(['a', null]);
});

test('no more than fifty neighbours travel with a start', () => {
  const many = Array.from({ length: 80 }, (_, n) => group(`us-${n}`, 'us', { primary: n === 0 }));
  expect(homeIn(many)?.sameRegion).toHaveLength(50);
});
