import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.js';
import type { InteractionPage } from '../domain/platform-wire.js';
import type { ListInteractionsInput } from '../domain/interaction-list.js';

const activities = proxyActivities<Pick<Activities, 'listInteractions'>>({
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '10s',
  retry: { maximumAttempts: 2 },
});

/** Carries one read of the API to a worker, for Temporal servers without standalone activities (before 1.32). */
export async function listInteractions(input: ListInteractionsInput): Promise<InteractionPage> {
  return activities.listInteractions(input);
}
