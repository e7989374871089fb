import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import type { BundleOptions } from '../../worker/workflow-bundle.js';
import type { TestTemporal } from './temporal.js';
import { testBundle } from './workflow-bundle.js';

/**
 * Replays the runs that a server has, as a worker does that takes a workflow over from another one; how many there are. What
 * decides how a history replays is what follows on what: a run all of whose stretches of {@link STRETCH} events others have
 * shown to replay is taken for one that does.
 */
export async function replayEveryHistory(
  temporal: TestTemporal,
  bundle: BundleOptions = { isTraced: false },
): Promise<number> {
  const { workflow } = temporal.client;
  const workflowBundle = await testBundle(bundle);
  const seen = new Set<string>();
  let runs = 0;
  async function* ofEachKind() {
    for await (const { workflowId, runId } of workflow.list()) {
      runs += 1;
      const history = await workflow.getHandle(workflowId, runId).fetchHistory();
      const news = stretchesOf(history).filter((stretch) => !seen.has(stretch));
      if (news.length > 0) yield { workflowId, history };
      for (const stretch of news) seen.add(stretch);
    }
  }
  for await (const { workflowId, runId, error } of Worker.runReplayHistories({ workflowBundle }, ofEachKind())) {
    if (error === undefined) continue;
    const file = keptHistory(runId, await workflow.getHandle(workflowId, runId).fetchHistory());
    throw new Error(`${workflowId} cannot be replayed; its history: ${file}`, { cause: error });
  }
  return runs;
}

/** The three of a workflow task, with what came before and what it did: what comes in one task, and in which order, shows. */
const STRETCH = 5;

/** What follows on what in a history, without when, of whom and with which words: types, and the names of what was asked for. */
function stretchesOf({ events }: Awaited<ReturnType<WorkflowHandle['fetchHistory']>>): string[] {
  const told = (events ?? []).map((event) => {
    const names = [
      event.workflowExecutionStartedEventAttributes?.workflowType?.name,
      event.workflowExecutionSignaledEventAttributes?.signalName,
      event.activityTaskScheduledEventAttributes?.activityType?.name,
      event.activityTaskFailedEventAttributes?.failure?.applicationFailureInfo?.type,
      event.markerRecordedEventAttributes?.markerName,
      event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.name,
      event.signalExternalWorkflowExecutionInitiatedEventAttributes?.signalName,
    ];
    return [event.eventType, ...names.filter(Boolean)].join(' ');
  });
  return told.map((_, from) => told.slice(from, from + STRETCH).join('\n'));
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
