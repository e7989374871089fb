import type { Evidence } from './evidence.js';
import { isUnconfirmed, rightsOf, speechesOf, without } from './speech.js';
import type { Speech } from './speech.js';

/** Clocks that show milliseconds, and a mode that changes before its request is answered. */
const BLUR_MS = 5;

/** The adapter's limits in this test, and some more for a busy machine, ms. */
const ANSWERED_WITHIN_MS = 400;

/**
 * A change that was not confirmed may have taken effect; the session looks 10 s later, and then silences its leg
 * (docs/decisions/0007-exclusive-channel.md).
 */
const SILENCED_WITHIN_MS = 14_000;

/** Rule 4, by the platform's own record: one leg speaks at a time, and only in its turn. */
export function platformFaults(evidence: Evidence): string[] {
  return [...violated(evidence), ...twoAtOnce(evidence), ...withoutRight(evidence), ...leftBehind(evidence)];
}

function violated({ violations }: Evidence): string[] {
  return violations.map(({ rule, detail, at }) => `the platform saw ${rule} at ${at}: ${detail}`);
}

function twoAtOnce({ legs }: Evidence): string[] {
  const speeches = speechesOf(legs).sort((one, other) => one.fromMs - other.fromMs);
  return speeches.flatMap((speech, index) =>
    speeches
      .slice(index + 1)
      .filter((other) => other.fromMs < speech.toMs)
      .map((other) => `${named(other)} while ${named(speech)}`),
  );
}

/** A leg of ours that speaks although its session was not granted the channel, or has given it back. */
function withoutRight({ legs, requests, sessions }: Evidence): string[] {
  return sessions.flatMap(({ played, chain, report, turns }) => {
    const monitorSessionId = report?.session.monitorSessionId;
    // Nobody is left to silence the leg of a session that was terminated, until somebody else wants to speak.
    const diedAtMs = played.fate === 'terminated' ? chain.closedAtMs : undefined;
    const rights = [
      ...rightsOf(turns).map(({ fromMs, toMs }) => ({ fromMs: fromMs - BLUR_MS, toMs: toMs + BLUR_MS })),
      ...(diedAtMs === undefined ? [] : [{ fromMs: diedAtMs, toMs: Number.POSITIVE_INFINITY }]),
    ];
    return speechesOf(legs.filter((leg) => leg.monitorSessionId === monitorSessionId)).flatMap((speech) => {
      const request = requests.find(({ seq }) => seq === speech.requestSeq);
      // A session that was reset may have forgotten that it spoke; it learns of it again.
      const mayNotKnow = played.resets > 0 || isUnconfirmed(request, ANSWERED_WITHIN_MS);
      const tolerated = mayNotKnow ? SILENCED_WITHIN_MS : 0;
      return without(speech, rights)
        .filter(({ fromMs, toMs }) => toMs - fromMs > tolerated)
        .map(({ fromMs, toMs }) => `${played.name}: ${named(speech)} without the right to at ${span(fromMs, toMs)}`);
    });
  });
}

/** Rule 1: no leg outlives its session. */
function leftBehind({ legs, sessions }: Evidence): string[] {
  return sessions.flatMap(({ played, report }) => {
    const monitorSessionId = report?.session.monitorSessionId;
    const leg = legs.find((one) => one.monitorSessionId === monitorSessionId);
    if (played.fate === 'terminated' || leg === undefined || leg.endedAt !== null) return [];
    return [`${played.name} has ended, and its leg ${leg.monitorSessionId} is live`];
  });
}

function named({ monitorSessionId, fromMs, toMs }: Speech): string {
  return `${monitorSessionId} speaks at ${span(fromMs, toMs)}`;
}

function span(fromMs: number, toMs: number): string {
  return `${clock(fromMs)}–${clock(toMs)}`;
}

function clock(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(11, 23) : 'the end';
}
