import { activityInfo, cancellationSignal, getClient } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { decideClaim } from '../domain/lost-start.js';
import type { ClaimDecision, LostStart } from '../domain/lost-start.js';
import type { TelephonyPlatform } from '../platform/telephony-platform.js';
import { answering } from './platform-failure.js';
import { runningSessions } from './running-sessions.js';

export interface ClaimActivities {
  /** The ids of our client's live legs on an interaction; none if the interaction is over. */
  listOurLegs(interactionId: string): Promise<readonly string[]>;

  /**
   * Decides which leg a session with a lost `start` may adopt, and stops those that nobody can own any more.
   * See `domain/lost-start.ts`. Idempotent until the session shows its leg.
   */
  claimLeg(request: {
    readonly interactionId: string;
    readonly self: LostStart['self'];
    readonly seenBefore: readonly string[];
  }): Promise<ClaimDecision>;
}

export function createClaimActivities(platform: TelephonyPlatform): ClaimActivities {
  async function legsOf(interactionId: string): Promise<LostStart['legs']> {
    return answering(
      async () => (await platform.monitorState(interactionId, { signal: cancellationSignal() })).monitors,
      (fault) => (fault.kind === 'gone' ? [] : undefined),
    );
  }

  return {
    async listOurLegs(interactionId) {
      const legs = await legsOf(interactionId);
      return legs.filter((leg) => leg.clientId === platform.clientId).map((leg) => leg.monitorSessionId);
    },

    async claimLeg({ interactionId, self, seenBefore }) {
      const { workflowExecution } = activityInfo();
      if (workflowExecution === undefined) {
        throw ApplicationFailure.nonRetryable('claimLeg runs for a session only', 'platform.invalid');
      }
      // The sessions before the legs: a leg that is gone by the second call is nobody's to adopt.
      const neighbours = await runningSessions(getClient(), interactionId, workflowExecution);
      const legs = await legsOf(interactionId);
      const decision = decideClaim({ self, clientId: platform.clientId, seenBefore, legs, neighbours });
      if (decision.kind === 'adopt') {
        for (const monitorSessionId of decision.surplus) {
          const leg = { interactionId, monitorSessionId };
          await answering(
            () => platform.stopMonitor(leg, { signal: cancellationSignal() }),
            () => undefined,
          );
        }
      }
      return decision;
    },
  };
}
