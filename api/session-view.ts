import type { WorkflowExecutionInfo } from '@temporalio/client';
import { isOpen } from '../directory/running-sessions.js';
import { parseSessionWorkflowId } from '../domain/identifiers.js';
import type { CommandResource } from '../domain/commands.js';
import { newSessionRecord } from '../domain/session-record.js';
import { sessionSnapshot } from '../domain/session.js';
import type { SessionResource, SessionSnapshot } from '../domain/session.js';
import {
  COMMANDS_MEMO,
  commandsMemo,
  CREATION_MEMO,
  creation,
  MONITORING_SESSION,
  SESSION_MEMO,
} from '../domain/workflow-contract.js';
import type { Creation } from '../domain/workflow-contract.js';

/** What is needed of a workflow execution to show the session that it is. */
export type SessionExecution = Pick<
  WorkflowExecutionInfo,
  'type' | 'workflowId' | 'runId' | 'startTime' | 'closeTime' | 'memo'
> & {
  readonly status: Pick<WorkflowExecutionInfo['status'], 'name'>;
  /** The chain's first run, where the answer has it (a list doesn't). */
  readonly firstRunId?: string | undefined;
};

/**
 * The session that an execution is, by the memo that it mirrors itself in. What Temporal knows better wins: who it is
 * for, and that it is over. `undefined` for what never was a session: another workflow, or a direct start with bad
 * input, which failed before it had a memo.
 */
export function sessionOf(execution: SessionExecution): SessionSnapshot | undefined {
  const { workflowId, status, startTime, closeTime, memo } = execution;
  const ids = parseSessionWorkflowId(workflowId);
  if (ids === undefined || execution.type !== MONITORING_SESSION) return undefined;

  const mirrored = sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data;
  if (mirrored === undefined && status.name === 'FAILED') return undefined;
  // The starter can't know the run that it starts, so the first memo has an empty `runId`.
  const runId = [execution.firstRunId, mirrored?.runId].find((id) => id !== undefined && id !== '') ?? execution.runId;
  const session: SessionSnapshot = {
    ...(mirrored ?? newSessionRecord(ids, { sessionId: workflowId, runId }, startTime.toISOString()).session),
    ...ids,
    sessionId: workflowId,
    runId,
  };
  if (isOpen(execution) || session.state === 'TERMINATED') return session;
  // It did not end by itself: terminated, timed out or failed in Temporal.
  return terminated(session, (closeTime ?? startTime).toISOString());
}

/** A session that did not end by itself, as it is shown. */
export function terminated(session: SessionSnapshot, endedAt: string): SessionSnapshot {
  return {
    ...session,
    version: session.version + 1,
    state: 'TERMINATED',
    waiting: null,
    ending: null,
    endedAt,
    endReason: 'terminated',
  };
}

/** The commands that a session mirrors beside itself. */
export function commandsOf({ memo }: Pick<SessionExecution, 'memo'>): readonly CommandResource[] {
  return commandsMemo.safeParse(memo?.[COMMANDS_MEMO]).data ?? [];
}

/** The request that made it, if that had an `Idempotency-Key`. */
export function creationOf({ memo }: Pick<SessionExecution, 'memo'>): Creation | undefined {
  return creation.safeParse(memo?.[CREATION_MEMO]).data;
}

/** The session as REST answers it. */
export function toResource(session: SessionSnapshot): SessionResource {
  return { ...session, serverNow: new Date().toISOString() };
}
