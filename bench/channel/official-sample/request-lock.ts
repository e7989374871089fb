import { activityInfo, getClient } from '@temporalio/activity';
import { LOCK_REQUESTED, LOCK_WORKFLOW } from './messages.js';
import type { LockRequest } from './messages.js';

export interface LockActivities {
  /** Puts the calling workflow in line, and starts the lock's workflow where there is none. */
  requestLock(lockWorkflowId: string, timeoutMs: number, taskQueue: string): Promise<void>;
}

export function createLockActivities(): LockActivities {
  return {
    async requestLock(lockWorkflowId, timeoutMs, taskQueue) {
      const { workflowExecution } = activityInfo();
      if (workflowExecution === undefined) throw new Error('Only a workflow can ask for the lock');
      const request: LockRequest = { initiatorId: workflowExecution.workflowId, timeoutMs };
      await getClient().workflow.signalWithStart(LOCK_WORKFLOW, {
        workflowId: lockWorkflowId,
        taskQueue,
        signal: LOCK_REQUESTED,
        signalArgs: [request],
      });
    },
  };
}
