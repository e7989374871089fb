import { z } from 'zod';
import { ANNOUNCED } from './announcements.js';
import { sessionResource } from './session.js';

/**
 * What is told of sessions as it happens: between workers and APIs as hints, and to those who listen at
 * `GET /v1/events` as changes.
 */

/** What may have happened to a session. `session.updated`: what it shows has changed, and none of the others says it. */
export const changeType = z.enum([...ANNOUNCED, 'session.media', 'session.updated']);
export type ChangeType = z.infer<typeof changeType>;

/** What is told of a change beside the session itself, where it applies. */
const details = {
  commandId: z.string().optional(),
  /** What the session went to. */
  mode: z.string().optional(),
  /** Place in line, 1 = next. */
  position: z.int().positive().optional(),
  /** When the wait is over. */
  expiresAt: z.iso.datetime().optional(),
  /** The newer command that took the place in line. */
  supersededBy: z.string().optional(),
};

/**
 * A worker's word that a session has changed. It may come early, twice or never: who is told reads the session, of that
 * `version` or later.
 */
export const sessionHint = z.object({
  sessionId: z.string(),
  /** The workflow's run; `version` counts within it, for a reset begins again. */
  run: z.string(),
  version: z.int(),
  type: changeType,
  at: z.string(),
  ...details,
});
export type SessionHint = z.infer<typeof sessionHint>;

/** Which changes have been seen: all of this epoch up to this number. */
const place = {
  /** Of one API process, until it starts to watch anew; another's numbers mean nothing. */
  epoch: z.string(),
  seq: z.int().nonnegative(),
};

/** The first message, and after each gap: all sessions that run. */
export const snapshotMessage = z.object({ type: z.literal('snapshot'), ...place, sessions: z.array(sessionResource) });

/** One change, with the session as it was read then: at least as new as the change. */
export const changeMessage = z.object({
  type: changeType,
  ...place,
  at: z.string(),
  sessionId: z.string(),
  session: sessionResource,
  ...details,
});
export type ChangeMessage = z.infer<typeof changeMessage>;

/** Every few seconds: the connection lives, and all up to `seq` has been told or is none of its concern. */
export const heartbeatMessage = z.object({ type: z.literal('heartbeat'), ...place, at: z.string() });

export type Notification =
  | z.infer<typeof snapshotMessage>
  | z.infer<typeof changeMessage>
  | z.infer<typeof heartbeatMessage>;
