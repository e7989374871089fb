import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { MONITORING_SESSION } from '../domain/workflow-contract.js';
import type { NeighbouringSession } from '../domain/lost-start.js';
import { sessionWorkflowId } from '../domain/identifiers.js';
import { sessionMemo } from './session-memo.js';

export interface RunningSession extends NeighbouringSession {
  readonly sessionId: string;
}

/** The running sessions of an interaction, by what their memos show. Lags as lists do. */
export async function runningSessions(client: Client, interactionId: string): Promise<RunningSession[]> {
  // By id, whose characters need no quoting; Temporal's SQL stores find no value with a `"` or a `\` in it.
  const query =
    `WorkflowType = '${MONITORING_SESSION}' AND ExecutionStatus = 'Running' ` +
    `AND WorkflowId STARTS_WITH '${sessionWorkflowId(interactionId, '')}'`;
  const sessions: RunningSession[] = [];
  for await (const execution of client.workflow.list({ query })) {
    sessions.push({ sessionId: execution.workflowId, ...neighbour(execution) });
  }
  return sessions;
}

function neighbour(execution: WorkflowExecutionInfo): NeighbouringSession {
  const { session, start } = sessionMemo(execution);
  const startedAtMs = execution.startTime.getTime();
  if (session === undefined || start === undefined) {
    // Without a memo the session has not come to its `start` yet; one that cannot be read may own any leg.
    return { runId: execution.runId, startedAtMs, start: 'unresolved', monitorSessionId: null };
  }
  const { runId, startedAt, monitorSessionId } = session;
  return {
    runId,
    // A run that succeeded another has its own start time, later than the chain's.
    startedAtMs: Math.min(startedAtMs, Date.parse(startedAt)),
    start,
    monitorSessionId,
  };
}
