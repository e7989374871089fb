import { z } from 'zod';

/** What the workflows that clean up behind sessions are called, and what they say of themselves. */

/** One for all sessions: finds out what nobody told, at an interval. Workflow type and id. */
export const INTERACTION_SWEEP = 'interactionSweep';
export const INTERACTION_SWEEP_ID = 'interaction-sweep';

/** Keeps the connection to the platform's event stream. Workflow type and id. */
export const PLATFORM_EVENTS = 'platformEvents';
export const PLATFORM_EVENTS_ID = 'platform-events';

/** Memo of the sweep: when its last round began, ms since the epoch. Lists that show it are no older. */
export const ROUND_MEMO = 'round';

/** Signal to the sweep: do it now, because events may have been missed. */
export const SWEEP_NOW = 'sweepNow';

/** Signal to the sweep: these settings from now on. */
export const SWEEP_SETTINGS = 'settings';

export const sweepSettings = z.strictObject({
  /** Between the beginnings of two sweeps, and of two rounds of reconciliation, ms. */
  intervalMs: z.int().min(100).max(3_600_000),
});
export type SweepSettings = z.infer<typeof sweepSettings>;

const when = z.iso.datetime().nullable();
/** Why the last one that was tried did not come to its end, if it did not. */
const trouble = z.string().nullable();

/** What the sweep's query `state` answers. */
export const sweepReport = z.object({
  intervalMs: z.number(),
  /** The last sweep that was done to its end. */
  sweep: z.object({
    at: when,
    pages: z.number(),
    interactions: z.number(),
    sessionsTold: z.number(),
    trouble,
  }),
  /** The last round of reconciliation that was done to its end. */
  round: z.object({
    at: when,
    tookMs: z.number(),
    interactions: z.number(),
    calls: z.number(),
    sessionsTold: z.number(),
    legsStopped: z.number(),
    legsUnknown: z.number(),
    trouble,
  }),
});
export type SweepReport = z.infer<typeof sweepReport>;

/** Before anything has been done. */
export function newSweepReport({ intervalMs }: SweepSettings): SweepReport {
  return {
    intervalMs,
    sweep: { at: null, pages: 0, interactions: 0, sessionsTold: 0, trouble: null },
    round: {
      at: null,
      tookMs: 0,
      interactions: 0,
      calls: 0,
      sessionsTold: 0,
      legsStopped: 0,
      legsUnknown: 0,
      trouble: null,
    },
  };
}

/**
 * How much of the past each sweep looks at again, ms: an interaction may be listed later than it ended, and two clocks
 * differ.
 */
export const SWEEP_OVERLAP_MS = 120_000;

/**
 * From when the next sweep has to look, ISO 8601 by the platform's clock. It never goes back, nor ahead of our own clock,
 * so that one end that is dated wrongly hides no others.
 * @param before `null`: everything that is listed
 * @param newestEndAt of all that this sweep has seen; `null`: it has seen none
 */
export function nextWatermark(before: string | null, newestEndAt: string | null, nowMs: number): string | null {
  if (newestEndAt === null) return before;
  const nextMs = Math.min(Date.parse(newestEndAt), nowMs) - SWEEP_OVERLAP_MS;
  return new Date(before === null ? nextMs : Math.max(Date.parse(before), nextMs)).toISOString();
}
