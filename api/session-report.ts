import { WorkflowNotFoundError } from '@temporalio/client';
import { parseSessionWorkflowId } from '../domain/identifiers.js';
import { sessionReport, STATE_QUERY } from '../domain/workflow-contract.js';
import type { SessionReport } from '../domain/workflow-contract.js';
import { Problem } from './problem.js';
import { sessionNotFound } from './session-reader.js';
import type { SessionReader } from './session-reader.js';
import { GRPC, grpcFailure } from './temporal-problem.js';
import type { Temporal } from './temporal-client.js';

/** How long a look whether Temporal itself is there may take, ms: it comes on top of a query that got no answer. */
const LOOK_LIMIT_MS = 1_000;

interface ReportOptions {
  /** Of a run of the session; without it, the session that is or was last. */
  readonly runId?: string | undefined;
  readonly limitMs?: number;
}

/**
 * What only the workflow knows: its commands and its audit trail. One round trip, and a worker must answer; an ended
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
    answer = await temporal.call(() => temporal.client.workflow.getHandle(sessionId, runId).query(STATE_QUERY), {
      limitMs,
    });
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw sessionNotFound(sessionId);
    if (grpcFailure(error)?.code === GRPC.unavailable) throw error;
    // Nobody answered: is it the session, the workers or Temporal itself?
    if ((await reader.current(sessionId, LOOK_LIMIT_MS)) === undefined) throw sessionNotFound(sessionId);
    throw new Problem(
      'workers.unavailable',
      'No worker answered for this session. Is one running on the task queue (npm run worker)?',
      { cause: error },
    );
  }
  return sessionReport.parse(answer);
}
