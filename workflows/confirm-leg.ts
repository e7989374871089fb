import { isCancellation, sleep } from '@temporalio/workflow';
import type { Observation } from '../activities/leg-activities.js';
import type { ActivityFailureType } from '../domain/errors.js';
import type { LegNews } from '../domain/leg-news.js';
import { applicationFailure } from './activity-failures.js';
import type { ExclusiveChannel } from './exclusive-channel.js';
import { confirmLegWithin, quickly } from './session-activities.js';
import { unless } from './unless.js';

/** Before a pending leg is looked at once more for the same reason, ms. */
const PAUSE_MS = 1_000;

/** What is known while a session waits for its leg. */
export interface PendingLeg {
  readonly interactionId: string;
  readonly monitorSessionId: string;
  /** What events have told of legs, by leg; what turns out to be wrong is taken away. */
  readonly told: Map<string, LegNews>;
  readonly channel: ExclusiveChannel;
}

/**
 * Waits until the platform says what became of a leg: by looks at growing intervals, and at once when an event tells of it.
 * Meanwhile it gives back what was granted before the session was reset, to a leg that it had then: one that is pending
 * cannot speak, and should keep nobody from it.
 *
 * @throws ActivityFailure of the last look, with the type `leg.pending` where the leg never became active in time
 */
export async function confirmLeg(pending: PendingLeg, limitMs: number): Promise<Observation> {
  const { interactionId, monitorSessionId, told, channel } = pending;
  const leg = { interactionId, monitorSessionId };
  const untilMs = Date.now() + limitMs;
  const isHinted = (): boolean => Date.now() < untilMs && (told.has(monitorSessionId) || channel.hasStrayGrant);
  for (;;) {
    const seen =
      (await unless(isHinted, () => confirmLegWithin(untilMs - Date.now())(leg))) ?? (await lookNow(pending));
    if (seen !== undefined) return seen;
  }
}

/** `undefined`: the leg is pending still, or the platform does not answer. */
async function lookNow({ told, channel, ...leg }: PendingLeg): Promise<Observation | undefined> {
  const news = told.get(leg.monitorSessionId);
  try {
    const seen = await quickly.observeLeg(leg);
    told.delete(leg.monitorSessionId);
    return seen;
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (news?.status === 'active') {
      // Believed for now; it stays among what was told, so that the session looks when it can.
      return { kind: 'active', mode: news.mode, bargeStatus: news.bargeStatus, mediaServerGroupId: null };
    }
    told.delete(leg.monitorSessionId);
    const isPending = applicationFailure(error)?.type === ('platform.not-ready' satisfies ActivityFailureType);
    if (isPending) await channel.release();
    else await sleep(PAUSE_MS, { summary: 'until the platform answers' });
    return undefined;
  }
}
