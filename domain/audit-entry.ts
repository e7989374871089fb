import { z } from 'zod';
import { commandAction, commandStatus } from './commands.js';
import { fallbackReason, mediaAffinity, mediaMeasures, mediaQuality } from './media.js';
import { bargeStatus, endReason, monitorMode } from './session.js';

/**
 * The audit trail of a session, as it is told to others. Workflows write it and know its type only: a schema that they do not
 * use would be built anew for each of them.
 */

const happening = {
  at: z.iso.datetime(),
  actor: z.string().optional(),
  reason: z.string().optional(),
  commandId: z.string().optional(),
};

/**
 * What became of the leg: there was `none`, the platform said that it is `gone`, or it never did, because the stop was
 * `forbidden` or called `invalid`, or the platform was `unreachable` for as long as a leg can live. `unknown`:
 * the answer to the start was lost, and so is the leg, if there is one.
 */
const legAtEnd = z.enum(['none', 'gone', 'forbidden', 'invalid', 'unreachable', 'unknown']);
export type LegAtEnd = z.infer<typeof legAtEnd>;

/** One line of the audit trail: what happened, when, and where they are known by whom, why and by which command. */
export const auditEntry = z.discriminatedUnion('type', [
  z.object({ ...happening, type: z.literal('session.created') }),
  z.object({
    ...happening,
    type: z.literal('leg.made'),
    monitorSessionId: z.string(),
    /** `adopted`: found on the platform after the answer to `start` was lost. */
    how: z.enum(['started', 'adopted']),
    /** The group that the platform took it for; absent: it chose itself, or nobody knows. */
    mediaServerGroupId: z.string().optional(),
    affinity: mediaAffinity.optional(),
    /** The group that it should have had instead, where that is known, and why it has not. */
    wantedGroupId: z.string().optional(),
    fallbackReason: fallbackReason.optional(),
  }),
  z.object({
    ...happening,
    type: z.literal('session.active'),
    mode: monitorMode,
    bargeStatus,
    mediaServerGroupId: z.string().nullable(),
    affinity: mediaAffinity.default('none'),
    /** The platform took it for `wantedGroupId` and put it elsewhere. */
    wantedGroupId: z.string().optional(),
    fallbackReason: fallbackReason.optional(),
  }),
  z.object({ ...happening, type: z.literal('session.mode'), mode: monitorMode, bargeStatus }),
  z.object({ ...happening, type: z.literal('session.observed'), bargeStatus }),
  z.object({
    ...happening,
    ...mediaMeasures.shape,
    type: z.literal('session.media'),
    quality: mediaQuality,
    /** Of the codec from then on. */
    bitrateBps: z.int().positive(),
    affinity: mediaAffinity,
  }),
  z.object({
    ...happening,
    type: z.literal('session.queued'),
    commandId: z.string(),
    /** 1 = next. */
    position: z.int().positive(),
    expiresAt: z.iso.datetime(),
    /** The leg that keeps the channel from the one whose turn it is. */
    conflictingMonitorSessionId: z.string().optional(),
  }),
  z.object({ ...happening, type: z.literal('session.moved'), commandId: z.string(), position: z.int().positive() }),
  z.object({ ...happening, type: z.literal('session.granted'), commandId: z.string(), fence: z.number() }),
  z.object({ ...happening, type: z.literal('session.expired'), commandId: z.string() }),
  z.object({
    ...happening,
    type: z.literal('session.superseded'),
    commandId: z.string(),
    /** The newer command, which has the place in the queue now. */
    supersededBy: z.string(),
  }),
  z.object({ ...happening, type: z.literal('session.ending'), endReason }),
  z.object({
    ...happening,
    type: z.literal('session.ended'),
    leg: legAtEnd,
  }),
  z.object({ ...happening, type: z.literal('command.accepted'), commandId: z.string(), action: commandAction }),
  z.object({
    ...happening,
    type: z.literal('command.settled'),
    commandId: z.string(),
    status: commandStatus.exclude(['accepted', 'queued']),
    conflictingMonitorSessionId: z.string().optional(),
  }),
  z.object({ ...happening, type: z.literal('platform.unanswering'), since: z.iso.datetime() }),
  z.object({ ...happening, type: z.literal('platform.answering') }),
  z.object({ ...happening, type: z.literal('signal.refused'), signal: z.string() }),
]);
export type SessionEvent = z.infer<typeof auditEntry>;
