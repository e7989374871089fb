import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { TestTemporal } from './temporal.js';
import { testBundle } from './workflow-bundle.js';

/** Replays every run that a server has, as a worker does that takes a workflow over from another one; how many there are. */
export async function replayEveryHistory(temporal: TestTemporal): Promise<number> {
  const histories = temporal.client.workflow.list().intoHistories();
  const workflowBundle = await testBundle();
  let replayed = 0;
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    if (error !== undefined) throw new Error(workflowId, { cause: error });
    replayed += 1;
  }
  return replayed;
}

/** The runs that continued as new in a task that did something else besides; how many there are in all. */
export async function endsOfRuns(temporal: TestTemporal): Promise<{ continued: number; restless: string[] }> {
  const restless: string[] = [];
  let continued = 0;
  for await (const { workflowId, runId } of temporal.client.workflow.list()) {
    const run: WorkflowHandle = temporal.client.workflow.getHandle(workflowId, runId);
    const events = (await run.fetchHistory()).events ?? [];
    if (!events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes) continue;
    continued += 1;
    const lastTask = events.slice(events.findLastIndex((event) => event.workflowTaskCompletedEventAttributes));
    // Besides the end of the task and of the run.
    if (lastTask.length > 2) restless.push(workflowId);
  }
  return { continued, restless };
}
