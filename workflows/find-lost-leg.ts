import { sleep, workflowInfo } from '@temporalio/workflow';
import { START_EFFECT_WINDOW_MS, VISIBILITY_LAG_MS } from '../domain/lost-start.js';
import { claimLeg, listOurLegs } from './session-activities.js';

/** For a request on its way between here and the platform. */
const WINDOW_MARGIN_MS = 1_000;

/** How long a session stands back for neighbours whose own start is still open, ms. */
const CLAIM_LIMIT_MS = 120_000;

/**
 * Finds the leg of a session whose `start` was sent but whose answer never came, or makes sure that there is none:
 * waits until the start can no longer take effect, notes which legs are there, and claims one of them by the rules of
 * `domain/lost-start.ts`. Returns its `monitorSessionId`.
 *
 * Run it non-cancellable: a session that is stopped meanwhile needs its leg all the more.
 */
export async function findLostLeg(interactionId: string, sentByMs: number): Promise<string | undefined> {
  const { firstExecutionRunId, startTime } = workflowInfo();
  const self = { runId: firstExecutionRunId, startedAtMs: startTime.getTime() };

  const closesInMs = sentByMs + START_EFFECT_WINDOW_MS + WINDOW_MARGIN_MS - Date.now();
  if (closesInMs > 0) await sleep(closesInMs, { summary: 'until the lost start can no longer take effect' });

  const seenBefore = await listOurLegs(interactionId);
  if (seenBefore.length === 0) return undefined;
  const giveUpAtMs = Date.now() + CLAIM_LIMIT_MS;
  while (Date.now() < giveUpAtMs) {
    await sleep(VISIBILITY_LAG_MS, { summary: 'until lists show every session that may own the leg' });
    const decision = await claimLeg({ interactionId, self, seenBefore });
    if (decision.kind === 'adopt') return decision.monitorSessionId;
    if (decision.kind === 'none') return undefined;
  }
  return undefined;
}
