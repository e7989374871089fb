import { z } from 'zod';

/** What the platform knows, as it is kept in memory and in the state file. Names and values are those of `platform-api.md`. */

export const MODES = ['silent', 'whisper', 'barge'] as const;
export const modeSchema = z.enum(MODES);
export type Mode = z.infer<typeof modeSchema>;

export const END_REASONS = ['hangup', 'transfer', 'timeout'] as const;
export const endReasonSchema = z.enum(END_REASONS);
export type EndReason = z.infer<typeof endReasonSchema>;

export const identifierSchema = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/, 'expected 1–128 of A-Za-z0-9._:-');

/** An interaction (a call). Times in milliseconds since the Unix epoch. */
export const interactionSchema = z.object({
  id: identifierSchema,
  /** Rises with each interaction: the order of lists. */
  order: z.int(),
  /** Rises with each ending: the order of the list of ended ones, so that new endings never shift a page already read. */
  endOrder: z.int().nullable(),
  agentId: z.string(),
  queueName: z.string(),
  customer: z.string(),
  startedAtMs: z.number(),
  endedAtMs: z.number().nullable(),
  endReason: endReasonSchema.nullable(),
  /** When it will hang up by itself; `null`: only when told to. */
  plannedEndAtMs: z.number().nullable(),
  primaryGroupId: z.string(),
  /** Made by the population, and replaced by it. */
  populated: z.boolean(),
});
export type Interaction = z.infer<typeof interactionSchema>;

export const legEndSchema = z.enum(['stop', 'interaction-ended', 'severed', 'failed']);
export type LegEnd = z.infer<typeof legEndSchema>;

/** A monitor leg and its whole life. Times in milliseconds since the Unix epoch. */
export const legSchema = z.object({
  monitorSessionId: identifierSchema,
  interactionId: identifierSchema,
  clientId: z.string(),
  mediaServerGroupId: z.string().nullable(),
  status: z.enum(['pending', 'active', 'failed', 'terminated']),
  mode: modeSchema,
  createdAtMs: z.number(),
  /** The request that made it (ledger sequence); `null`: made by a control. */
  requestSeq: z.int().nullable(),
  activeAtMs: z.number().nullable(),
  /** What becomes of a pending leg, and when; `null` while pending: it never becomes active. */
  outcome: z.object({ status: z.enum(['active', 'failed']), atMs: z.number() }).nullable(),
  /** What its listener's client lets it have, bit/s; `null`: whatever it takes. */
  bitrateBps: z.number().positive().nullable().default(null),
  /** Every mode it was in, the first (`silent`) from its start. */
  modes: z.array(z.object({ mode: modeSchema, atMs: z.number(), requestSeq: z.int().nullable() })),
  endedAtMs: z.number().nullable(),
  endedBy: legEndSchema.nullable(),
});
export type Leg = z.infer<typeof legSchema>;

/** How a network treats a leg's packets; loss is 0..1. */
export const mediaConditionsSchema = z.strictObject({
  packetLoss: z.number().min(0).max(1),
  jitterMs: z.number().nonnegative(),
  roundTripMs: z.number().nonnegative(),
});
export type MediaConditions = z.infer<typeof mediaConditionsSchema>;

export const mediaServerGroupSchema = z.object({
  id: identifierSchema,
  name: z.string(),
  region: z.string(),
  state: z.enum(['available', 'draining', 'down']),
  /** How many live legs it carries at most; a `start` past that is refused. */
  capacity: z.int().nonnegative(),
});
export type MediaServerGroup = z.infer<typeof mediaServerGroupSchema>;

/** Pending or active: it takes ports on a media server. */
export function isLive(leg: Leg): boolean {
  return leg.endedAtMs === null;
}

/** Active in barge or whisper: it holds the interaction's one exclusive media channel. */
export function isExclusive(leg: Leg): boolean {
  return leg.status === 'active' && leg.mode !== 'silent';
}

/** ISO 8601 UTC, as all times on the wire. */
export function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}
