import { z } from 'zod';
import { legStatus } from './leg-status.js';
import { mediaMeasures } from './media.js';
import { bargeStatus, monitorMode } from './session.js';

/**
 * The telephony platform's answers, as `platform-api.md` has them. Unknown fields are dropped, never an error; a field
 * that this page marks as always present is required, so that a broken answer is noticed where it arrives.
 */

const platformId = z.string().min(1).max(128);

/** `POST /api/v2/auth/token` → `200`. */
export const tokenAnswer = z.object({
  access_token: z.string().min(1),
  token_type: z.string().optional(),
  /** Seconds; absent, textual or absurd values are the token source's to judge. */
  expires_in: z.unknown().optional(),
});

/** `POST …/monitor` `start` → `202`. */
export const startAnswer = z.object({ monitorSessionId: platformId, interactionId: platformId });

/** `POST …/monitor` `barge`, `whisper`, `silent` → `200`. The page writes the leg out for `barge` only. */
export const modeAnswer = z.object({ monitorSessionId: platformId.optional(), mode: monitorMode });

/** `POST …/monitor` `stop` → `200`. */
export const stopAnswer = z.object({ monitorSessionId: platformId.optional(), status: z.literal('terminated') });

/**
 * One leg in `GET …/telephony/monitor`, by the fields that are needed. What another program's leg lacks must not keep us
 * from our own.
 */
export const legState = z.object({
  monitorSessionId: platformId,
  status: legStatus,
  /** A leg begins silent; before it is active a platform may have no mode to tell. */
  mode: monitorMode.nullish().transform((mode) => mode ?? 'silent'),
  mediaServerGroupId: z.string().nullish().transform(absentIsNull),
  /** The OAuth client that started it: tells our legs from other programs'. Unnamed, it is nobody's of ours. */
  clientId: z.string().nullish().transform(absentIsNull),
});
export type LegState = z.infer<typeof legState>;

/** `GET …/telephony/monitor` → `200`. */
export const monitorState = z.object({
  interactionId: platformId,
  bargeStatus,
  bargeMonitorSessionId: z.string().nullish().transform(absentIsNull),
  monitors: z.array(legState),
});
export type MonitorState = z.infer<typeof monitorState>;

export const interactionStatus = z.enum(['connected', 'ended']);
export type InteractionStatus = z.infer<typeof interactionStatus>;

/** One interaction in `GET /api/v2/interactions`. */
export const interaction = z.object({
  id: platformId,
  status: interactionStatus,
  agentId: z.string().nullish().transform(absentIsNull),
  queueName: z.string().nullish().transform(absentIsNull),
  customer: z.string().nullish().transform(absentIsNull),
  startedAt: z.string().nullish().transform(absentIsNull),
  endedAt: z.string().nullish().transform(absentIsNull),
});
export type Interaction = z.infer<typeof interaction>;

/** `GET /api/v2/interactions` → `200`. One that is not as documented is left out: it must not hide the others. */
export const interactionPage = z.object({
  entities: z.array(interaction.nullable().catch(null)).transform((all) => all.filter((one) => one !== null)),
  nextCursor: z.string().nullish().transform(absentIsNull),
});
export type InteractionPage = z.infer<typeof interactionPage>;

/**
 * One group in `GET …/media-server-groups`. A state that the page does not know is the platform's to refuse; a region that it
 * does not tell is near no other.
 */
export const mediaServerGroup = z.object({
  id: platformId,
  region: z.string().min(1).nullish().transform(absentIsNull).catch(null),
  state: z.enum(['available', 'draining', 'down']).catch('available'),
  /** It carries the interaction that was asked about. */
  primary: z.boolean().catch(false),
});
export type MediaServerGroup = z.infer<typeof mediaServerGroup>;

/** `GET …/media-server-groups` → `200`. One that is not as documented must not hide the others. */
export const mediaServerGroups = z.object({
  entities: z.array(mediaServerGroup.nullable().catch(null)).transform((all) => all.filter((one) => one !== null)),
});

/** `GET …/media-metrics` → `200`. */
export const mediaMetrics = mediaMeasures.extend({ monitorSessionId: platformId });
export type MediaMetrics = z.infer<typeof mediaMetrics>;

/**
 * The body of every error of the platform; `conflictingMonitorSessionId` comes with `barge.conflict`. Each field on its
 * own: what is not as documented counts as absent, because an error's status alone already says something.
 */
export const errorAnswer = z.object({
  code: z.string().optional().catch(undefined),
  conflictingMonitorSessionId: z.string().optional().catch(undefined),
});

function absentIsNull<T>(value: T | null | undefined): T | null {
  return value ?? null;
}
