import { z } from 'zod';
import { sessionMedia } from './media.js';

/** What a leg can do once it is active (`platform-api.md`, `mode`). */
export const monitorMode = z.enum(['silent', 'whisper', 'barge']);
export type MonitorMode = z.infer<typeof monitorMode>;

/**
 * A session's state: what the platform last confirmed, never what was hoped (`design.md`, rule 10).
 * PENDING until the platform says `active`, TERMINATED for good.
 */
export const sessionState = z.enum(['PENDING', 'SILENT', 'WHISPER', 'BARGE', 'TERMINATED']);
export type SessionState = z.infer<typeof sessionState>;

/** Why a session ended. */
export const endReason = z.enum([
  'stopped',
  'interaction-ended',
  'start-failed',
  'not-confirmed',
  'leg-lost',
  'max-duration',
  'forbidden',
  'cancelled',
  'terminated',
  'platform-unreachable',
]);
export type EndReason = z.infer<typeof endReason>;

const timestamp = z.iso.datetime();

/** Whether any leg of the interaction, ours or not, is in barge or whisper, as last seen. */
export const bargeStatus = z.enum(['active', 'inactive']);
export type BargeStatus = z.infer<typeof bargeStatus>;

/**
 * The session as it is mirrored in the workflow's memo and, with `serverNow` added, as REST shows it (`design.md`).
 * `version` rises by one with every change, so that a reader can tell old from new.
 */
export const sessionSnapshot = z.object({
  sessionId: z.string(),
  /** The first run of the workflow's chain: tells one session from the next under the same id. */
  runId: z.string(),
  version: z.int().positive(),
  interactionId: z.string(),
  supervisorId: z.string(),
  state: sessionState,
  monitorSessionId: z.string().nullable(),
  bargeStatus,
  /** Waiting for the exclusive channel. */
  waiting: z
    .object({ mode: z.enum(['whisper', 'barge']), position: z.int().positive(), expiresAt: timestamp })
    .nullable(),
  /** The leg is being stopped, for this reason and since then. */
  ending: z.object({ reason: endReason, since: timestamp }).nullable(),
  /** How the leg is carried and heard; `null` before there is one. */
  media: sessionMedia.nullable(),
  /** Since when the platform has not answered what this session asked of it; `null`: it has. */
  unansweredSince: timestamp.nullable().default(null),
  startedAt: timestamp,
  endedAt: timestamp.nullable(),
  endReason: endReason.nullable(),
});
export type SessionSnapshot = z.infer<typeof sessionSnapshot>;

/** The session as REST answers it. */
export const sessionResource = sessionSnapshot.extend({ serverNow: timestamp });
export type SessionResource = z.infer<typeof sessionResource>;

const ALLOWED: Readonly<Record<SessionState, readonly SessionState[]>> = {
  PENDING: ['SILENT', 'WHISPER', 'BARGE', 'TERMINATED'],
  SILENT: ['WHISPER', 'BARGE', 'TERMINATED'],
  WHISPER: ['SILENT', 'BARGE', 'TERMINATED'],
  BARGE: ['SILENT', 'WHISPER', 'TERMINATED'],
  TERMINATED: [],
};

/**
 * Whether a session may go from one state to another. PENDING may be confirmed straight into WHISPER or BARGE: a leg
 * that is found again after a lost answer is shown in the mode the platform says it has.
 */
export function canTransition(from: SessionState, to: SessionState): boolean {
  return ALLOWED[from].includes(to);
}

const STATE_OF_MODE = { silent: 'SILENT', whisper: 'WHISPER', barge: 'BARGE' } as const;

/** The state of an active session whose leg has the given mode. */
export function stateOfMode(mode: MonitorMode): (typeof STATE_OF_MODE)[MonitorMode] {
  return STATE_OF_MODE[mode];
}

/** Whether a mode uses the interaction's one exclusive channel (seed, Edge Case 2: barge and whisper share it). */
export function isExclusive(mode: MonitorMode): mode is 'whisper' | 'barge' {
  return mode !== 'silent';
}
