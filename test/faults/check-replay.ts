import { Worker } from '@temporalio/worker';
import type { WorkerOptions } from '@temporalio/worker';
import { keptHistory } from '../support/replay.js';
import type { History } from './chains.js';
import type { Evidence } from './evidence.js';

/** A sink, which nobody listens to. */
const ANNOUNCE = { sessions: { announce: { fn: () => undefined } } };

/**
 * Rule 6: every workflow can go on in another worker, which replays its history. Most workers here live as long as their
 * workflows do, so that without this nothing would tell.
 */
export async function replayFaults(
  evidence: readonly Evidence[],
  workflowBundle: NonNullable<WorkerOptions['workflowBundle']>,
): Promise<string[]> {
  const histories = evidence
    .flatMap(({ mutexes, sessions }) => [...mutexes, ...sessions.map(({ chain }) => chain)])
    .flatMap((chain) => chain.histories.map((history) => ({ workflowId: chain.workflowId, history })))
    .filter(({ history }) => history.events?.some((event) => event.workflowTaskCompletedEventAttributes));
  const faults: string[] = [];
  for await (const { workflowId, runId, error } of Worker.runReplayHistories(
    { workflowBundle, sinks: ANNOUNCE },
    histories,
  )) {
    if (error === undefined) continue;
    // A run that was reset and its successor are told apart by nothing but their length.
    const files = histories
      .filter((one) => runOf(one.history) === runId)
      .map(({ history }) => keptHistory(runId, history));
    faults.push(`${workflowId} (${runId}) cannot be replayed: ${error.message}\nits history: ${files.join(' or ')}`);
  }
  return faults;
}

function runOf({ events }: History): string | undefined {
  return events?.[0]?.workflowExecutionStartedEventAttributes?.originalExecutionRunId ?? undefined;
}
