import { CancellationScope, isCancellation, sleep, workflowInfo } from '@temporalio/workflow';
import type { StartSessionInput } from '../domain/commands.js';
import type { LostStart } from '../domain/lost-start.js';
import type { Placement } from '../domain/media-placement.js';
import type { EndReason } from '../domain/session.js';
import { startFailure } from './activity-failures.js';
import { findLostLeg } from './find-lost-leg.js';
import { startLeg } from './session-activities.js';

/** Backoff between starts that certainly made no leg, ms. */
const BACKOFF_MS = { base: 500, max: 3_000 };

/**
 * While the platform is known to be away it is not asked more often than this, ms, nor than a tenth of the time that that
 * has lasted: each try costs a dozen events.
 */
const LONGEST_AWAY_PAUSE_MS = 60_000;

/** Starts of which it turns out that the platform never took them, at most: each costs the platform's window. */
const MOST_LOST = 3;

/** What happens on the way to a leg. */
export interface StartListener {
  /** A start came to nothing. */
  readonly failed: (failure: unknown) => void;
  /** Nobody knows whether the platform took it. */
  readonly inDoubt: () => void;
  /** It did not, and never will: another one is sent. */
  readonly again: () => void;
}

export type MadeLeg =
  | {
      readonly kind: 'made';
      readonly monitorSessionId: string;
      readonly how: 'started' | 'adopted';
      /** `undefined` of a leg that had to be looked for: nobody knows which of its starts it comes from. */
      readonly placement: Placement | undefined;
    }
  | { readonly kind: 'none'; readonly endReason: EndReason; readonly detail: string }
  /** There may be a leg, and nobody can tell which. */
  | { readonly kind: 'unknown'; readonly endReason: EndReason; readonly detail: string };

/**
 * Issues the one `start` of a session and returns the leg that it made, or why there is none (rule 1). The start is
 * repeated only where the platform certainly did not take the last one, for at most `limitMs`, not counting the time in which
 * the platform is known to be away, or that it takes to find out. Where nobody knows whether it took one, the leg is looked
 * for; see docs/decisions/0004-lost-start.md.
 *
 * Cancelled before a worker took the start, it throws the cancellation; after that it returns what became of the leg.
 */
export async function makeLeg(
  { interactionId, mediaServerGroupId, mediaAffinity }: StartSessionInput,
  self: LostStart['self'],
  limitMs: number,
  { failed, inDoubt, again }: StartListener,
): Promise<MadeLeg> {
  const beganAtMs = Date.now();
  let giveUpAtMs = beganAtMs + limitMs;
  let lost = 0;
  for (let backoffMs = BACKOFF_MS.base; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MS.max)) {
    try {
      const outcome = await startLeg({
        interactionId,
        chainRunId: workflowInfo().firstExecutionRunId,
        ...(mediaServerGroupId === undefined ? {} : { mediaServerGroupId }),
        ...(mediaAffinity === 'strict' ? { isStrict: true } : {}),
      });
      if (outcome.kind === 'refused') return { ...outcome, kind: 'none' };
      return { ...outcome, kind: 'made', how: 'started' };
    } catch (error) {
      if (isCancellation(error)) throw error;
      failed(error);
      const failure = startFailure(error);
      if (failure.kind === 'ambiguous') {
        lost += 1;
        inDoubt();
        // A session that is stopped meanwhile needs its leg all the more.
        const found = await CancellationScope.nonCancellable(() => adopt(interactionId, self, failure.sentByMs));
        const isRuledOut = found.kind === 'none' && found.endReason === 'start-failed';
        // After a reset the activity finds the earlier run as it was, and would send none.
        const mayRepeat = isRuledOut && !failure.isEarlier && lost < MOST_LOST;
        if (!mayRepeat || CancellationScope.current().consideredCancelled) return found;
        giveUpAtMs = Date.now() + limitMs;
        again();
        continue;
      }
      const askedMs = failure.retryAfterMs ?? backoffMs;
      const awayMs = Math.min((Date.now() - beganAtMs) / 10, LONGEST_AWAY_PAUSE_MS);
      const delayMs = failure.isAway ? Math.max(askedMs, awayMs) : askedMs;
      if (failure.isAway) giveUpAtMs = Date.now() + delayMs + limitMs;
      if (Date.now() + delayMs > giveUpAtMs) {
        return { kind: 'none', endReason: 'platform-unreachable', detail: failure.message };
      }
      await sleep(delayMs, { summary: failure.message.slice(0, 100) });
    }
  }
}

async function adopt(interactionId: string, self: LostStart['self'], sentByMs: number): Promise<MadeLeg> {
  const lost = await findLostLeg(interactionId, self, sentByMs);
  switch (lost.kind) {
    case 'found':
      return { kind: 'made', monitorSessionId: lost.monitorSessionId, how: 'adopted', placement: undefined };
    case 'none':
      return { kind: 'none', endReason: 'start-failed', detail: 'no answer to the start, and no leg was made' };
    case 'interaction-ended':
      return { kind: 'none', endReason: lost.kind, detail: 'no answer to the start, and the interaction is over' };
    case 'unknown':
      return { kind: 'unknown', endReason: 'start-failed', detail: lost.detail };
  }
}
