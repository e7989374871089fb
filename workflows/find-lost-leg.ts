import { ActivityFailure, sleep } from '@temporalio/workflow';
import { START_EFFECT_WINDOW_MS, VISIBILITY_LAG_MS } from '../domain/lost-start.js';
import type { LostStart } from '../domain/lost-start.js';
import { claimLeg, listOurLegs } from './session-activities.js';

/** For a request on its way between here and the platform. */
const WINDOW_MARGIN_MS = 1_000;

/** How often a session stands back for neighbours whose own start is still open, {@link VISIBILITY_LAG_MS} each. */
const PATIENCE = 40;

export type LostLeg =
  | { readonly kind: 'found'; readonly monitorSessionId: string }
  /** The start never took effect. */
  | { readonly kind: 'none' }
  | { readonly kind: 'interaction-ended' }
  /** There may be a leg, and it cannot be told. */
  | { readonly kind: 'unknown'; readonly detail: string };

/**
 * Finds the leg of a session whose `start` was sent by `sentByMs` but whose answer never came, or makes sure that there
 * is none: waits until the start can no longer take effect, notes which legs are there, and claims one of them by the
 * rules of `domain/lost-start.ts`.
 *
 * Run it non-cancellable: a session that is stopped meanwhile needs its leg all the more.
 */
export async function findLostLeg(interactionId: string, self: LostStart['self'], sentByMs: number): Promise<LostLeg> {
  const closesInMs = sentByMs + START_EFFECT_WINDOW_MS + WINDOW_MARGIN_MS - Date.now();
  await sleep(Math.max(1, closesInMs), { summary: 'until the lost start can no longer take effect' });
  try {
    const seenBefore = await listOurLegs(interactionId);
    if (seenBefore === 'interaction-ended') return { kind: 'interaction-ended' };
    if (seenBefore.length === 0) return { kind: 'none' };
    const seenAtMs = Date.now();
    for (let waited = 0; waited < PATIENCE; waited += 1) {
      await sleep(VISIBILITY_LAG_MS, { summary: 'until lists show every session that may own the leg' });
      const decision = await claimLeg({ interactionId, self, seenBefore, seenAtMs });
      if (decision.kind === 'adopt') return { kind: 'found', monitorSessionId: decision.monitorSessionId };
      if (decision.kind === 'none') return { kind: 'none' };
    }
    return {
      kind: 'unknown',
      detail: 'the answer to the start was lost, and a neighbour never made clear which leg is whose',
    };
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    return {
      kind: 'unknown',
      detail: `the answer to the start was lost, and so is the leg: ${error.cause?.message ?? ''}`,
    };
  }
}
