import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { bundleWorkflows } from '../../worker/workflow-bundle.js';

/** Replays every run that a server has, as a worker does that takes a workflow over from another one; how many there are. */
export async function replayEveryHistory(temporal: TestWorkflowEnvironment): Promise<number> {
  const histories = temporal.client.workflow.list().intoHistories();
  const workflowBundle = await bundleWorkflows();
  let replayed = 0;
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    if (error !== undefined) throw new Error(workflowId, { cause: error });
    replayed += 1;
  }
  return replayed;
}
