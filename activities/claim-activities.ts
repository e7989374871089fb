import { activityInfo, cancellationSignal, getClient, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { runningSessions } from '../directory/running-sessions.js';
import { decideClaim } from '../domain/lost-start.js';
import type { ClaimDecision, LostStart } from '../domain/lost-start.js';
import { PlatformError } from '../platform/platform-error.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { answering } from './platform-failure.js';

export interface ClaimActivities {
  /** The ids of our client's legs on an interaction, or that it is over. */
  listOurLegs(interactionId: string): Promise<readonly string[] | 'interaction-ended'>;

  /**
   * Decides which leg a session with a lost `start` may adopt, and stops those that nobody can own any more.
   * See `domain/lost-start.ts`. Idempotent until the session shows its leg.
   */
  claimLeg(request: {
    readonly interactionId: string;
    readonly self: LostStart['self'];
    readonly seenBefore: readonly string[];
    readonly seenAtMs: number;
  }): Promise<ClaimDecision>;
}

export function createClaimActivities(platform: TelephonyPlatform): ClaimActivities {
  async function legsOf(interactionId: string): Promise<LostStart['legs'] | 'interaction-ended'> {
    return answering(
      async () => (await platform.monitorState(interactionId, { signal: cancellationSignal() })).monitors,
      (fault) => (fault.kind === 'gone' ? 'interaction-ended' : undefined),
    );
  }

  return {
    async listOurLegs(interactionId) {
      const legs = await legsOf(interactionId);
      if (legs === 'interaction-ended') return legs;
      return legs.filter((leg) => leg.clientId === platform.clientId).map((leg) => leg.monitorSessionId);
    },

    async claimLeg({ interactionId, self, seenBefore, seenAtMs }) {
      const { workflowExecution } = activityInfo();
      if (workflowExecution === undefined) {
        throw ApplicationFailure.nonRetryable('claimLeg runs for a session only', 'platform.invalid');
      }
      // The sessions before the legs: a leg that is gone by the second call is nobody's to adopt.
      const sessions = await runningSessions(getClient(), interactionId);
      const neighbours = sessions.filter((session) => session.sessionId !== workflowExecution.workflowId);
      const legs = await legsOf(interactionId);
      if (legs === 'interaction-ended') return { kind: 'none' };
      const decision = decideClaim({ self, clientId: platform.clientId, seenBefore, seenAtMs, legs, neighbours });
      if (decision.kind === 'adopt') await stopAll(interactionId, decision.surplus);
      return decision;
    },
  };

  /** What of it fails must not keep a session from its own leg. */
  async function stopAll(interactionId: string, monitorSessionIds: readonly string[]): Promise<void> {
    for (const monitorSessionId of monitorSessionIds) {
      try {
        await platform.stopMonitor({ interactionId, monitorSessionId }, { signal: cancellationSignal() });
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
        log.warn('leg.surplus-not-stopped', { interactionId, monitorSessionId, reason: error.message });
      }
    }
  }
}
