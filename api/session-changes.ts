import type { ChangeType } from '../domain/notifications.js';
import type { SessionSnapshot } from '../domain/session.js';

/**
 * What has happened to a session between two looks at it, as far as it shows; empty where nothing has.
 * @param isSameRun whether both were at one run of its workflow, within which versions count
 */
export function changesBetween(
  before: SessionSnapshot | undefined,
  after: SessionSnapshot,
  isSameRun = true,
): ChangeType[] {
  if (before?.runId !== after.runId) return after.state === 'TERMINATED' ? ['session.ended'] : ['session.created'];
  // In another run the same version may be another state.
  if (before.version === after.version && isSameRun) return [];
  const found: ChangeType[] = [];
  if (before.waiting === null && after.waiting !== null) found.push('session.queued');
  if (before.waiting !== null && after.waiting !== null && before.waiting.position !== after.waiting.position) {
    found.push('session.moved');
  }
  if (before.waiting !== null && after.waiting === null && isModeOf(after, before.waiting.mode)) {
    found.push('session.granted');
  }
  if (before.state === 'PENDING' && !['PENDING', 'TERMINATED'].includes(after.state)) found.push('session.active');
  else if (before.state !== after.state && after.state !== 'TERMINATED') found.push('session.mode');
  if (isHeardOtherwise(before, after)) found.push('session.media');
  if (before.ending === null && after.ending !== null) found.push('session.ending');
  if (after.state === 'TERMINATED') found.push('session.ended');
  return found.length === 0 ? ['session.updated'] : found;
}

/** Not that a leg has got its place: that comes with its becoming active. */
function isHeardOtherwise(before: SessionSnapshot, after: SessionSnapshot): boolean {
  return before.media !== null && after.media !== null && before.media.sampledAt !== after.media.sampledAt;
}

function isModeOf({ state }: SessionSnapshot, mode: 'whisper' | 'barge'): boolean {
  return state.toLowerCase() === mode;
}
