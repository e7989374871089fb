import { isLiveLegOf } from './leg-status.js';
import type { LegState, MonitorState } from './platform-wire.js';
import { START_EFFECT_WINDOW_MS, VISIBILITY_LAG_MS } from './lost-start.js';
import type { NeighbouringSession } from './lost-start.js';
import { isLive } from './session-record.js';
import { stateOfMode } from './session.js';
import type { SessionSnapshot } from './session.js';

/**
 * What the platform's legs and our sessions should know of each other, decided for one interaction at a time
 * (docs/decisions/0008-nothing-left-behind.md).
 */

/** A running session, as lists show it: up to {@link VISIBILITY_LAG_MS} old, or not there at all yet. */
export interface ListedSession extends Pick<NeighbouringSession, 'start' | 'monitorSessionId'> {
  readonly sessionId: string;
  readonly session: SessionSnapshot | undefined;
}

/** A leg of ours that no running session shows. */
export interface UnknownLeg {
  readonly interactionId: string;
  readonly monitorSessionId: string;
  /** When it was first seen so, ms since the epoch. */
  readonly sinceMs: number;
}

/**
 * How long a leg has to be unknown before it is an orphan, ms, besides having been so in the round before: a session that
 * has just been told of its leg is listed by then, and one that was not looks for it and says so.
 */
export const ORPHAN_AFTER_MS = START_EFFECT_WINDOW_MS + 2 * VISIBILITY_LAG_MS;

/** What is to be done on one interaction. */
export interface Verdict {
  /** Sessions that should look at their leg: it is not as they show it, or not there. */
  readonly mistaken: readonly string[];
  /** Legs of ours that nobody owns, to be stopped once that has been made sure of. */
  readonly orphans: readonly string[];
  /** Legs of ours that may turn out to be orphans. */
  readonly unknown: readonly UnknownLeg[];
}

export interface Findings {
  readonly state: MonitorState;
  readonly sessions: readonly ListedSession[];
  /** Our OAuth client. */
  readonly clientId: string;
  /** What the round before found unknown. */
  readonly unknownBefore: readonly UnknownLeg[];
  readonly nowMs: number;
}

/** Compares the legs of one interaction with the sessions that run on it. Other programs' legs are none of our business. */
export function judge({ state, sessions, clientId, unknownBefore, nowMs }: Findings): Verdict {
  const { interactionId } = state;
  const owned = new Set(sessions.map(({ monitorSessionId }) => monitorSessionId));
  // A session whose start has not been answered yet may own any leg.
  const isAnyUnsure = sessions.some(({ start }) => start !== 'resolved');
  const unknown = state.monitors
    .filter((leg) => isLiveLegOf(clientId, leg) && !owned.has(leg.monitorSessionId))
    .map(({ monitorSessionId }): UnknownLeg => {
      const before = unknownBefore.find((one) => one.monitorSessionId === monitorSessionId);
      return before ?? { interactionId, monitorSessionId, sinceMs: nowMs };
    });
  const orphans = isAnyUnsure ? [] : unknown.filter(({ sinceMs }) => sinceMs <= nowMs - ORPHAN_AFTER_MS);
  return {
    mistaken: sessions.filter((session) => isMistaken(session, state)).map(({ sessionId }) => sessionId),
    orphans: orphans.map(({ monitorSessionId }) => monitorSessionId),
    unknown: unknown.filter((one) => !orphans.includes(one)),
  };
}

function isMistaken({ session, monitorSessionId }: ListedSession, { monitors, bargeStatus }: MonitorState): boolean {
  // One that waits for its leg to become active looks all the time.
  if (session === undefined || monitorSessionId === null || session.state === 'PENDING' || !isLive(session))
    return false;
  const leg = monitors.find((one) => one.monitorSessionId === monitorSessionId);
  return session.bargeStatus !== bargeStatus || !isAsShown(session, leg);
}

function isAsShown({ state }: SessionSnapshot, leg: LegState | undefined): boolean {
  return leg?.status === 'active' && stateOfMode(leg.mode) === state;
}
