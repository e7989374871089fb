import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { SESSION_MEMO } from '../domain/workflow-contract.js';
import { sessionSnapshot } from '../domain/session.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { platformFailure } from './platform-failure.js';
import type { PlatformFailureDetails } from './platform-failure.js';

/**
 * The live leg that an earlier run of the same session made, if any. A reset replays a session from before its `start`,
 * which must not make a second leg.
 * @throws ApplicationFailure `platform.ambiguous` where an earlier run may have sent a `start` whose leg is not known.
 */
export type EarlierLeg = (
  execution: { readonly workflowId: string; readonly runId: string },
  interactionId: string,
) => Promise<string | undefined>;

export function createEarlierLeg(platform: TelephonyPlatform, client: () => Client): EarlierLeg {
  return async ({ workflowId, runId }, interactionId) => {
    // A session's id has no character that would need quoting.
    const runs = client().workflow.list({ query: `WorkflowId = '${workflowId}'` });
    const known = new Set<string>();
    for await (const run of runs) {
      const session = sessionSnapshot.safeParse(run.memo?.[SESSION_MEMO]);
      if (run.runId !== runId && session.success && session.data.monitorSessionId !== null) {
        known.add(session.data.monitorSessionId);
      }
    }
    try {
      const state = await platform.monitorState(interactionId);
      const live = state.monitors.find(
        (leg) => known.has(leg.monitorSessionId) && (leg.status === 'pending' || leg.status === 'active'),
      );
      if (live !== undefined) return live.monitorSessionId;
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      // An interaction that is over is the platform's to tell the `start` itself.
      if (error.fault.kind !== 'gone') throw platformFailure(error);
    }
    if (known.size > 0) return undefined;
    throw ApplicationFailure.create({
      type: 'platform.ambiguous',
      message: `${workflowId} was reset, and an earlier run may have sent its start`,
      nonRetryable: true,
      details: [{ sentByMs: Date.now() } satisfies PlatformFailureDetails],
    });
  };
}
