import type { SessionResource } from '../../domain/session.js';
import { endWords, ordinal, STATE_WORDS } from './words.js';

/**
 * What a screen reader says of a change to our own session; `undefined`: nothing that needs saying. The seconds left are none
 * of it: they are on the page, and would drown everything else.
 */
export function announcementOf(before: SessionResource | undefined, after: SessionResource): string | undefined {
  if (after.state === 'TERMINATED') return `You have left the call: ${endWords(after.endReason)}.`;
  if (after.ending !== null) return (before?.ending ?? null) === null ? 'Leaving the call.' : undefined;
  const { waiting } = after;
  if (waiting !== null) {
    if (before?.waiting?.position === waiting.position && before.waiting.mode === waiting.mode) return undefined;
    return `You are ${ordinal(waiting.position)} in line to ${waiting.mode}.`;
  }
  if (before?.state !== after.state) return `${STATE_WORDS[after.state].title}. ${STATE_WORDS[after.state].meaning}.`;
  if (before.waiting !== null) return 'You are no longer in line.';
  const quality = after.media?.quality ?? null;
  if (quality === 'poor' && before.media?.quality !== 'poor') return 'The call is heard poorly.';
  return undefined;
}
