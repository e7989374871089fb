import { z } from 'zod';
import { legStatus } from './leg-status.js';
import { bargeStatus, monitorMode, stateOfMode } from './session.js';
import type { SessionSnapshot } from './session.js';

/**
 * What an event said of a leg: the payload of the signal `monitorStatus`. It may be late, repeated or another leg's, so
 * nothing is believed of it but that a leg is active; everything else makes the session look.
 */
export const legNews = z.strictObject({
  monitorSessionId: z.string().min(1).max(128),
  status: legStatus,
  mode: monitorMode,
  /** Of the interaction. */
  bargeStatus,
});
export type LegNews = z.infer<typeof legNews>;

/**
 * Whether that is anything new to a session that shows itself so: `leg`, about its own leg (or one that may turn out to be
 * its own, while the answer to its start is under way); `channel`, about who may speak on the interaction.
 */
export function newsTo(session: SessionSnapshot, news: LegNews): 'leg' | 'channel' | undefined {
  const { state, monitorSessionId } = session;
  if (state === 'TERMINATED' || session.ending !== null) return undefined;
  const isOwn = monitorSessionId === news.monitorSessionId;
  if (state === 'PENDING') {
    return (isOwn || monitorSessionId === null) && news.status !== 'pending' ? 'leg' : undefined;
  }
  if (isOwn && (news.status !== 'active' || stateOfMode(news.mode) !== state)) return 'leg';
  return news.bargeStatus === session.bargeStatus ? undefined : 'channel';
}

/**
 * Whether a session needs that at once: it waits for its leg to become active, or it is the next one to speak. Most other
 * news is of what the session itself has just done, which lists do not show yet: a signal for each would cost more than
 * the change.
 */
export function isUrgentTo(session: SessionSnapshot, news: LegNews): boolean {
  const kind = newsTo(session, news);
  if (kind === 'leg') return session.state === 'PENDING';
  return kind === 'channel' && session.waiting?.position === 1;
}
