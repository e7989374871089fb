import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { MONITORING_SESSION, SESSION_MEMO, START_MEMO, startProgress } from '../domain/workflow-contract.js';
import type { NeighbouringSession } from '../domain/lost-start.js';
import { sessionSnapshot } from '../domain/session.js';

/** The running sessions of an interaction, but for the asking one, by what their memos show. Lags as lists do. */
export async function runningSessions(
  client: Client,
  interactionId: string,
  asking: { readonly workflowId: string },
): Promise<NeighbouringSession[]> {
  const query =
    `WorkflowType = '${MONITORING_SESSION}' AND ExecutionStatus = 'Running' ` +
    `AND InteractionId = ${quoted(interactionId)}`;
  const sessions: NeighbouringSession[] = [];
  for await (const execution of client.workflow.list({ query })) {
    if (execution.workflowId !== asking.workflowId) sessions.push(neighbour(execution));
  }
  return sessions;
}

function neighbour(execution: WorkflowExecutionInfo): NeighbouringSession {
  const start = startProgress.safeParse(execution.memo?.[START_MEMO]);
  const session = sessionSnapshot.safeParse(execution.memo?.[SESSION_MEMO]);
  return {
    runId: execution.runId,
    startedAtMs: execution.startTime.getTime(),
    // Without a memo the session has not come to its `start` yet, so it may still send one.
    start: start.success ? start.data : 'unresolved',
    monitorSessionId: session.success ? session.data.monitorSessionId : null,
  };
}

/** A string literal of Temporal's list filters. */
export function quoted(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
