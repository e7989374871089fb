import { isLiveLegOf } from './leg-status.js';
import type { LegState } from './platform-wire.js';
import type { StartProgress } from './workflow-contract.js';

/**
 * Whose leg is it? The answer to a `start` may be lost after the platform made the leg, and the platform tells legs apart
 * by `monitorSessionId` alone. These rules decide for one session at a time, from what every session of the interaction
 * shows of its own start (docs/decisions/0004-lost-start.md).
 */

/** A `start` takes effect within this time of its sending, or never (`platform-api.md`). */
export const START_EFFECT_WINDOW_MS = 10_000;

/** How long a session may run before lists show it: measured up to 2 s, taken with a margin. */
export const VISIBILITY_LAG_MS = 3_000;

/** Another running session of the same interaction, as lists show it. Times by Temporal's clock, ms since the epoch. */
export interface NeighbouringSession {
  /** The first run of its chain. */
  readonly runId: string;
  readonly startedAtMs: number;
  readonly start: StartProgress;
  readonly monitorSessionId: string | null;
}

export interface LostStart {
  /** The session that looks for its leg. */
  readonly self: { readonly runId: string; readonly startedAtMs: number };
  readonly clientId: string;
  /**
   * Ids of the legs that were there at a first look, at least {@link VISIBILITY_LAG_MS} before `neighbours` were listed:
   * whoever made one of these is among them by now.
   */
  readonly seenBefore: readonly string[];
  /** When the answer to that first look was there: who started later made none of these legs. */
  readonly seenAtMs: number;
  /** The interaction's legs now. */
  readonly legs: readonly LegState[];
  readonly neighbours: readonly NeighbouringSession[];
}

export type ClaimDecision =
  /** A neighbour may still be told of one of these legs, or comes first. */
  | { readonly kind: 'wait' }
  /** `surplus`: legs of ours that nobody can own any more, to be stopped. */
  | { readonly kind: 'adopt'; readonly monitorSessionId: string; readonly surplus: readonly string[] }
  /** The start never took effect. */
  | { readonly kind: 'none' };

/**
 * Decides what a session with a lost start may take for its own.
 *
 * Sessions whose start is ambiguous decide one after the other, the oldest first; a session waits while any neighbour's
 * answer is still under way. Hence no two sessions ever adopt the same leg, and a leg whose owner is yet to hear of it is
 * never taken.
 */
export function decideClaim({ self, clientId, seenBefore, seenAtMs, legs, neighbours }: LostStart): ClaimDecision {
  const rivals = neighbours.filter((other) => other.startedAtMs <= seenAtMs);
  const mustWait = rivals.some(
    (other) => other.start === 'unresolved' || (other.start === 'ambiguous' && comesBefore(other, self)),
  );
  if (mustWait) return { kind: 'wait' };

  const owned = new Set(neighbours.map((other) => other.monitorSessionId));
  const candidates = legs
    .filter((leg) => isLiveLegOf(clientId, leg))
    .map((leg) => leg.monitorSessionId)
    .filter((id) => seenBefore.includes(id) && !owned.has(id))
    // The same for every session and every repeat, whatever order the platform lists them in.
    .toSorted();
  const [monitorSessionId, ...others] = candidates;
  if (monitorSessionId === undefined) return { kind: 'none' };

  const stillToDecide = rivals.filter((other) => other.start === 'ambiguous').length;
  return { kind: 'adopt', monitorSessionId, surplus: others.slice(stillToDecide) };
}

type Place = LostStart['self'];

function comesBefore(a: Place, b: Place): boolean {
  return a.startedAtMs === b.startedAtMs ? a.runId < b.runId : a.startedAtMs < b.startedAtMs;
}
