import { isExclusive } from '../domain/session.js';
import type { MonitorMode } from '../domain/session.js';

/**
 * How much a call to the platform matters when not all of them can be made at once, from the most to the least:
 * - `release`: a leg is stopped or silenced. Somebody would be listened to, or keep others from speaking.
 * - `mode`: a supervisor wants to speak.
 * - `start`: a session wants its leg.
 * - `confirm`: somebody wants to know what became of a leg, or is there.
 * - `background`: nobody waits for it: sweeps, lists.
 */
export const IMPORTANCES = ['release', 'mode', 'start', 'confirm', 'background'] as const;
export type Importance = (typeof IMPORTANCES)[number];

/** Of what has to do with a change to this mode: silence lets others speak. */
export function importanceOf(mode: MonitorMode): Importance {
  return isExclusive(mode) ? 'mode' : 'release';
}

/** What each of them leaves to those that matter more, as a part of the platform's window. */
const LEFT_TO_OTHERS: Readonly<Record<Importance, number>> = {
  release: 0,
  mode: 0.1,
  start: 0.2,
  confirm: 0.3,
  background: 0.5,
};

/** Calls of a window of `limit` that are not for these; every kind may use a window of one. */
export function reserveFrom(importance: Importance, limit: number): number {
  return Math.min(Math.ceil(limit * LEFT_TO_OTHERS[importance]), limit - 1);
}
