import type { LegNews } from './leg-news.js';
import type { CallEvent } from './platform-events.js';
import type { SessionSnapshot } from './session.js';

/** What the events that came tell of one interaction, in whatever order they came. */
export interface InteractionStory {
  /** Why it is over, if it is; that is never taken back. */
  readonly ended: string | undefined;
  /** The latest of each leg, by the platform's clock. */
  readonly legs: ReadonlyMap<string, DatedNews>;
}

interface DatedNews extends LegNews {
  /** ms since the epoch, by the platform's clock. */
  readonly atMs: number;
}

export const NO_STORY: InteractionStory = { ended: undefined, legs: new Map() };

/** Legs of one interaction whose news is remembered; the oldest go first. */
const LEGS_REMEMBERED = 200;

/** The story with one more event; one that is older than what is known of its leg changes nothing. */
export function withEvent(story: InteractionStory, event: CallEvent): InteractionStory {
  if (event.topic === 'interaction.telephony.ended') return { ...story, ended: event.data.reason ?? 'ended' };
  const { monitorSessionId, status, mode, bargeStatus } = event.data;
  const atMs = Date.parse(event.timestamp);
  const known = story.legs.get(monitorSessionId);
  if (known !== undefined && known.atMs > atMs) return story;
  const others = [...story.legs].filter(([id]) => id !== monitorSessionId).slice(1 - LEGS_REMEMBERED);
  return {
    ...story,
    legs: new Map([...others, [monitorSessionId, { monitorSessionId, status, mode, bargeStatus, atMs }]]),
  };
}

/**
 * What of it can be news to a session: what became of its own leg, and who may speak now. A session that does not show its
 * leg yet, or nothing at all, is to hear of every one.
 */
export function newsIn(
  { legs }: InteractionStory,
  session: Pick<SessionSnapshot, 'monitorSessionId'> | undefined,
): LegNews[] {
  const all = [...legs.values()];
  const latestMs = Math.max(...all.map(({ atMs }) => atMs));
  const own = session?.monitorSessionId ?? undefined;
  return all
    .filter(({ monitorSessionId, atMs }) => own === undefined || monitorSessionId === own || atMs === latestMs)
    .map(({ monitorSessionId, status, mode, bargeStatus }) => ({ monitorSessionId, status, mode, bargeStatus }));
}
