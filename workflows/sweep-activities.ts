import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.js';
import { PRIORITY } from './activity-priority.js';

/** Pages through what has ended; tried until the next sweep but a few would do it anyway. */
export const { sweepEnded } = proxyActivities<Pick<Activities, 'sweepEnded'>>({
  startToCloseTimeout: '10 minutes',
  scheduleToCloseTimeout: '15 minutes',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' },
  // What it has told is told; the next one begins where it began.
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  summary: 'end the sessions of calls that are over',
  priority: PRIORITY.background,
});

/**
 * One round through all interactions, at a pace that leaves the platform to commands: it may take a while. Few attempts:
 * each begins anew, and the next round is never far.
 */
export const { reconcile } = proxyActivities<Pick<Activities, 'reconcile'>>({
  startToCloseTimeout: '2 hours',
  scheduleToCloseTimeout: '4 hours',
  heartbeatTimeout: '15s',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '15s', maximumAttempts: 3 },
  summary: 'compare sessions and legs',
  priority: PRIORITY.background,
});
