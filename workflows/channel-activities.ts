import { ActivityCancellationType, proxyActivities, proxyLocalActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.js';
import type { WatchActivities } from '../activities/holder-watch.js';
import { watchQueue } from '../domain/channel.js';
import { PRIORITY } from './activity-priority.js';

type ToMutex = Pick<Activities, 'requestChannel' | 'releaseChannel'>;
type ToSessions = Pick<Activities, 'tellSessions'>;

/**
 * Messages between sessions and the mutex. They go to Temporal itself and take some 3 ms, so the first try is in the
 * workflow task: no round trip through the task queue, and one event instead of the five of a signal between workflows.
 */
export const atOnce = proxyLocalActivities<
  ToMutex & ToSessions & Pick<Activities, 'reportBlocked' | 'doubtHolder' | 'lookAtHolder'>
>({
  startToCloseTimeout: '2s',
  scheduleToCloseTimeout: '3s',
  retry: { maximumAttempts: 1 },
});

/** For as long as the session would wait. */
export function requestChannelWithin(limitMs: number): Activities['requestChannel'] {
  return proxyActivities<Pick<Activities, 'requestChannel'>>({
    startToCloseTimeout: '10s',
    scheduleToCloseTimeout: limitMs,
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    summary: 'ask the mutex for the exclusive channel',
    priority: PRIORITY.mode,
  }).requestChannel;
}

/** Tried for as long as a session can live: a release that is lost would lock the channel. */
export const { releaseChannel: releaseChannelPatiently } = proxyActivities<Pick<Activities, 'releaseChannel'>>({
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '48 hours',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  summary: 'give the exclusive channel back',
  priority: PRIORITY.release,
});

/** Not for long: a session that cannot be told must not hold up the others. */
export const { tellSessions: tellSessionsPatiently } = proxyActivities<ToSessions>({
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '10s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  summary: 'tell who waits for the exclusive channel',
  priority: PRIORITY.release,
});

/** Lasts as long as somebody waits; a watcher whose worker has died is replaced after the heartbeat timeout. */
export function watchHolder(
  ...[holder]: Parameters<WatchActivities['watchHolder']>
): ReturnType<WatchActivities['watchHolder']> {
  return proxyActivities<WatchActivities>({
    taskQueue: watchQueue(workflowInfo().taskQueue),
    startToCloseTimeout: '48 hours',
    heartbeatTimeout: '10s',
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    summary: 'watch whether the holder still runs',
  }).watchHolder(holder);
}

/** The leg of a holder that has died. Not for ever: the platform's own 409 keeps two legs apart if it cannot be stopped. */
export const { stopLeg: stopDeadHoldersLeg } = proxyActivities<Pick<Activities, 'stopLeg'>>({
  startToCloseTimeout: '12s',
  scheduleToCloseTimeout: '30s',
  retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '3s' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  summary: 'stop the leg of a holder that has died',
  priority: PRIORITY.release,
});
