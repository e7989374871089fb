import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { TestTemporal } from './temporal.js';
import { testBundle } from './workflow-bundle.js';

/** Replays every run that a server has, as a worker does that takes a workflow over from another one; how many there are. */
export async function replayEveryHistory(temporal: TestTemporal): Promise<number> {
  const { workflow } = temporal.client;
  const workflowBundle = await testBundle();
  let replayed = 0;
  for await (const { workflowId, runId, error } of Worker.runReplayHistories(
    { workflowBundle },
    workflow.list().intoHistories(),
  )) {
    if (error !== undefined) {
      const file = keptHistory(runId, await workflow.getHandle(workflowId, runId).fetchHistory());
      throw new Error(`${workflowId} cannot be replayed; its history: ${file}`, { cause: error });
    }
    replayed += 1;
  }
  return replayed;
}

/** Keeps a history in a file that outlives the server of the test; where. */
export function keptHistory(runId: string, { events }: Awaited<ReturnType<WorkflowHandle['fetchHistory']>>): string {
  const file = join(tmpdir(), `earshot-history-${runId}-${events?.length ?? 0}.json`);
  writeFileSync(file, JSON.stringify(events, null, 1));
  return file;
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
