import type { MediaServerGroup } from '../domain/platform-wire.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';

/** A lookup that takes longer is done without, ms: somebody waits to listen. */
const LIMIT_MS = 500;

/** How long an answer is good, ms: those who join a call do so together, and a failover should show soon. */
const KEPT_MS = 10_000;

/** Likewise of a lookup that failed. */
const FAILURE_KEPT_MS = 2_000;

/** Interactions of which an answer is kept. */
const MOST_KEPT = 2_000;

/**
 * After so many failures in a row nobody is looked up for so long, ms, and then one at first: each that hangs may keep starts
 * waiting, of a new window of the rate limit for as long as it hangs.
 */
const MOST_FAILURES = 2;
const REST_MS = 30_000;

/** The groups, or why they are not known; `failure: undefined`: no answer came in time, or none was waited for. */
export type LookedUp =
  | { readonly groups: readonly MediaServerGroup[] }
  | { readonly groups: undefined; readonly failure: PlatformError | undefined };

/**
 * The media server groups as they are for an interaction, and which one carries it. Asked once for all who want to know at the
 * same time, kept for some seconds, and done without where the answer takes half a second. It does not reject.
 */
export type MediaServerLookup = (
  interactionId: string,
  /** How old an answer may be, ms. @default 10000 */
  maxAgeMs?: number,
) => Promise<LookedUp>;

interface Kept {
  readonly answer: Promise<LookedUp>;
  /** By a monotonic clock, ms. */
  readonly askedAtMs: number;
  isFailure: boolean;
}

export function createMediaServerLookup(
  platform: Pick<TelephonyPlatform, 'mediaServerGroups'>,
  { limitMs = LIMIT_MS, now = () => performance.now() }: { limitMs?: number; now?: () => number } = {},
): MediaServerLookup {
  const kept = new Map<string, Kept>();
  let failures = 0;
  let restsUntilMs = 0;

  const failed = (failure: PlatformError | undefined): LookedUp => {
    const { fault } = failure ?? {};
    const restMs = fault?.kind === 'throttled' ? (fault.retryAfterMs ?? REST_MS) : REST_MS;
    // What is wrong with one interaction is no reason against the others.
    if (fault?.kind !== 'gone') failures += 1;
    if (failures >= MOST_FAILURES || fault?.kind === 'throttled') restsUntilMs = now() + restMs;
    return { groups: undefined, failure };
  };

  const ask = async (interactionId: string): Promise<LookedUp> => {
    // The first one after a rest shows for all whether it is worth asking again.
    if (failures >= MOST_FAILURES) restsUntilMs = now() + limitMs;
    try {
      const groups = await platform.mediaServerGroups(interactionId, { signal: AbortSignal.timeout(limitMs) });
      failures = 0;
      restsUntilMs = 0;
      return { groups };
    } catch (error) {
      return failed(error instanceof PlatformError ? error : undefined);
    }
  };

  return (interactionId, maxAgeMs = KEPT_MS) => {
    const known = kept.get(interactionId);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : now() - known.askedAtMs;
    const keptMs = known?.isFailure === true ? FAILURE_KEPT_MS : KEPT_MS;
    if (known !== undefined && ageMs < Math.min(maxAgeMs, keptMs)) return known.answer;
    if (now() < restsUntilMs) return Promise.resolve({ groups: undefined, failure: undefined });
    const fresh: Kept = { answer: ask(interactionId), askedAtMs: now(), isFailure: false };
    void fresh.answer.then(({ groups }) => (fresh.isFailure = groups === undefined));
    kept.delete(interactionId);
    kept.set(interactionId, fresh);
    for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - MOST_KEPT))) kept.delete(oldest);
    return fresh.answer;
  };
}
