import { z } from 'zod';
import { mediaMeasures } from './media.js';
import { legStatus } from './leg-status.js';
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

/** How well a leg is heard. By far the most of all events: each leg has one every few seconds. */
export const mediaEvent = z.object({
  topic: z.literal('interaction.telephony.media-metrics'),
  data: mediaMeasures.extend({ interactionId: platformId, monitorSessionId: platformId }),
});
export type MediaEvent = z.infer<typeof mediaEvent>;

/** What happens to calls and legs. */
export type CallEvent = MonitorEvent | EndedEvent;
export type PlatformEvent = CallEvent | MediaEvent;

const CALL_EVENTS = new Map<string, z.ZodType<CallEvent>>(
  [monitorEvent, endedEvent].map((event) => [event.shape.topic.value, event]),
);
const topicOnly = z.object({ topic: z.string() });

/**
 * What an event tells of a call. `undefined`: nothing, it is of another topic.
 * @throws {z.ZodError} where it is not as documented
 */
export function parseCallEvent(content: unknown): CallEvent | undefined {
  return CALL_EVENTS.get(topicOnly.parse(content).topic)?.parse(content);
}

/** Likewise, of any topic that means something here. */
export function parsePlatformEvent(content: unknown): PlatformEvent | undefined {
  const { topic } = topicOnly.parse(content);
  return topic === mediaEvent.shape.topic.value ? mediaEvent.parse(content) : parseCallEvent(content);
}

/** Whether it is about calls and legs, and not about how they sound. */
export function isCallEvent(event: PlatformEvent): event is CallEvent {
  return event.topic !== 'interaction.telephony.media-metrics';
}
