import { z } from 'zod';
import { ANNOUNCED } from './announcements.js';
import { mediaMeasures, mediaQuality } from './media.js';
import { sessionResource } from './session.js';

/**
 * What is told of sessions as it happens: between workers and APIs as hints and samples, and to those who listen at
 * `GET /v1/events` as changes, and as samples if they ask for them.
 */

const CHANGE_TYPES = [...ANNOUNCED, 'session.updated'] as const;

const MEANINGS: Readonly<Record<(typeof CHANGE_TYPES)[number], string>> = {
  'session.created': 'asked for.',
  'session.active': 'the platform has confirmed the leg; listening begins.',
  'session.mode':
    'the leg is in another mode, or somebody else on the call has begun or ceased to speak (bargeStatus).',
  'session.queued': 'a command waits in line.',
  'session.moved': 'it has moved up.',
  'session.granted': 'it has the channel; session.mode follows when the platform confirms that it speaks.',
  'session.expired': 'it has waited in vain.',
  'session.superseded': 'a newer command has taken its place.',
  'session.ending': 'the leg is being stopped.',
  'session.ended': 'it is over.',
  'session.media': 'it is heard better or worse, or should be heard with another profile (media).',
  'session.updated': 'what else it shows has changed.',
};

/** What may have happened to a session. */
export const changeType = z
  .enum(CHANGE_TYPES)
  .describe(CHANGE_TYPES.map((type) => `${type}: ${MEANINGS[type]}`).join(' '));
export type ChangeType = z.infer<typeof changeType>;

/** What is told of a change beside the session itself, where it applies. */
const details = {
  commandId: z.string().optional().describe('Of the command that it happened to.'),
  mode: z.string().optional().describe('What the session went to.'),
  position: z.int().positive().optional().describe('Place in line; 1 is next.'),
  expiresAt: z.iso.datetime().optional().describe('When the wait is over.'),
  supersededBy: z.string().optional().describe('The newer command that took the place in line.'),
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

/**
 * A worker's word of how a leg is heard, between two changes of that. It may come late, twice or never: nothing is decided by
 * it, and no history has it.
 */
export const legSample = mediaMeasures.extend({
  sessionId: z.string(),
  monitorSessionId: z.string(),
  /** What all samples so far come to; `null`: nothing yet. */
  quality: mediaQuality.nullable(),
});
export type LegSample = z.infer<typeof legSample>;

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

/** How a session's leg was heard at a moment, as it is told. */
export const mediaSample = z.object({
  sessionId: z.string(),
  sampledAt: mediaMeasures.shape.sampledAt.describe('By the platform’s clock.'),
  packetLoss: mediaMeasures.shape.packetLoss.describe('0 to 1.'),
  jitterMs: mediaMeasures.shape.jitterMs.describe('ms.'),
  roundTripMs: mediaMeasures.shape.roundTripMs.describe('ms.'),
  quality: mediaQuality
    .optional()
    .describe(
      'By this sample and those before it, as the session shows or is about to; absent before the first change.',
    ),
});
export type MediaSample = z.infer<typeof mediaSample>;

/** How legs are heard between changes, for who asks for that: at first what is remembered, then some every second. */
export const samplesMessage = z.object({ type: z.literal('samples'), at: z.string(), samples: z.array(mediaSample) });

export type Notification =
  | z.infer<typeof snapshotMessage>
  | z.infer<typeof changeMessage>
  | z.infer<typeof heartbeatMessage>
  | z.infer<typeof samplesMessage>;
