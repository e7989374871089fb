import type { MediaServerGroup } from './platform-wire.js';
import type { FallbackReason, MediaAffinity, MediaFallback } from './media.js';

/** Where a leg should be carried: near the interaction that it listens to (seed, Edge Case 1). */

/** Other groups of the region that are tried at most: each refusal is a request. */
const NEIGHBOURS_TRIED = 2;

/** As many groups of a region are remembered; it travels with each start. */
const NEIGHBOURS_KNOWN = 50;

/** Where an interaction is carried. */
export interface MediaHome {
  readonly primary: string;
  /** The other groups of its region, whether they take legs or not. */
  readonly sameRegion: readonly string[];
}

/** Groups to ask for, in that order; `null`: whichever the platform takes. */
export interface PlacementPlan {
  readonly home: MediaHome | null;
  /** What the caller named, or the group that carries the interaction. */
  readonly wanted: string | null;
  readonly candidates: readonly [string | null, ...(string | null)[]];
  /** Why the leg is not where it was wanted, should it not be. */
  readonly whyNot: FallbackReason;
}

/** Where a leg was put. */
export interface Placement {
  /** What the platform took it with; `null`: it chose itself. */
  readonly mediaServerGroupId: string | null;
  readonly home: MediaHome | null;
  readonly fallback: MediaFallback | null;
}

/**
 * Which groups to ask for.
 * @param groups as looked up for the interaction; `undefined`: that failed
 * @param asked the caller's choice, and whether nothing else will do
 * @returns `undefined` where nothing else would do and nobody knows what that is
 */
export function planPlacement(
  groups: readonly MediaServerGroup[] | undefined,
  asked: { readonly mediaServerGroupId?: string; readonly isStrict: boolean },
): PlacementPlan | undefined {
  const primary = groups?.find((group) => group.primary);
  const home = homeIn(groups);
  const wanted = asked.mediaServerGroupId ?? primary?.id ?? null;
  if (asked.isStrict) {
    return wanted === null ? undefined : { home, wanted, candidates: [wanted], whyNot: whyNot(groups, wanted) };
  }
  // The caller's own choice is the platform's to refuse; ours is not made where it is known to be in vain.
  const named = asked.mediaServerGroupId;
  const region = primary === undefined ? groups?.find(({ id }) => id === named)?.region : primary.region;
  const usable = (groups ?? []).filter(({ id, state }) => state === 'available' && id !== named);
  const near = [
    ...usable.filter((group) => group === primary),
    ...usable.filter((group) => group !== primary && isIn(region, group)).slice(0, NEIGHBOURS_TRIED),
  ].map(({ id }) => id);
  const [first, ...rest] = [...(named === undefined ? [] : [named]), ...near, null];
  return { home, wanted, candidates: [first, ...rest], whyNot: whyNot(groups, wanted) };
}

/**
 * Where the leg is by the plan, once one of its candidates was taken.
 * @param index of that one
 */
export function placementOf({ home, wanted, candidates, whyNot: reason }: PlacementPlan, index: number): Placement {
  const mediaServerGroupId = candidates[index] ?? null;
  const isWanted = mediaServerGroupId !== null && mediaServerGroupId === wanted;
  return { mediaServerGroupId, home, fallback: isWanted ? null : { wanted, reason } };
}

/** That the platform put a leg elsewhere than it was asked to, and said that it would. */
export function movedFrom({ mediaServerGroupId }: Placement, seen: string | null): MediaFallback | null {
  if (seen === null || mediaServerGroupId === null || seen === mediaServerGroupId) return null;
  return { wanted: mediaServerGroupId, reason: 'moved' };
}

/** How near a group is to where the interaction is carried. */
export function affinityOf(home: MediaHome | null, mediaServerGroupId: string | null): MediaAffinity {
  if (home === null || mediaServerGroupId === null) return 'none';
  if (mediaServerGroupId === home.primary) return 'primary';
  return home.sameRegion.includes(mediaServerGroupId) ? 'same-region' : 'none';
}

/** Where the groups of an interaction say that it is carried; `null`: they do not, or were not to be had. */
export function homeIn(groups: readonly MediaServerGroup[] = []): MediaHome | null {
  const primary = groups.find((group) => group.primary);
  if (primary === undefined) return null;
  const neighbours = groups.filter((group) => group.id !== primary.id && isIn(primary.region, group));
  return { primary: primary.id, sameRegion: neighbours.map(({ id }) => id).slice(0, NEIGHBOURS_KNOWN) };
}

/** A region that nobody tells is near no other. */
function isIn(region: string | null | undefined, group: MediaServerGroup): boolean {
  return group.region !== null && group.region === region;
}

/** Why a leg would not be in the group that was wanted; one that seems to take legs has refused it, being full perhaps. */
function whyNot(groups: readonly MediaServerGroup[] | undefined, wanted: string | null): FallbackReason {
  if (wanted === null) return 'lookup-failed';
  if (groups === undefined) return 'unavailable';
  const state = groups.find(({ id }) => id === wanted)?.state ?? 'unknown';
  return state === 'available' ? 'unavailable' : state;
}
