import type { MediaServerGroup } from '../domain/platform-wire.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';

/** A lookup that takes longer is done without, ms: somebody waits to listen. */
const LIMIT_MS = 1_000;

/** How long an answer is good, ms: those who join a call do so together, and a failover should show soon. */
const KEPT_MS = 10_000;

/** Likewise of a lookup that failed. */
const FAILURE_KEPT_MS = 2_000;

/** Interactions of which an answer is kept. */
const MOST_KEPT = 2_000;

/**
 * The media server groups as they are for an interaction, and which one carries it; `undefined` where that cannot be found
 * out in a second. Asked once for all who want to know at the same time, and kept for some seconds.
 */
export type MediaServerLookup = (
  interactionId: string,
  /** How old an answer may be, ms. @default 10000 */
  maxAgeMs?: number,
) => Promise<readonly MediaServerGroup[] | undefined>;

interface Kept {
  readonly answer: Promise<readonly MediaServerGroup[] | undefined>;
  /** By a monotonic clock, ms. */
  readonly askedAtMs: number;
  isFailure: boolean;
}

export function createMediaServerLookup(
  platform: Pick<TelephonyPlatform, 'mediaServerGroups'>,
  { limitMs = LIMIT_MS, now = () => performance.now() }: { limitMs?: number; now?: () => number } = {},
): MediaServerLookup {
  const kept = new Map<string, Kept>();

  const ask = async (interactionId: string): Promise<readonly MediaServerGroup[] | undefined> => {
    try {
      return await platform.mediaServerGroups(interactionId, { signal: AbortSignal.timeout(limitMs) });
    } catch {
      // Whatever it was: a leg that sounds worse is better than none, and the `start` will say what is wrong.
      return undefined;
    }
  };

  return (interactionId, maxAgeMs = KEPT_MS) => {
    const known = kept.get(interactionId);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : now() - known.askedAtMs;
    const keptMs = known?.isFailure === true ? FAILURE_KEPT_MS : KEPT_MS;
    if (known !== undefined && ageMs < Math.min(maxAgeMs, keptMs)) return known.answer;
    const fresh: Kept = { answer: ask(interactionId), askedAtMs: now(), isFailure: false };
    void fresh.answer.then((groups) => (fresh.isFailure = groups === undefined));
    kept.delete(interactionId);
    kept.set(interactionId, fresh);
    for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - MOST_KEPT))) kept.delete(oldest);
    return fresh.answer;
  };
}
