import { z } from 'zod';
import { legStatus } from './platform-wire.js';
import { bargeStatus, monitorMode } from './session.js';

/**
 * The telephony platform's events, as `platform-api.md` has them; they come over the event stream or the webhook, at least
 * once, late, unordered, or never. Unknown topics and fields are dropped, never an error.
 */

const timestamp = z.iso.datetime({ offset: true });
/** As the page promises them; it goes into a list filter of Temporal's as it is. */
const platformId = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/);

/** A leg has changed, ours or another program's. */
export const monitorEvent = z.object({
  topic: z.literal('interaction.telephony.monitor'),
  id: z.string().min(1).max(256),
  timestamp,
  data: z.object({
    interactionId: platformId,
    monitorSessionId: platformId,
    status: legStatus,
    mode: monitorMode.nullish().transform((mode) => mode ?? 'silent'),
    bargeStatus,
  }),
});
export type MonitorEvent = z.infer<typeof monitorEvent>;

/** An interaction is over. */
export const endedEvent = z.object({
  topic: z.literal('interaction.telephony.ended'),
  id: z.string().min(1).max(256),
  timestamp,
  data: z.object({
    interactionId: platformId,
    /** `hangup`, `transfer`, `timeout`, or what a later platform calls it. */
    reason: z.string().max(64).nullish(),
  }),
});
export type EndedEvent = z.infer<typeof endedEvent>;

export const platformEvent = z.discriminatedUnion('topic', [monitorEvent, endedEvent]);
export type PlatformEvent = z.infer<typeof platformEvent>;

/**
 * An event as it came. `undefined`: of a topic that means nothing here.
 * @throws {z.ZodError} where it is not as documented
 */
export function parsePlatformEvent(content: unknown): PlatformEvent | undefined {
  const { topic } = z.object({ topic: z.string() }).parse(content);
  const isKnown = platformEvent.options.some(({ shape }) => shape.topic.value === topic);
  return isKnown ? platformEvent.parse(content) : undefined;
}
