import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { sessionMemo } from '../directory/session-memo.js';
import type { SessionMemo } from '../directory/session-memo.js';
import { isLiveLeg } from '../domain/leg-status.js';
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
    const runs: SessionMemo[] = [];
    // A session's id has no character that would need quoting. Other chains under it are other sessions.
    for await (const run of client().workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
      const shown = sessionMemo(run);
      if (run.runId !== runId && (shown.session?.runId ?? run.runId) === chainRunId) runs.push(shown);
    }
    const legs = new Set(runs.map((run) => run.session?.monitorSessionId));
    const live = await answering(
      async () =>
        (await platform.monitorState(interactionId, { signal })).monitors.find(
          (leg) => legs.has(leg.monitorSessionId) && isLiveLeg(leg),
        ) ?? null,
      // An interaction that is over is the platform's to tell the `start` itself.
      (fault) => (fault.kind === 'gone' ? null : undefined),
    );
    if (live !== null) return live.monitorSessionId;
    if (runs.length > 0 && runs.every((run) => run.session !== undefined && run.start === 'resolved')) return undefined;
    throw ApplicationFailure.create({
      type: 'platform.ambiguous',
      message: `the start of ${workflowId} runs again, and an earlier one may have been sent`,
      nonRetryable: true,
      details: [{ mayStillSendMs } satisfies PlatformFailureDetails],
    });
  };
}
