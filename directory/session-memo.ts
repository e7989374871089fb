import type { WorkflowExecutionInfo } from '@temporalio/client';
import { sessionSnapshot } from '../domain/session.js';
import type { SessionSnapshot } from '../domain/session.js';
import { SESSION_MEMO, START_MEMO, startProgress } from '../domain/workflow-contract.js';
import type { StartProgress } from '../domain/workflow-contract.js';

/** What a session shows of itself, as far as it has been written and can be read. */
export interface SessionMemo {
  readonly session: SessionSnapshot | undefined;
  readonly start: StartProgress | undefined;
}

export function sessionMemo({ memo, runId }: Pick<WorkflowExecutionInfo, 'memo' | 'runId'>): SessionMemo {
  const session = sessionSnapshot.safeParse(memo?.[SESSION_MEMO]).data;
  return {
    // A starter does not know the run yet when it writes the first memo: that run is its chain's first.
    session: session?.runId === '' ? { ...session, runId } : session,
    start: startProgress.safeParse(memo?.[START_MEMO]).data,
  };
}
