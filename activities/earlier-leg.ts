import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { sessionSnapshot } from '../domain/session.js';
import { SESSION_MEMO, START_MEMO } from '../domain/workflow-contract.js';
import type { StartProgress } from '../domain/workflow-contract.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { answering } from './platform-failure.js';
import type { PlatformFailureDetails } from './platform-failure.js';

/** A session whose start activity runs again, in a later run of its chain (a reset) or in a later attempt. */
export interface RepeatedStart {
  readonly workflowId: string;
  readonly runId: string;
  /** The first run of the chain. */
  readonly chainRunId: string;
  readonly interactionId: string;
  /** How long an earlier attempt may still be about to send its start, ms. */
  readonly mayStillSendMs: number;
}

/**
 * The live leg that an earlier run of the same session made, if any: a reset replays a session from before its `start`,
 * which must not make a second leg. `undefined` only where no earlier run can have a start under way.
 * @throws ApplicationFailure `platform.ambiguous` where an earlier `start` may have made a leg that is not known.
 */
export type EarlierLeg = (repeated: RepeatedStart, signal: AbortSignal) => Promise<string | undefined>;

export function createEarlierLeg(platform: TelephonyPlatform, client: () => Client): EarlierLeg {
  return async ({ workflowId, runId, chainRunId, interactionId, mayStillSendMs }, signal) => {
    const runs: { readonly resolved: boolean; readonly leg: string | null }[] = [];
    // A session's id has no character that would need quoting. Other chains under it are other sessions.
    for await (const run of client().workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
      if (run.runId !== runId && chainOf(run) === chainRunId) runs.push(startOf(run));
    }
    const legs = new Set(runs.map(({ leg }) => leg));
    const live = await answering(
      async () =>
        (await platform.monitorState(interactionId, { signal })).monitors.find(
          (leg) => legs.has(leg.monitorSessionId) && (leg.status === 'pending' || leg.status === 'active'),
        ) ?? null,
      // An interaction that is over is the platform's to tell the `start` itself.
      (fault) => (fault.kind === 'gone' ? null : undefined),
    );
    if (live !== null) return live.monitorSessionId;
    if (runs.length > 0 && runs.every(({ resolved }) => resolved)) return undefined;
    throw ApplicationFailure.create({
      type: 'platform.ambiguous',
      message: `the start of ${workflowId} runs again, and an earlier one may have been sent`,
      nonRetryable: true,
      details: [{ mayStillSendMs } satisfies PlatformFailureDetails],
    });
  };
}

function chainOf({ runId, memo }: WorkflowExecutionInfo): string {
  const session = sessionSnapshot.safeParse(memo?.[SESSION_MEMO]);
  // A starter does not know the run yet when it writes the first memo: that run is its chain's first.
  return session.success && session.data.runId !== '' ? session.data.runId : runId;
}

function startOf({ memo }: WorkflowExecutionInfo): { readonly resolved: boolean; readonly leg: string | null } {
  const session = sessionSnapshot.safeParse(memo?.[SESSION_MEMO]);
  return {
    resolved: session.success && memo?.[START_MEMO] === ('resolved' satisfies StartProgress),
    leg: session.success ? session.data.monitorSessionId : null,
  };
}
