import { WorkflowNotFoundError } from '@temporalio/client';
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { mutexWorkflowId, parseSessionWorkflowId } from '../domain/identifiers.js';
import type { NeighbouringSession } from '../domain/lost-start.js';
import type { SessionSnapshot } from '../domain/session.js';
import { runningOn, runningSessionsHeard, runningSessionsOfLegs, runningSessionsOfOne } from './list-filter.js';
import { sessionMemo } from './session-memo.js';

/** Interactions that one list filter names at most. */
const INTERACTIONS_AT_ONCE = 100;

/** A session that runs, by what lists show of it. */
export interface RunningSession extends NeighbouringSession {
  readonly sessionId: string;
  readonly interactionId: string;
  /** As it was last written; `undefined` before that, or where it cannot be read. */
  readonly session: SessionSnapshot | undefined;
}

/** The running sessions of an interaction. Lags as lists do. */
export function runningSessions(client: Client, interactionId: string): Promise<RunningSession[]> {
  return sessionsOf(client, runningSessionsOfOne(interactionId));
}

/** The running sessions whose legs are active. Lags as lists do. */
export function heardSessions(client: Client): Promise<RunningSession[]> {
  return sessionsOf(client, runningSessionsHeard());
}

/** The running sessions that have these legs, a hundred at most. Lags as lists do. */
export function sessionsOfLegs(client: Client, monitorSessionIds: readonly string[]): Promise<RunningSession[]> {
  return sessionsOf(client, runningSessionsOfLegs(monitorSessionIds));
}

async function sessionsOf(client: Client, query: string): Promise<RunningSession[]> {
  const sessions: RunningSession[] = [];
  for await (const execution of client.workflow.list({ query })) {
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

/** Everything that runs for these interactions. Lags as lists do. One list request for each hundred. */
export async function allRunningOn(client: Client, interactionIds: readonly string[]): Promise<Running> {
  const sessions: RunningSession[] = [];
  const mutexes: Running['mutexes'][number][] = [];
  const byMutex = new Map(interactionIds.map((interactionId) => [mutexWorkflowId(interactionId), interactionId]));
  for (let start = 0; start < interactionIds.length; start += INTERACTIONS_AT_ONCE) {
    const query = runningOn(interactionIds.slice(start, start + INTERACTIONS_AT_ONCE));
    for await (const execution of client.workflow.list({ query })) {
      const { workflowId } = execution;
      const interactionId = byMutex.get(workflowId);
      if (interactionId !== undefined) mutexes.push({ workflowId, interactionId });
      const session = runningSession(execution);
      if (session !== undefined) sessions.push(session);
    }
  }
  return { sessions, mutexes };
}

/**
 * The run in which a session's chain goes on, as after a reset or continue-as-new; `undefined` once it is over. By the
 * execution itself: lists lag.
 * @param runId the first run of the chain
 */
export async function openRunOf(
  client: Client,
  { sessionId, runId }: { readonly sessionId: string; readonly runId: string },
): Promise<string | undefined> {
  try {
    const description = await client.workflow.getHandle(sessionId).describe();
    // A server that does not tell the chain cannot tell another session from this one: then the id has to do.
    const firstRunId = description.raw.workflowExecutionInfo?.firstRunId ?? '';
    const chain = firstRunId === '' ? runId : firstRunId;
    // Another chain under the same id is another session; this one is over, or it could not have started.
    return isOpen(description) && chain === runId ? description.runId : undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Whether an execution still goes on; it may be paused by hand. */
export function isOpen({ status }: { readonly status: Pick<WorkflowExecutionInfo['status'], 'name'> }): boolean {
  return status.name === 'RUNNING' || status.name === 'PAUSED';
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
