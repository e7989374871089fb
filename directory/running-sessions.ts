import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { mutexWorkflowId, parseSessionWorkflowId } from '../domain/identifiers.js';
import type { NeighbouringSession } from '../domain/lost-start.js';
import type { SessionSnapshot } from '../domain/session.js';
import { runningOn, runningSessionsOfOne } from './list-filter.js';
import { sessionMemo } from './session-memo.js';

/** A session that runs, by what lists show of it. */
export interface RunningSession extends NeighbouringSession {
  readonly sessionId: string;
  readonly interactionId: string;
  /** As it was last written; `undefined` before that, or where it cannot be read. */
  readonly session: SessionSnapshot | undefined;
}

/** The running sessions of an interaction. Lags as lists do. */
export async function runningSessions(client: Client, interactionId: string): Promise<RunningSession[]> {
  const sessions: RunningSession[] = [];
  for await (const execution of client.workflow.list({ query: runningSessionsOfOne(interactionId) })) {
    const session = runningSession(execution);
    if (session !== undefined) sessions.push(session);
  }
  return sessions;
}

/** What runs for some interactions. */
export interface Running {
  readonly sessions: readonly RunningSession[];
  /** Of their exclusive channels. */
  readonly mutexes: readonly { readonly workflowId: string; readonly interactionId: string }[];
}

/** Everything that runs for these interactions. Lags as lists do. @param interactionIds some hundred at most */
export async function allRunningOn(client: Client, interactionIds: readonly string[]): Promise<Running> {
  const sessions: RunningSession[] = [];
  const mutexes = new Map(interactionIds.map((interactionId) => [mutexWorkflowId(interactionId), interactionId]));
  const running: Running['mutexes'][number][] = [];
  for await (const execution of client.workflow.list({ query: runningOn(interactionIds) })) {
    const { workflowId } = execution;
    const interactionId = mutexes.get(workflowId);
    if (interactionId !== undefined) running.push({ workflowId, interactionId });
    const session = runningSession(execution);
    if (session !== undefined) sessions.push(session);
  }
  return { sessions, mutexes: running };
}

/** `undefined` for any other workflow. */
export function runningSession(execution: WorkflowExecutionInfo): RunningSession | undefined {
  const { workflowId } = execution;
  const ids = parseSessionWorkflowId(workflowId);
  if (ids === undefined) return undefined;
  const { interactionId } = ids;
  const { session, start } = sessionMemo(execution);
  const startedAtMs = execution.startTime.getTime();
  const known = { sessionId: workflowId, interactionId, session };
  if (session === undefined || start === undefined) {
    // Without a memo the session has not come to its `start` yet; one that cannot be read may own any leg.
    return { ...known, runId: execution.runId, startedAtMs, start: 'unresolved', monitorSessionId: null };
  }
  const { runId, startedAt, monitorSessionId } = session;
  return {
    ...known,
    runId,
    // A run that succeeded another has its own start time, later than the chain's.
    startedAtMs: Math.min(startedAtMs, Date.parse(startedAt)),
    start,
    monitorSessionId,
  };
}
