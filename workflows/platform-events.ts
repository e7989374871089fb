import { ActivityCancellationType, continueAsNew, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { EventActivities } from '../activities/follow-events.js';
import { watchQueue } from '../domain/channel.js';
import { PLATFORM_EVENTS_ID } from '../domain/sweep.js';
import { requireWorkflowId } from './workflow-input.js';

/**
 * Keeps one connection to the platform's event stream for the whole deployment, by an activity that beats: should its
 * worker die, another one takes over within seconds. An attempt costs no event, so the history of a day is some ten.
 *
 * @throws ApplicationFailure `singleton.id.mismatch`
 */
export async function platformEvents(): Promise<void> {
  requireWorkflowId(
    PLATFORM_EVENTS_ID,
    'singleton.id.mismatch',
    'there is one platformEvents, which has the workflow id',
  );
  const { followEvents } = proxyActivities<EventActivities>({
    taskQueue: watchQueue(workflowInfo().taskQueue),
    startToCloseTimeout: '13 hours',
    heartbeatTimeout: '4s',
    retry: { initialInterval: '100ms', backoffCoefficient: 2, maximumInterval: '2s' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: 'listen to the platform’s events',
  });
  if ((await followEvents()) === 'go-on') await continueAsNew<typeof platformEvents>();
}
