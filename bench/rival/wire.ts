import { z } from 'zod';

/** What goes over the wires, by the platform's page and by the REST that Earshot answers too. Nothing of the product is used. */

export const mode = z.enum(['silent', 'whisper', 'barge']);
export type Mode = z.infer<typeof mode>;

export const action = z.enum(['barge', 'whisper', 'silent', 'stop']);
export type Action = z.infer<typeof action>;

/** The guide's states, of its state machine. */
export const sessionState = z.enum(['PENDING', 'SILENT', 'WHISPER', 'BARGE', 'TERMINATED']);
export type SessionState = z.infer<typeof sessionState>;

export const STATE_OF_MODE: Readonly<Record<Mode, SessionState>> = {
  silent: 'SILENT',
  whisper: 'WHISPER',
  barge: 'BARGE',
};

const id = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/);

export const sessionRequest = z.strictObject({ interactionId: id, supervisorId: id });
export type SessionRequest = z.infer<typeof sessionRequest>;

export const commandRequest = z.strictObject({ action });

/** A session as it is kept in Redis. */
export const session = z.object({
  sessionId: z.string(),
  interactionId: z.string(),
  supervisorId: z.string(),
  state: sessionState,
  monitorSessionId: z.string().nullable(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  endReason: z.string().nullable(),
});
export type Session = z.infer<typeof session>;

export const commandStatus = z.enum(['queued', 'applied', 'rejected', 'expired', 'cancelled', 'failed']);
export type CommandStatus = z.infer<typeof commandStatus>;

export const command = z.object({
  commandId: z.string(),
  action,
  status: commandStatus,
  reason: z.string().optional(),
  expiresAt: z.string().optional(),
});
export type Command = z.infer<typeof command>;

/** One who waits for the channel. */
export const queueEntry = z.object({
  sessionId: z.string(),
  commandId: z.string(),
  mode: z.enum(['whisper', 'barge']),
  expiresAtMs: z.number(),
});
export type QueueEntry = z.infer<typeof queueEntry>;

export const tokenAnswer = z.object({ access_token: z.string(), expires_in: z.number() });
export const startAnswer = z.object({ monitorSessionId: z.string() });
export const errorAnswer = z.object({ code: z.string() });

export const monitorState = z.object({
  bargeStatus: z.enum(['active', 'inactive']),
  bargeMonitorSessionId: z.string().nullable().optional(),
  monitors: z.array(
    z.object({ monitorSessionId: z.string(), status: z.string(), mode: z.string(), clientId: z.string().optional() }),
  ),
});
export type MonitorState = z.infer<typeof monitorState>;

export const mediaServerGroups = z.object({
  entities: z.array(z.object({ id: z.string(), state: z.string(), primary: z.boolean() })),
});

export const interactionPage = z.object({
  entities: z.array(z.object({ id: z.string() })),
  nextCursor: z.string().nullable(),
});

export const platformEvent = z.discriminatedUnion('topic', [
  z.object({
    topic: z.literal('interaction.telephony.monitor'),
    data: z.object({
      interactionId: z.string(),
      monitorSessionId: z.string(),
      status: z.string(),
      mode: mode.catch('silent'),
      bargeStatus: z.string(),
    }),
  }),
  z.object({ topic: z.literal('interaction.telephony.ended'), data: z.object({ interactionId: z.string() }) }),
]);
