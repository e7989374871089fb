import { z } from 'zod';
import { interactionStatus } from './platform-wire.js';
import { sessionResource } from './session.js';

/** A call as REST shows it, with the sessions that run on it. */
export const interactionResource = z.object({
  id: z.string(),
  status: interactionStatus,
  agentId: z.string().nullable(),
  queueName: z.string().nullable(),
  customer: z.string().nullable(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  sessions: z.array(sessionResource.pick({ sessionId: true, supervisorId: true, state: true })),
});
export type InteractionResource = z.infer<typeof interactionResource>;
