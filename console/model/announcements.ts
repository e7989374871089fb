import type { SessionResource } from '../../domain/session.js';
import { endWords, ordinal, STATE_WORDS } from './words.js';

/**
 * What a screen reader says of a change to our own session; `undefined`: nothing that needs saying. The seconds left are none
 * of it: they are on the page, and would drown everything else.
 */
export function announcementOf(before: SessionResource | undefined, after: SessionResource): string | undefined {
  if (after.state === 'TERMINATED') {
    return after.endReason === 'stopped'
      ? 'You have left the call.'
      : `You are off the call: ${endWords(after.endReason)}.`;
  }
  if (after.ending !== null) return (before?.ending ?? null) === null ? 'Leaving the call.' : undefined;
  const said = [
    before?.state === after.state
      ? undefined
      : `${STATE_WORDS[after.state].title}. ${STATE_WORDS[after.state].meaning}.`,
    lineNews(before, after),
    before?.media?.quality !== 'poor' && after.media?.quality === 'poor' ? 'The call is heard poorly.' : undefined,
  ].filter((one) => one !== undefined);
  return said.length === 0 ? undefined : said.join(' ');
}

function lineNews(before: SessionResource | undefined, { state, waiting }: SessionResource): string | undefined {
  const was = before?.waiting ?? null;
  // Where it has come to says that it waits no more.
  if (waiting === null) return was !== null && before?.state === state ? 'You are no longer in line.' : undefined;
  if (was?.position === waiting.position && was.mode === waiting.mode) return undefined;
  return `You are ${ordinal(waiting.position)} in line to ${waiting.mode}.`;
}
