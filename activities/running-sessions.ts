import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { MONITORING_SESSION, SESSION_MEMO, START_MEMO, startProgress } from '../domain/workflow-contract.js';
import type { NeighbouringSession } from '../domain/lost-start.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import { sessionSnapshot } from '../domain/session.js';

/** The running sessions of an interaction, but for the asking one, by what their memos show. Lags as lists do. */
export async function runningSessions(
  client: Client,
  interactionId: string,
  asking: { readonly workflowId: string },
): Promise<NeighbouringSession[]> {
  // By id, whose characters need no quoting; Temporal's SQL stores find no value with a `"` or a `\` in it.
  const query =
    `WorkflowType = '${MONITORING_SESSION}' AND ExecutionStatus = 'Running' ` +
    `AND WorkflowId STARTS_WITH '${sessionWorkflowId(interactionId, '')}'`;
  const sessions: NeighbouringSession[] = [];
  for await (const execution of client.workflow.list({ query })) {
    if (execution.workflowId !== asking.workflowId) sessions.push(neighbour(execution));
  }
  return sessions;
}

function neighbour({ memo, runId, startTime }: WorkflowExecutionInfo): NeighbouringSession {
  const start = startProgress.safeParse(memo?.[START_MEMO]);
  const session = sessionSnapshot.safeParse(memo?.[SESSION_MEMO]);
  // Without a memo the session has not come to its `start` yet; one that cannot be read may own any leg.
  if (!session.success || !start.success) {
    return { runId, startedAtMs: startTime.getTime(), start: 'unresolved', monitorSessionId: null };
  }
  const { runId: firstRunId, startedAt, monitorSessionId } = session.data;
  return {
    // A starter does not know the run yet when it writes the first memo.
    runId: firstRunId === '' ? runId : firstRunId,
    // A run that succeeded another has its own start time, later than the chain's.
    startedAtMs: Math.min(startTime.getTime(), Date.parse(startedAt)),
    start: start.data,
    monitorSessionId,
  };
}
