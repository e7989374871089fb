import type { SessionEvent } from './audit-entry.js';
import type { SessionRecord } from './session-record.js';

/**
 * What is announced of a session as it happens. A hint, which may come early, twice or never: who needs the truth reads
 * the session of that `version` or later.
 */
export interface SessionAnnouncement {
  readonly type: AnnouncedType;
  readonly at: string;
  readonly sessionId: string;
  readonly interactionId: string;
  readonly supervisorId: string;
  readonly version: number;
  /** Whatever else of the event is not somebody's words. */
  readonly [detail: string]: string | number | null;
}

/** What is announced, of all that happens to a session. */
export const ANNOUNCED = [
  'session.created',
  'session.active',
  'session.mode',
  'session.media',
  'session.queued',
  'session.moved',
  'session.granted',
  'session.expired',
  'session.superseded',
  'session.ending',
  'session.ended',
] as const satisfies readonly SessionEvent['type'][];

/** What changes a session without being news of its own: whoever shows the session shows it. */
const UPDATES: readonly SessionEvent['type'][] = [
  'leg.made',
  'session.observed',
  'platform.unanswering',
  'platform.answering',
];
export type AnnouncedType = (typeof ANNOUNCED)[number] | 'session.updated';

/** What was given up was in line, perhaps: who shows the line shows that it no longer is. */
function isUpdate(event: SessionEvent): boolean {
  return UPDATES.includes(event.type) || (event.type === 'command.settled' && event.status === 'cancelled');
}

/** The announcement of an event that has led to this record; `undefined` for events that concern nobody else. */
export function announcementOf(event: SessionEvent, { session }: SessionRecord): SessionAnnouncement | undefined {
  const type: AnnouncedType | undefined =
    ANNOUNCED.find((announced) => announced === event.type) ?? (isUpdate(event) ? 'session.updated' : undefined);
  if (type === undefined) return undefined;
  const details = Object.entries(event).filter(([key]) => key !== 'actor' && key !== 'reason');
  const { sessionId, interactionId, supervisorId, version, endReason } = session;
  return {
    ...Object.fromEntries(details),
    at: event.at,
    ...(endReason === null ? {} : { endReason }),
    type,
    sessionId,
    interactionId,
    supervisorId,
    version,
  };
}
