import { ActivityCancellationType, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.js';
import { PRIORITY } from './activity-priority.js';

/**
 * The session's activities, one block per retry class. Retries and back-off are Temporal's; the HTTP adapter has none.
 * A `stop` waits for none of them but the start: their cancellation takes effect before they end.
 */
const AT_ONCE = ActivityCancellationType.TRY_CANCEL;

/** Read on this worker, without a call: a second attempt could not know more. */
export const { readSettings } = proxyLocalActivities<Pick<Activities, 'readSettings'>>({
  startToCloseTimeout: '5s',
  scheduleToCloseTimeout: '1 minute',
});

/**
 * Not idempotent, so one attempt: the workflow decides what a failure means. Longer than the activity's own
 * limit, so that an attempt is cut off only when its worker is gone. Cancelled before a worker took it, it never runs;
 * after that its answer is waited for, because what was sent cannot be called back.
 */
export const { startLeg } = proxyActivities<Pick<Activities, 'startLeg'>>({
  startToCloseTimeout: '45s',
  scheduleToStartTimeout: '5 minutes',
  retry: { maximumAttempts: 1 },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  summary: 'ask the platform for the leg',
  priority: PRIORITY.start,
});

/** The seed's loop: base 500 ms, at most 3 s apart. Each look is short, so that one lost answer costs one look. */
export function confirmLegWithin(limitMs: number): Activities['confirmLeg'] {
  return proxyActivities<Pick<Activities, 'confirmLeg'>>({
    startToCloseTimeout: '12s',
    scheduleToCloseTimeout: Math.max(1, limitMs),
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '3s' },
    cancellationType: AT_ONCE,
    summary: 'wait until the leg is active',
    priority: PRIORITY.confirm,
  }).confirmLeg;
}

/**
 * Idempotent commands, first try: in the workflow task itself, which spares a round trip through the task queue. Signals
 * are not delivered meanwhile, hence the short limit: a platform that hangs must not delay a `stop`.
 */
export const quickly = proxyLocalActivities<Pick<Activities, 'changeMode' | 'stopLeg' | 'observeLeg'>>({
  startToCloseTimeout: '2s',
  scheduleToCloseTimeout: '3s',
  retry: { maximumAttempts: 1 },
});

/** A mode change that did not go through at once: as long as a supervisor may still want it. Two calls an attempt. */
export function changeModeWithin(limitMs: number): Activities['changeMode'] {
  return proxyActivities<Pick<Activities, 'changeMode'>>({
    startToCloseTimeout: '20s',
    scheduleToCloseTimeout: Math.max(1, limitMs),
    // Closer together the shorter the time, which is over as soon as none of them fits into it.
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: limitMs < 10_000 ? '1s' : '3s' },
    cancellationType: AT_ONCE,
    summary: 'change the mode',
    priority: PRIORITY.mode,
  }).changeMode;
}

/** A leg that may speak without its session's will, or right, is silenced however long the platform is away. */
export const { changeMode: silencePatiently } = proxyActivities<Pick<Activities, 'changeMode'>>({
  startToCloseTimeout: '20s',
  scheduleToCloseTimeout: '24 hours',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
  cancellationType: AT_ONCE,
  summary: 'make sure that the leg is silent',
  priority: PRIORITY.release,
});

/** Until another program's leg lets go of the channel, by looks that cost one event however many they are. */
export function confirmChannelFreeWithin(limitMs: number): Activities['confirmChannelFree'] {
  return proxyActivities<Pick<Activities, 'confirmChannelFree'>>({
    startToCloseTimeout: '12s',
    scheduleToCloseTimeout: limitMs,
    retry: { initialInterval: '500ms', backoffCoefficient: 1.5, maximumInterval: '3s' },
    cancellationType: AT_ONCE,
    summary: 'wait until the platform has the channel free',
    priority: PRIORITY.confirm,
  }).confirmChannelFree;
}

/** Looks for a leg's session, twice 3 s apart if need be. Without an answer the command goes on waiting. */
export function findContenderWithin(limitMs: number): Activities['findContender'] {
  return proxyActivities<Pick<Activities, 'findContender'>>({
    startToCloseTimeout: '20s',
    scheduleToCloseTimeout: Math.max(1, Math.min(limitMs, 30_000)),
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
    cancellationType: AT_ONCE,
    summary: 'find out whose leg has the channel',
    priority: PRIORITY.confirm,
  }).findContender;
}

/** A stop is tried for as long as a leg can live, and soon after the platform is back: somebody is still being listened to. */
export const { stopLeg: stopLegPatiently } = proxyActivities<Pick<Activities, 'stopLeg'>>({
  startToCloseTimeout: '12s',
  scheduleToCloseTimeout: '24 hours',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
  cancellationType: AT_ONCE,
  summary: 'stop the leg until the platform confirms it',
  priority: PRIORITY.release,
});

/** What the session must know of the platform before it goes on, however long the platform is away. */
export const { observeLeg } = proxyActivities<Pick<Activities, 'observeLeg'>>({
  startToCloseTimeout: '12s',
  scheduleToCloseTimeout: '24 hours',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
  cancellationType: AT_ONCE,
  summary: 'look what became of the leg',
  priority: PRIORITY.confirm,
});

/** The search for a leg whose answer was lost; see `lost-start.ts`. */
export const { listOurLegs, claimLeg } = proxyActivities<Pick<Activities, 'listOurLegs' | 'claimLeg'>>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '24 hours',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
  cancellationType: AT_ONCE,
  summary: 'find the leg whose answer was lost',
  priority: PRIORITY.start,
});
