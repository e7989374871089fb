import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/client';
import { aFewAtATime } from '../a-few-at-a-time.js';
import type { Channel } from './exclusive-channel.js';

/** What Temporal says of each workflow of a channel: the lock's first; `undefined` for one that never ran. */
export async function describeAll(
  client: Client,
  { lockWorkflowId, speakers }: Channel,
): Promise<readonly (WorkflowExecutionDescription | undefined)[]> {
  const workflowIds = [lockWorkflowId, ...speakers.map(({ workflowId }) => workflowId)];
  return aFewAtATime(workflowIds, async (workflowId) => {
    try {
      return await client.workflow.getHandle(workflowId).describe();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  });
}
