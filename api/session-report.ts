import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { isOpen } from '../directory/running-sessions.js';
import { parseSessionWorkflowId } from '../domain/identifiers.js';
import { sessionReport } from '../domain/session-report.js';
import type { SessionReport } from '../domain/session-report.js';
import { STATE_QUERY } from '../domain/workflow-contract.js';
import { Problem } from './problem.js';
import { sessionNotFound } from './session-reader.js';
import type { SessionReader } from './session-reader.js';
import { GRPC, grpcFailure } from './temporal-problem.js';
import type { Temporal } from './temporal-client.js';
import { unbegunReport } from './unbegun-session.js';

/** How long a look whether Temporal itself is there may take, ms: it comes on top of a query that got no answer. */
const LOOK_LIMIT_MS = 1_000;

interface ReportOptions {
  /** Of a run of the session; without it, the session that is or was last. */
  readonly runId?: string | undefined;
  readonly limitMs?: number;
}

/** Between two looks whether a session has anything to do, ms: growing. */
const PAUSE_MS = { first: 10, longest: 200 } as const;

/**
 * Waits until the workflow is between two tasks; false where it is not in time, as without a worker. A query that comes with
 * a task can make a history that cannot be replayed (docs/decisions/0002-at-once-then-patiently.md), and one that is sent
 * while a task waits for a worker comes with that task.
 */
async function isBetweenTasks(
  temporal: Temporal,
  session: Pick<WorkflowHandle, 'describe'>,
  limitMs: number,
): Promise<boolean> {
  const untilMs = performance.now() + limitMs;
  for (let pauseMs: number = PAUSE_MS.first; ; pauseMs = Math.min(pauseMs * 1.5, PAUSE_MS.longest)) {
    const execution = await temporal.call(() => session.describe(), { limitMs });
    // What was due when it was terminated is shown for ever.
    if (!isOpen(execution) || (execution.raw.pendingWorkflowTask ?? undefined) === undefined) return true;
    if (performance.now() + pauseMs >= untilMs) return false;
    await sleep(pauseMs);
  }
}

/**
 * What only the workflow knows: its commands and its audit trail. Two round trips, and a worker must answer; an ended
 * session's does too, from its history.
 *
 * @throws {Problem} `session.not.found`, `workers.unavailable`
 */
export async function readReport(
  temporal: Temporal,
  reader: SessionReader,
  sessionId: string,
  { runId, limitMs = temporal.callLimitMs }: ReportOptions = {},
): Promise<SessionReport> {
  if (parseSessionWorkflowId(sessionId) === undefined) throw sessionNotFound(sessionId);
  let answer: unknown;
  try {
    const session = temporal.client.workflow.getHandle(sessionId, runId);
    if (!(await isBetweenTasks(temporal, session, limitMs))) throw noWorker();
    answer = await temporal.call(() => session.query(STATE_QUERY), { limitMs });
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (error instanceof WorkflowNotFoundError) throw sessionNotFound(sessionId);
    if (grpcFailure(error)?.code === GRPC.unavailable) throw error;
    if (isOfNoTask(error)) {
      const { session, open } = await reader.read(sessionId, runId, LOOK_LIMIT_MS);
      if (!open) return unbegunReport(temporal, session);
    }
    // Nobody answered: is it the session, the workers or Temporal itself?
    if ((await reader.current(sessionId, LOOK_LIMIT_MS)) === undefined) throw sessionNotFound(sessionId);
    throw noWorker(error);
  }
  return sessionReport.parse(answer);
}

/** Temporal asks no worker for a workflow that none has ever taken up. */
function isOfNoTask(error: unknown): boolean {
  return grpcFailure(error)?.code === GRPC.failedPrecondition;
}

function noWorker(cause?: unknown): Problem {
  return new Problem(
    'workers.unavailable',
    'No worker answered for this session. Is one running on the task queue (npm run worker)?',
    cause === undefined ? {} : { cause },
  );
}
