import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.js';
import { isActivityFailure } from './activity-failures.js';
import type { Inbox } from './signals-in-order.js';

/** Milliseconds, where the shortest timer may take the server a second. Nobody waits for long if no worker takes it. */
const { beginTask } = proxyActivities<Pick<Activities, 'beginTask'>>({
  scheduleToCloseTimeout: '1s',
  retry: { maximumAttempts: 1 },
  summary: 'before the history begins anew',
});

/**
 * Resolves in another workflow task: the one in which a run is to end by continue-as-new. Whether it is its own, so that
 * nothing was heard meanwhile, and nothing else has been done in it. The server refuses that end if a message arrives, and
 * has the whole task done again: what its local activities did would be done twice, at another time and perhaps with
 * another decision. And what an update was answered in the last task of a run may never reach its caller.
 */
export async function isTaskOfItsOwn(inbox: Inbox): Promise<boolean> {
  const { messages } = inbox;
  try {
    await beginTask();
  } catch (error) {
    // That it took too long begins a task, too.
    if (!isActivityFailure(error)) throw error;
  }
  return inbox.messages === messages;
}
